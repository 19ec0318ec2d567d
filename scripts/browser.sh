#!/usr/bin/env bash
# What the browser tests, `make screenshots` and `make lighthouse` need and the product does not: a chromium of the
# system's, a font with Japanese letters, Playwright (which brings no browser of its own here) and axe-core.
set -euo pipefail
venv=$1

. "$(dirname "$0")/packages.sh"

say "installing the locked requirements of the browser tests"
"$venv/bin/uv" pip install -q --python "$venv/bin/python" --require-hashes -r requirements/browser.txt 2>/dev/null \
    || "$venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/browser.txt

missing=($(missing_for_browser))
[ ${#missing[@]} -gt 0 ] || exit 0
if may_install; then
    install_packages "${missing[@]}"
else
    echo "The browser tests need ${missing[*]}. On Debian: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
