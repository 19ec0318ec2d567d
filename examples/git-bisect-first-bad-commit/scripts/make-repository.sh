# A small repository for the scenario: twelve commits, and from the seventh on the sum is wrong.
set -e
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git init -q -b main work/repo
cd work/repo
git config user.name Keiken
git config user.email keiken@example.com
printf 'test "$(sh ./sum.sh 2 3)" = 5\n' > test.sh
for number in 1 2 3 4 5 6 7 8 9 10 11 12; do
    operator='+'
    if [ "$number" -ge 7 ]; then operator='-'; fi
    printf 'echo $(($1 %s $2))  # %s\n' "$operator" "$number" > sum.sh
    git add .
    git commit -q -m "Commit $number"
    if [ "$number" = 1 ]; then git tag good; fi
done
touch ../ready
