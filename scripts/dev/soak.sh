#!/usr/bin/env bash
# Runs hundreds of nights against one folder, with fresh and stale dumps and random faults, and compares the folder with a
# model after each night.
#
# Usage: scripts/dev/soak.sh [--nights N] [--seed N]
#
# The faults: a web server that closes the connection, stalls, answers 503 or changes the ZIP during the run; an SFTP link
# that breaks, a lost reply to a rename, a server that refuses logins, has a full disk or fails to sync; a wrong clock;
# kill -9; refused mails and messages. On some nights, the dump is created several times, the folder is copied,
# a second machine runs the same job, or another job delivers to the same folder.
# The default is 300 nights. The script prints the seed; the same seed creates the same nights, except that kills also
# depend on timing. It exits with 1 at any difference. It starts its own servers on loopback. Its files are in soak/ in
# cargo's target folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../prerequisites.sh"

run_tool soak "$@"
