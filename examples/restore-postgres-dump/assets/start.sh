# A throw-away PostgreSQL for the scenario: its data live in the work folder and end with it.
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
"$bin/initdb" -D work/pg -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync > work/initdb.log
"$bin/pg_ctl" -D work/pg -l work/pg.log -w -o "-h 127.0.0.1 -p 5433 -k /tmp -c fsync=off -c shared_buffers=16MB" start > /dev/null
"$bin/createdb" -h 127.0.0.1 -p 5433 -U postgres shop
"$bin/psql" -h 127.0.0.1 -p 5433 -U postgres -d shop -q -v ON_ERROR_STOP=1 -f work/shop.sql > /dev/null
touch work/ready
exec sleep 600
