#!/usr/bin/env bash
# Starts the HTTPS web server of this repository, to try the program without your own web server. It listens on port 8000
# and publishes the folder Web_Server in the repository's top folder.
#
# Usage: scripts/server.sh [--port N] [--folder FOLDER] [--bind ADDRESS] [--fresh] [--bytes-per-second N]
#                          [--without-ranges]
#
# The first start compiles the server, which takes several minutes, and creates a sample ZIP in the folder. Stop it with Ctrl-C.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

folder=(--folder "$top/Web_Server")
for argument in "$@"; do
    case $argument in
    --folder | --folder=*) folder=() ;;
    esac
done

require_cargo
require_build_packages
# Runs in the caller's folder, where a relative --folder starts.
exec cargo run --release --locked --quiet --manifest-path "$top/Cargo.toml" --package testkit --bin web_server -- \
    "${folder[@]}" "$@"
