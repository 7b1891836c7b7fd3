#!/usr/bin/env bash
# Starts the HTTPS web server that comes with this repository, for trying the program without owning one:
# port 8000, and what lies in the folder Web_Server of the repository's top is what it publishes.
#
# Usage: scripts/server.sh [options of the example web_server: --port, --folder, --bind, --fresh, --bytes-per-second,
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

require_cargo
require_build_packages
cd -- "$top"
# Port and folder are the example's defaults; the folder is relative to the current one.
exec cargo run --release --locked --quiet --example web_server -- "$@"
