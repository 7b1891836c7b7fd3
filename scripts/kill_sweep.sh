#!/usr/bin/env bash
# Kills a night's run with SIGKILL at many points, spread over all its tasks, and shows that after each of them the next
# run puts all right: one archive with the right bytes, no leftover, nothing else deleted. In some of the runs an archive
# is replaced for the third time on one day, another job's archive has the name, or a second machine is uploading.
#
# Usage: scripts/kill_sweep.sh [--points N]
#
# It kills at 100 points unless told otherwise (22 at least), prints what it found by kind of point and by task, and
# ends with 1 if anything was wrong. It starts its own servers, on loopback only, and leaves what it made in
# kill_sweep/ in cargo's target folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

arguments=()
while (($# > 0)); do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --points)
        [[ ${2:-} =~ ^(2[2-9]|[3-9][0-9]|[1-9][0-9]{2,4})$ ]] || fail_usage "--points needs a number from 22 to 99999"
        arguments+=("$1" "$2")
        shift
        ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done

require_cargo
require_build_packages
cd -- "$top"
cargo build --release --locked --workspace --bin scripting-system --bin kill_sweep
exec "$(target_folder)/release/kill_sweep" "${arguments[@]}"
