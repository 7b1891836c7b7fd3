#!/usr/bin/env bash
# Lets hundreds of nights follow each other against one folder, with fresh and stale dumps and with faults drawn by
# chance, and compares the folder after each with what a model of its own says must be there.
#
# Usage: scripts/soak.sh [--nights N] [--seed N]
#
# The faults: a web server that breaks off, stalls, answers 503 or changes the ZIP meanwhile; an SFTP link that breaks, a
# lost reply to a rename, a server that lets nobody in, whose disk is full or that fails to sync; a clock that is off;
# kill -9; refused mails and messages. On some nights the dump is made several times, the folder is copied, a second
# machine runs the same job or another job delivers to the same folder.
# There are 300 nights unless told otherwise. The seed is printed; the same one draws the same nights (kills depend
# on the time, too). It ends with 1 at any difference. It starts its own servers, on loopback only, and leaves what it
# made in soak/ in cargo's target folder.
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
    --nights | --seed)
        [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || fail_usage "$1 needs a number from 1 on"
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
cargo build --release --locked --workspace --bin scripting-system --bin soak
exec "$(target_folder)/release/soak" "${arguments[@]}"
