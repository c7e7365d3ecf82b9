# shellcheck shell=bash
# Debian packages that the virtual machine takes: the machine, and what its first file system is made with.
# shellcheck disable=SC2034
lab_packages=(qemu-system-x86 busybox-static cpio kmod xz-utils)
