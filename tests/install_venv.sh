#!/usr/bin/env bash
# Makes the Python environment $1 where Debian's python3 came without its venv module.
set -euo pipefail

venv="$1"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    apt-get install -y -qq python3-venv </dev/null
else
    echo "python3 has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)" >&2
    exit 1
fi
rm -rf "$venv"
python3 -m venv "$venv"
