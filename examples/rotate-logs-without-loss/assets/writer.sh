# Writes numbered lines, opening the log anew for each, as a logger with reopen does.
n=0
while [ "$n" -lt 5000 ]; do
    n=$((n + 1))
    echo "$n" >> work/app.log
    sleep 0.01
done
