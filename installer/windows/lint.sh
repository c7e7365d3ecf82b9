#!/usr/bin/env bash
# Clippy over what only Windows compiles: the agent and the protocol, with every warning an error.
#   installer/windows/lint.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=installer/windows/toolchain.sh
source "$here/toolchain.sh"

use_windows_toolchain
cd "$here/../.."
# Debian's clippy by its full name: "cargo clippy" would look for one of the usual toolchain first.
/usr/bin/cargo-clippy clippy --locked --package docket-agent --package docket-protocol -- -D warnings
