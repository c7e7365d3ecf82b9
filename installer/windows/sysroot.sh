#!/usr/bin/env bash
# Builds the Windows standard library for Debian's Rust into a cache, unless it is there and whole, and prints its path.
#   installer/windows/sysroot.sh
# About a minute and 100 MB, once for each version of Debian's Rust.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=installer/windows/toolchain.sh
source "$here/toolchain.sh"

"$here/../setup/apt.sh" "${windows_packages[@]}"
use_debian_rust

# A library fits the very compiler that built it and no other, so Debian's revision is part of its name; so is this recipe.
version=$(dpkg-query --show --showformat='${Version}' rustc-web)
recipe=$(sha256sum <"$here/sysroot.sh")
name=$docket_cache/windows-sysroot-${version//[^0-9A-Za-z.+-]/_}-${recipe:0:8}
libraries=lib/rustlib/$windows_target/lib

# Prints the library that is there and whole, if any.
find_whole() {
    local found
    for found in "$name".*; do
        if (cd "$found/$libraries" 2>/dev/null && sha256sum --quiet --status --check SHA256SUMS); then
            echo "$found"
            return
        fi
    done
}

mkdir -p "$docket_cache"
# Two builds at once wait for one library instead of both making it.
exec 9>"$docket_cache/windows-sysroot.lock"
flock 9
sysroot=$(find_whole)
if [[ -z $sysroot ]]; then
    echo "building the Windows standard library of Rust $version (once)" >&2
    work=$docket_cache/windows-sysroot.build
    rm -rf "$work" "$name".*
    mkdir -p "$work/empty/src" "$work/sysroot/$libraries"

    printf '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
    : >"$work/empty/src/lib.rs"
    # The shipped agent aborts on panic, and rustc takes only a panic_abort that was itself compiled so. Cargo cannot
    # say that for one crate; Rust's own build uses a wrapper like this too.
    cat >"$work/rustc" <<'WRAPPER'
#!/bin/sh
case " $* " in *" --crate-name panic_abort "*) exec "$@" -C panic=abort ;; *) exec "$@" ;; esac
WRAPPER
    chmod +x "$work/rustc"
    # -Zbuild-std is the one thing that needs the bootstrap switch; everything built with the result does without.
    # Bitcode is embedded so that the shipped agent's link-time optimisation reaches into the library.
    export RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$work/rustc RUSTFLAGS='-C embed-bitcode=yes' CARGO_TARGET_DIR=$work/target
    (cd "$work/empty" && "$CARGO" build --quiet --release --target "$windows_target" \
        -Zbuild-std=std,panic_unwind,panic_abort,proc_macro,test) >&2

    rm "$work/target/$windows_target/release/deps/"libempty-*
    cp "$work/target/$windows_target/release/deps/"*.rlib "$work/sysroot/$libraries/"
    (cd "$work/sysroot/$libraries" && sha256sum -- *.rlib >SHA256SUMS)
    # In place only when whole, and under its content's name: cargo would take another library of the same name for
    # the one it has already built with.
    content=$(sha256sum <"$work/sysroot/$libraries/SHA256SUMS")
    sysroot=$name.${content:0:8}
    mv "$work/sysroot" "$sysroot"
    rm -rf "$work"
fi
echo "$sysroot"
