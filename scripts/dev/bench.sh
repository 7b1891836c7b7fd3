#!/usr/bin/env bash
# Measures the time, memory and disk space of the program, and compares it with a script of standard commands on the same
# machine.
#
# Usage: scripts/dev/bench.sh [--quick] [--rounds N] [--small] [section ...]
#
#   stale     a stale dump: how much is fetched to detect that
#   company   a fresh dump next to another large entry: how much of the ZIP is fetched
#   repack    from the ZIP to the .tgz, compared with unzip and tar
#   job       the whole job on loopback with verification, compared with curl, unzip, tar and sftp, without verification
#             and with it
#   latency   the same with a round trip of 50 ms
#   put       the whole job with a round trip of 50 ms, compared with sftp put alone
#   narrow    the same on a line of 25 Mbit/s
#   upload    only an archive of 100 MB at 50 ms, compared with sftp
#   restore   restores and verifies the dump, compared with sftp and tar without verification; on loopback and at 50 ms
#   overlap   whether the times of a slow source and a slow destination overlap or add up
#   memory    peak memory and disk space with dumps of 1 and 8 GiB; exits with 1 if they are too high
#   encrypt   the whole job on loopback with and without encryption
#   drill     a drill of a PostgreSQL dump with a million rows, compared with initdb and psql -f of the unpacked dump
#   jobs      300 jobs of 1 MiB in one folder, 8 at a time, and in four shards at the same time; exits with 1 if they take
#             too much memory or too many connections
#   links     the speed by round trip and number of connections, compared with sftp; only if requested
#
# With the variable encrypt_to in the environment, a public key of age, archives are encrypted in all sections.
#
# Each figure is the median of 5 rounds (--rounds) with the minimum and the maximum in brackets; --quick runs one round.
# --small divides every size by eight, to test the script itself.
#
# All traffic stays on loopback. The ZIPs are created once and kept in bench/ in cargo's target folder, where they take 4 GiB;
# a run needs another 4 GiB. All sections except links take about a quarter of an hour, and some minutes more the first
# time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=trial.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/trial.sh"
# shellcheck source-path=SCRIPTDIR source=bench_tools.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/bench_tools.sh"
# shellcheck source-path=SCRIPTDIR source=bench_sections.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/bench_sections.sh"
# shellcheck source-path=SCRIPTDIR source=bench_secure.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/bench_secure.sh"
# shellcheck source-path=SCRIPTDIR source=bench_jobs.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/bench_jobs.sh"

sections=()
while (($# > 0)); do
    case $1 in
    --quick) rounds=1 ;;
    --rounds)
        shift
        [[ ${1:-} =~ ^[1-9][0-9]?$ ]] || fail_usage "--rounds needs a number from 1 to 99"
        rounds=$1
        ;;
    --small) scale=8 ;;
    stale | company | repack | job | latency | put | narrow | upload | restore | overlap | memory | encrypt | drill | jobs | links) sections+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#sections[@]} > 0)) || sections=(stale company repack job latency put narrow upload restore overlap memory encrypt drill jobs)

find_missing_packages openssh-server openssh-client time curl unzip zip tar age postgresql
((${#missing[@]} == 0)) || fail_missing "measuring needs"
build_release web_server proxy large_zip repack

mkdir -p -- "$kept"
begin_trial "$kept"
start_sshd

echo "$(nproc) cores, Linux $(uname -r), $(ssh -V 2>&1), $rounds rounds"
for section in "${sections[@]}"; do
    "section_$section"
done
((errors == 0)) || fail "errors: $errors"
