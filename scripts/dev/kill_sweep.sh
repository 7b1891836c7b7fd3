#!/usr/bin/env bash
# Kills runs with SIGKILL at many points, spread over all tasks. After each kill, the next run must recover: one archive
# with the right bytes, no leftover, nothing else deleted. In some runs, an archive is replaced for the third time on one
# day, another job's archive has the same name, or a second machine is uploading.
#
# Usage: scripts/dev/kill_sweep.sh [--points N] [--encrypt]
#
# N is the number of points (default 100, at least 22). With --encrypt, archives are encrypted, and each must have its checksum
# file. The script prints the results by kind of point and by task, and
# exits with 1 on any error. It starts its own servers on loopback. Its files are in kill_sweep/ in cargo's target folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../prerequisites.sh"

run_tool kill_sweep "$@"
