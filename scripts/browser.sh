#!/usr/bin/env bash
# What the browser tests, `make screenshots` and `make lighthouse` need and the product does not: a chromium of the
# system's, a font with Japanese letters, Playwright (which brings no browser of its own here) and axe-core.
set -euo pipefail
venv=$1

say() { printf '· %s\n' "$*"; }

say "installing the locked requirements of the browser tests"
"$venv/bin/uv" pip install -q --python "$venv/bin/python" --require-hashes -r requirements/browser.txt 2>/dev/null \
    || "$venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/browser.txt

missing=()
command -v chromium >/dev/null || missing+=(chromium)
fc-list :lang=ja 2>/dev/null | grep -q . || missing+=(fonts-noto-cjk fontconfig)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]} from the system's packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null 2>&1 \
        || { apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null; }
else
    echo "The browser tests need ${missing[*]}. On Debian: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
