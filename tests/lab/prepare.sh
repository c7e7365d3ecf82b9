#!/usr/bin/env bash
# Prints the folder with the lab's kernel and first file system, made once for each kernel version and kept outside the
# checkout. Nothing of it is installed on this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# What the init loads, in this order; what these need comes before them.
modules=(virtio_pci 9pnet_virtio 9p overlay dummy_hcd usblp configfs libcomposite usb_f_printer)

# shellcheck source=tests/lab/packages.sh
source "$here/packages.sh"
PATH=$PATH:/sbin:/usr/sbin
for tool in qemu-system-x86_64 busybox cpio depmod unxz; do
    if ! command -v "$tool" >/dev/null; then
        echo "lab: $tool is missing; installer/setup/apt.sh ${lab_packages[*]}" >&2
        exit 1
    fi
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/docket
# The version that Debian has now. A kernel that was made before does as well, so no network is needed after the first
# time; another init makes another file system.
key=$(printf '%s\n' "${modules[@]}" | cat - "$here/init" | sha256sum | cut -c 1-12)
for folder in "$cache"/lab-*-"$key"; do
    if [[ -e $folder/complete ]]; then
        echo "$folder"
        exit
    fi
done

current() {
    package=$(apt-cache depends linux-image-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-.*-amd64\)$/\1/p' | head -n 1)
    [[ -n $package ]]
}

# apt warns that it cannot change to its own user for a folder of ours; its errors are shown.
download() {
    (cd "$1" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package") >&2
}

# The lists of a fresh machine are empty, and old ones name packages that are gone.
update() {
    local as_root=()
    ((EUID == 0)) || as_root=(sudo -n)
    "${as_root[@]}" apt-get -qq update >&2
}

if ! current && ! { update && current; }; then
    echo "lab: Debian's linux-image-amd64 is not to be found; the lab needs an amd64 machine with Debian's packages" >&2
    exit 1
fi
made=$cache/lab-${package#linux-image-}-$key
echo "making the lab in $made (once)" >&2
mkdir -p "$cache"
# Elsewhere first, and moved when it is complete: two may make it at the same time, and one may be interrupted.
folder=$(mktemp -d "$cache/lab-unfinished-XXXXXX")
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/root"/{bin,dev,proc,sys,host,work,new,results,modules}
download "$folder" || { update && current && download "$folder"; }
dpkg -x "$folder/$package"_*.deb "$folder/unpacked"
mv "$folder/unpacked/boot"/vmlinuz-* "$folder/kernel"

version=$(ls "$folder/unpacked/lib/modules")
find "$folder/unpacked/lib/modules" -name '*.ko.xz' -exec unxz {} +
depmod -b "$folder/unpacked" "$version"
list=$folder/root/modules/list
modprobe --dirname "$folder/unpacked" --set-version "$version" --show-depends --all "${modules[@]}" |
    sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$folder/modules"
while read -r module; do
    cp "$module" "$folder/root/modules/"
    basename "$module"
done <"$folder/modules" >"$list"

cp "$(command -v busybox)" "$folder/root/bin/busybox"
cp "$here/init" "$folder/root/init"
chmod +x "$folder/root/init"
(cd "$folder/root" && find . | cpio --quiet -o -H newc | gzip -1) >"$folder/initramfs"
rm -rf "$folder/unpacked" "$folder/root" "$folder"/*.deb
touch "$folder/complete"
chmod 755 "$folder"
if [[ ! -e $made/complete ]]; then
    rm -rf "$made"
    mv -T "$folder" "$made" 2>/dev/null || [[ -e $made/complete ]]
fi
echo "$made"
