# shellcheck shell=bash disable=SC2034
# Sourced by the scripts beside it: Debian's Rust, with the Windows standard library built from its own source.
#
# The usual Rust has no Windows library on this system and Debian packages none, but Debian does package a compiler
# together with exactly the library source that belongs to it. That is built once (sysroot.sh) and kept.

windows_target=x86_64-pc-windows-gnu
windows_packages=(
    rustc-web cargo-web rust-web-src rust-web-clippy
    gcc-mingw-w64-x86-64-posix gcc-mingw-w64-x86-64-win32 g++-mingw-w64-x86-64-win32
)
wine_packages=(wine wine64)
# Under Wine the Windows spooler is CUPS.
spooler_packages=(cups-daemon)
installer_packages=(nsis wixl msitools osslsigncode)
docket_cache=${XDG_CACHE_HOME:-$HOME/.cache}/docket

# Debian's tools are named in full, for the calling script alone: everybody else keeps the usual ones. What a person's
# shell or an outer cargo has set for its own compiler must not reach this one.
use_debian_rust() {
    unset RUSTFLAGS RUSTDOCFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_BUILD_TARGET
    export PATH=/usr/bin:/bin CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
}

# The same, ready to build for Windows in a target folder of its own: two compilers in one would rebuild each other's.
use_windows_toolchain() {
    local here sysroot
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    sysroot=$("$here/sysroot.sh")
    use_debian_rust
    # With a --target these flags reach only what is built for Windows, not build scripts and proc macros.
    # The encoded form, since the path of a cache may have spaces in it.
    export CARGO_ENCODED_RUSTFLAGS=$'--sysroot\x1f'$sysroot CARGO_BUILD_TARGET=$windows_target
    export CARGO_TARGET_DIR=$here/../../target/windows
    CARGO_TARGET_DIR=$(realpath --canonicalize-missing "$CARGO_TARGET_DIR")
}
