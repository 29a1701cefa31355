#!/bin/sh
# Prepare a machine: find what is missing, install it where that is possible, make the .venv.
#
#   tools/bootstrap.sh build   a C compiler, zlib, Python 3.11 or later with headers; makes .venv
#   tools/bootstrap.sh test    node, npm, Chromium and ffmpeg besides, which the tests drive
#   tools/bootstrap.sh peers   node, npm, Go with gorilla/websocket, Erlang/OTP and libuv, which the
#                              servers of bench/peers are made with
#
# On Debian and its kin, as root, what is missing is installed with apt-get. Elsewhere it is named
# and the exit code is 1. PYTHON picks the interpreter, VENV the place of the environment.
set -eu

VENV=${VENV:-.venv}
PYTHON=${PYTHON:-}

say() { echo "bootstrap: $*" >&2; }
die() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

new_enough() {
    have "$1" && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "$PYTHON" ]; then
        new_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or later"
        return
    fi
    for PYTHON in python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$PYTHON"; then return; fi
    done
    PYTHON=
}

python_has_venv() { [ -n "$PYTHON" ] && "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; }

python_has_headers() {
    [ -n "$PYTHON" ] && "$PYTHON" - <<'PY'
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PY
}

zlib_has_headers() { have cc && echo '#include <zlib.h>' | cc -E - >/dev/null 2>&1; }
libc_has_headers() { have cc && echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; }
have_gorilla() { [ -d /usr/share/gocode/src/github.com/gorilla/websocket ]; }
have_erlang() { have erlc && erl -noinput -eval 'crypto:start(), halt().' >/dev/null 2>&1; }
have_libuv() { ldconfig -p 2>/dev/null | grep -q 'libuv\.so\.1 '; }
have_chromium() { have chromium || have chromium-browser || have google-chrome; }

# The Debian packages that would bring what is missing, for a list of needs.
missing() {
    for need in "$@"; do
        case $need in
            python) [ -n "$PYTHON" ] || echo python3 ;;
            venv) python_has_venv || echo python3-venv ;;
            headers) python_has_headers || echo python3-dev ;;
            compiler) have cc || echo gcc ;;
            libc) libc_has_headers || echo libc6-dev ;;
            zlib) zlib_has_headers || echo zlib1g-dev ;;
            node) have node || echo nodejs ;;
            npm) have npm || echo npm ;;
            chromium) have_chromium || echo chromium ;;
            ffmpeg) have ffmpeg || echo ffmpeg ;;
            go) have go || echo golang-go ;;
            gorilla) have_gorilla || echo golang-github-gorilla-websocket-dev ;;
            erlang) have_erlang || echo erlang-base erlang-crypto ;;
            libuv) have_libuv || echo libuv1 ;;
        esac
    done
}

require() {
    find_python
    packages=$(missing "$@" | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    if ! have apt-get; then
        die "missing (by the names of Debian's packages): $packages"
    elif [ "$(id -u)" != 0 ]; then
        die "missing; as root: apt-get install -y --no-install-recommends $packages"
    fi
    say "installing $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    # shellcheck disable=SC2086 # a list of package names
    apt-get install -q -y --no-install-recommends $packages >&2
    find_python
    packages=$(missing "$@" | tr '\n' ' ')
    [ -z "$packages" ] || die "still missing after apt-get: $packages(${PYTHON:-no Python 3.11} is
bootstrap: not Debian's own? install its headers and its venv module, or choose another: PYTHON=)"
}

case ${1:-} in
    build)
        require python venv headers compiler libc zlib
        if ! new_enough "$VENV/bin/python"; then
            say "$VENV from $("$PYTHON" -c 'import sys; print(sys.executable)'), $("$PYTHON" -V)"
            "$PYTHON" -m venv --clear "$VENV"
        fi
        # Dependency groups need pip 25.1; Debian 12 has 23.0.
        "$VENV/bin/python" -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
        ;;
    test) require node npm chromium ffmpeg ;;
    peers) require node npm go gorilla erlang libuv ;;
    *) die "say what for: build, test or peers" ;;
esac
