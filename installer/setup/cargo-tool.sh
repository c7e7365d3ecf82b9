#!/usr/bin/env bash
# Prints the folder of a cargo subcommand; where PATH has none, it is built from source into the cache first, once.
#   installer/setup/cargo-tool.sh NAME VERSION [OPTION of cargo install]…
set -euo pipefail

name=$1 version=$2
shift 2
if found=$(command -v "$name"); then
    dirname "$found"
    exit
fi

root=${XDG_CACHE_HOME:-$HOME/.cache}/docket/$name-$version
if [[ ! -x $root/bin/$name ]]; then
    echo "building $name $version (once)" >&2
    # These tools wait for the compiler and the disk: built lightly they take a third of the time and run as well.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_TARGET_DIR=$root/target \
        cargo install --quiet --locked --root "$root" --version "$version" "$@" "$name" >&2
    rm -rf "$root/target"
fi
echo "$root/bin"
