#!/usr/bin/env bash
# Measures how fast the program is, and how little it takes, beside what a script of the shell's own commands would do
# on the same machine in the same minutes.
#
# Usage: scripts/bench.sh [--quick] [--rounds N] [--small] [section ...]
#
#   stale     a dump of another day: what is fetched to find that out
#   company   a fresh dump beside a large other entry: what is fetched of the ZIP
#   repack    from the ZIP to the .tgz, against unzip and tar
#   job       the whole job on loopback, verification included, against curl, unzip, tar and sftp without it
#   latency   the same where each answer takes 50 ms
#   upload    an archive of 100 MB alone at 50 ms, against sftp
#   restore   the dump back from the server, checked, against sftp and tar without that; on loopback and at 50 ms
#   overlap   whether a slow source and a slow destination cost their times together or only the longer one
#   memory    the peaks of memory and of disk with dumps of 1 and 8 GiB; ends with 1 where they are too high
#   links     the speed by round trip and number of connections, against sftp; only where it is named
#
# Each figure is the median of 5 rounds (--rounds), with the least and the greatest in brackets; --quick makes it one
# round. --small takes an eighth of every size, for trying the script itself.
#
# All traffic stays on loopback. What is shipped is made once, lies in bench/ in cargo's target folder, and takes 4 GiB
# there; a run takes as much again for a while. All but links takes about a quarter of an hour, and the first time, when
# everything is made, some minutes more.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=bench_sections.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/bench_sections.sh"

sections=()
while (($# > 0)); do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --quick) rounds=1 ;;
    --rounds)
        shift
        [[ ${1:-} =~ ^[1-9][0-9]?$ ]] || fail_usage "--rounds needs a number from 1 to 99"
        rounds=$1
        ;;
    --small) scale=8 ;;
    stale | company | repack | job | latency | upload | restore | overlap | memory | links) sections+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#sections[@]} > 0)) || sections=(stale company repack job latency upload restore overlap memory)

# The sums are done by awk, and what it reads is written with a point.
export LC_ALL=C
# An agent's keys would be tried first.
unset SSH_AUTH_SOCK

find_missing_packages openssh-server openssh-client time curl unzip tar
((${#missing[@]} == 0)) || fail "measuring needs what these Debian packages bring, and it is missing: ${missing[*]}"
require_cargo
require_build_packages
cd -- "$top"
cargo build --release --locked --workspace --bin scripting-system "${trial_tools[@]}" --bin large_zip --bin repack

mkdir -p -- "$kept"
begin_trial "$kept"
start_sshd

echo "$(nproc) cores, Linux $(uname -r), $(ssh -V 2>&1), $rounds rounds"
for section in "${sections[@]}"; do
    "section_$section"
done
((faults == 0)) || fail "faults: $faults"
