#!/usr/bin/env bash
# Sets up a checkout: virtual environment, hash-locked requirements, the sandbox runtime. Quick when all is there.
# setup.sh VENV [browser]: with the second word the packages of scripts/browser.sh come along, in one go.
set -euo pipefail
venv=$1
with_browser=${2:-}
. "$(dirname "$0")/packages.sh"

will_do() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The distribution's own gets its security fixes, and is built with optimizations: one that was built by hand without
# takes half as long again for everything.
python=${PYTHON:-/usr/bin/python3}
will_do "$python" || python=${PYTHON:-python3}
if ! will_do "$python"; then
    echo "Keiken needs Python 3.11 or newer. Set PYTHON to one: make setup PYTHON=/usr/bin/python3.12" >&2
    exit 1
fi

if [ ! -x "$venv/bin/python" ]; then
    say "making the virtual environment"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        rm -rf "$venv"
        if may_install; then
            install_packages python3-venv
            "$python" -m venv "$venv"
        else
            echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
fi

missing=($(missing_for_sandboxes))
[ "$with_browser" != browser ] || missing+=($(missing_for_browser))
installing=
trap wait EXIT # whatever fails here, nothing is half installed
if [ ${#missing[@]} -gt 0 ]; then
    if may_install; then # beside what follows: the one waits for the disk while the other waits for the network
        { install_packages "${missing[@]}" || install_packages $(missing_for_sandboxes); } & # a browser is not everywhere
        installing=$!
    else
        say "please install: sudo apt-get install ${missing[*]}"
        say "(bubblewrap is the sandbox, runc the second one; gettext only serves make check; without mmdebstrap experiences are proven in 'local', this machine's own /usr)"
    fi
fi

say "installing the locked requirements"
"$venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
# uv is quick but does not read pip's configuration (a company's mirror, say); pip is the way then.
"$venv/bin/uv" pip install -q --python "$venv/bin/python" --require-hashes -r requirements/dev.txt 2>/dev/null \
    || "$venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
"$venv/bin/pip" install -q --disable-pip-version-check --no-deps --no-build-isolation -e agent
# Compiled once here: each command and worker then starts in a third of the time, also where Python may write no bytecode.
# Left out is what nothing loads: a quarter of all.
"$venv/bin/python" -m compileall -q -j 0 -x '/(tests?|mypy|mypyc|pip|setuptools|stripe/(params|events))/' "$venv/lib" \
    agent/src accounts experiences licensing marketplace >/dev/null

[ -z "$installing" ] || wait "$installing" || say "could not install ${missing[*]}"
say "ready"
