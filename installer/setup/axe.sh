#!/usr/bin/env bash
# Prints the path of axe-core's script, which the page's test runs in the browser. Where the cache has none, it is
# fetched with npm first, once. It is a tool of the tests: nothing of it is shipped.
set -euo pipefail

version=4.14.1
sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

root=${XDG_CACHE_HOME:-$HOME/.cache}/docket/axe-core-$version
if [[ ! -f $root/axe.min.js ]]; then
    mkdir -p "$root"
    work=$(mktemp -d "$root/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent "axe-core@$version" >/dev/null)
    sha256sum --check --quiet <<<"$sha256  $work/axe-core-$version.tgz" >&2
    tar -xzf "$work/axe-core-$version.tgz" -C "$work" package/axe.min.js
    mv "$work/package/axe.min.js" "$root/axe.min.js"
fi
echo "$root/axe.min.js"
