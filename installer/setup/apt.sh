#!/usr/bin/env bash
# Installs those of the named Debian packages that are missing; silent and quick when none is.
#   installer/setup/apt.sh PACKAGE…
set -euo pipefail

missing=()
for package in "$@"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
    # -n: a check must never hang on a password prompt.
    if ! sudo -n true 2>/dev/null; then
        echo "apt.sh: missing packages, and neither root nor a sudo without password to install them:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing ${missing[*]}" >&2
# The lists of a fresh machine are empty or old; once a call is enough, since all packages come in one call.
if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "apt.sh: could not install: ${missing[*]}" >&2
    exit 1
fi
