#!/usr/bin/env bash
# Demonstrates a run without your own servers: builds the program, starts a web, an SFTP, a mail and a Mattermost server
# on this machine, runs the program against them and prints the result.
#
# Usage: scripts/demo.sh
#
# It needs a Rust toolchain, a C compiler, make and perl. It does not need root, and installs nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

(($# == 0)) || fail_usage "unknown argument: $1"
echo "Building the program and the demo. The first build takes several minutes, because it compiles OpenSSL."
run_tool demo
