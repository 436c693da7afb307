#!/bin/sh
# Install Debian packages where this user may without being asked; otherwise say what to run.
set -eu
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Please install with your system's package tool, then try again: $*" >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "Please run this, then try again: sudo apt-get install $*" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing with apt-get: $*" >&2
# The package lists of a fresh container are empty and those of an old one point at files long gone.
$as_root apt-get install -y --no-install-recommends "$@" >&2 </dev/null || {
    $as_root apt-get update >&2 </dev/null
    $as_root apt-get install -y --no-install-recommends "$@" >&2 </dev/null
}
