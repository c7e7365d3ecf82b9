#!/usr/bin/env bash
# Runs a program as root in a small virtual machine that has Debian's kernel, a USB bus of its own and this machine's
# files (what is written to them is gone afterwards). Output and exit code are the program's.
#   tests/lab/run.sh [--results FOLDER] PROGRAM ARGUMENT…
# The program finds FOLDER as /run/lab, the one place where it can leave something. It has no network but its own.
# Variables that begin with DOCKET_ or RUST_ are passed on.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# A machine that hangs must not hang who waits for it; what it runs takes a minute or two.
seconds_max=${DOCKET_LAB_SECONDS_MAX:-420}
memory_mib=1536

results=
if [[ ${1-} == --results ]]; then
    results=$2
    shift 2
fi
if (($# == 0)); then
    echo "usage: tests/lab/run.sh [--results FOLDER] PROGRAM ARGUMENT…" >&2
    exit 2
fi
if [[ -z $results ]]; then
    results=$(mktemp -d -t docket-lab-XXXXXX)
    trap 'rm -rf "$results"' EXIT
fi
lab=$("$here/prepare.sh")

{
    echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8'
    for name in $(compgen -e); do
        [[ $name != DOCKET_* && $name != RUST_* ]] || printf 'export %s=%q\n' "$name" "${!name}"
    done
    printf 'cd %q\n' "$PWD"
    printf 'exec'
    printf ' %q' "$@"
    echo
} >"$results/command"
rm -f "$results/exit"
: >"$results/output"

# Without an accelerator of the processor's, which a machine that is itself virtual seldom has.
timeout --kill-after=5 "$seconds_max" qemu-system-x86_64 \
    -accel tcg,thread=multi -cpu max -smp 2 -m "$memory_mib" -nodefaults -no-reboot -display none \
    -kernel "$lab/kernel" -initrd "$lab/initramfs" \
    -append 'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr random.trust_cpu=on' \
    -serial "file:$results/console" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    -virtfs "local,path=$results,mount_tag=results,security_model=none" \
    </dev/null >"$results/qemu" 2>&1 || echo "qemu ended with $?" >>"$results/qemu"

cat "$results/output"
if [[ ! -s $results/exit ]]; then
    echo "lab: the machine did not get to the end of its program within $seconds_max s; its console:" >&2
    cat "$results/qemu" "$results/console" >&2
    exit 1
fi
exit "$(cat "$results/exit")"
