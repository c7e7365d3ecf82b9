#!/usr/bin/env bash
# Prepares a Wine prefix in the cache in which programs made by build.sh run, unless it is there, and prints its path.
#   WINEPREFIX=$(installer/windows/wine.sh) WINEDEBUG=-all wine target/windows/…/docket-agent.exe
# Needs no display.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=installer/windows/toolchain.sh
source "$here/toolchain.sh"

"$here/../setup/apt.sh" "${wine_packages[@]}" gcc-mingw-w64-x86-64-win32

# Also silences the hint at Wine's 32-bit half, which nothing here needs.
export WINEDEBUG=-all
version=$(wine --version)
prefix=$docket_cache/wine-prefix-${version//[^0-9A-Za-z.+-]/_}
shim=$here/processprng.c

mkdir -p "$docket_cache"
exec 9>"$docket_cache/wine-prefix.lock"
flock 9
# The copy of the source is written last, so it says both that the prefix is whole and which shim it has.
if ! cmp --quiet "$shim" "$prefix/processprng.c"; then
    echo "preparing a prefix for $version (once)" >&2
    rm -rf "$prefix"
    # No window, no sound, no Mono or Gecko to be asked for. 9>&-: the server that stays behind must not keep the lock.
    export WINEPREFIX=$prefix WINEARCH=win64 WINEDLLOVERRIDES='mscoree=;mshtml=;winemenubuilder.exe='
    env -u DISPLAY -u WAYLAND_DISPLAY wine wineboot --init </dev/null >/dev/null 2>&1 9>&-
    wineserver --wait 9>&-
    x86_64-w64-mingw32-gcc -shared -Os -s -o "$prefix/drive_c/windows/system32/bcryptprimitives.dll" "$shim" -ladvapi32
    cp "$shim" "$prefix/processprng.c"
fi
echo "$prefix"
