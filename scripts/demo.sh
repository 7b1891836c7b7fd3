#!/usr/bin/env bash
# Shows a whole night to people who own no server yet: builds the program, starts a web, an SFTP, a mail and
# a Mattermost server of its own on this machine, runs the job against them and tells what arrived.
#
# Usage: scripts/demo.sh
#
# It needs a Rust toolchain, a C compiler, make and perl, no root, and installs nothing. The first build
# takes minutes, because OpenSSL is compiled with it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

case ${1:-} in
'') ;;
-h | --help)
    print_help
    exit 0
    ;;
*) fail_usage "unknown argument: $1" ;;
esac

require_cargo
require_build_packages
cd -- "$top"
echo "Building the program and the demo. The first build takes several minutes, because OpenSSL is compiled with it."
cargo build --release --locked --workspace --bin scripting-system --bin demo
exec cargo run --release --locked --quiet --package testkit --bin demo
