# To be sourced: what is missing of the system's packages, and how they are installed where that is allowed.

say() { printf '· %s\n' "$*"; }

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    say "installing $* from the system's packages"
    if ! apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1; then
        apt-get update -q >/dev/null
        apt-get install -y -q --no-install-recommends "$@" >/dev/null
    fi
}

# The sandboxes, and what the environments in them are built with; gettext only serves `make check`.
missing_for_sandboxes() {
    command -v bwrap >/dev/null || echo bubblewrap
    command -v runc >/dev/null || [ -x /usr/sbin/runc ] || echo runc
    command -v mmdebstrap >/dev/null || echo mmdebstrap
    command -v xgettext >/dev/null || echo gettext
}

# A chromium of the system's, of the kind without windows where it can be chosen (a sixth cheaper, a third smaller),
# and a font with Japanese letters.
missing_for_browser() {
    command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || echo chromium-headless-shell
    fc-list :lang=ja 2>/dev/null | grep -q . || echo fonts-noto-cjk fontconfig
}
