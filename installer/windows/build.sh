#!/usr/bin/env bash
# Builds docket-agent for Windows and prints the path of the .exe.
#   installer/windows/build.sh [--release | --profile NAME]      (NAME: dev when not said; agent is what is shipped)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=installer/windows/toolchain.sh
source "$here/toolchain.sh"

profile=dev
case ${1-} in
'') ;;
--release) profile=release ;;
--profile) profile=${2:?--profile needs a name} ;;
*)
    echo "usage: build.sh [--release | --profile NAME]" >&2
    exit 2
    ;;
esac

use_windows_toolchain
cd "$here/../.."
"$CARGO" build --locked --package docket-agent --bin docket-agent --profile "$profile" >&2

# Cargo's one profile whose folder has another name.
[[ $profile == dev ]] && folder=debug || folder=$profile
echo "$CARGO_TARGET_DIR/$windows_target/$folder/docket-agent.exe"
