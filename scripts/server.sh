#!/usr/bin/env bash
# Starts the HTTPS web server that comes with this repository, for trying the program without owning one:
# port 8000, and what lies in the folder Web_Server of the repository's top is what it publishes.
#
# Usage: scripts/server.sh [options of the tool web_server: --port, --folder, --bind, --fresh, --bytes-per-second,
#                          --without-ranges]
#
# The first start compiles the server, which takes minutes, and puts a sample ZIP into the folder. It runs
# until it is interrupted (Ctrl-C).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
esac

folder=(--folder "$top/Web_Server")
for argument in "$@"; do
    case $argument in
    --folder | --folder=*) folder=() ;;
    esac
done

require_cargo
require_build_packages
# The current folder stays the caller's, so that a relative --folder means what the caller sees.
exec cargo run --release --locked --quiet --manifest-path "$top/Cargo.toml" --package testkit --bin web_server -- "${folder[@]}" "$@"
