#!/bin/sh
# Print the path of a Python new enough that can make virtual environments; otherwise say what to install.
set -eu
here=$(dirname "$0")
names="${PYTHON:-} python3.11 python3.12 python3.13 python3"

first_that() {
    for name in $names; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c "$1" >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

recent='import sys; sys.exit(sys.version_info < (3, 11))'
complete="import ensurepip, venv; $recent"

if first_that "$complete"; then
    exit 0
elif python=$(first_that "$recent"); then
    # Debian and Ubuntu keep the venv module in a package of its own.
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "$python cannot make virtual environments: its venv module is missing." >&2
    sh "$here/apt.sh" "python$version-venv"
    first_that "$complete"
else
    found=$(python3 --version 2>/dev/null || echo "no python3")
    echo "Afterimage needs Python 3.11 or newer; PATH has $found." >&2
    echo "Install one (on Debian or Ubuntu: sudo apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
