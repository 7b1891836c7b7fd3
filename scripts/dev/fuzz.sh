#!/usr/bin/env bash
# Fuzzes the program's parsers: configurations, patterns, known_hosts, ZIPs, names.
#
# Usage: scripts/dev/fuzz.sh [--minutes N] [target ...]
#
#   configuration   JSON with known keys in unexpected places, and any bytes
#   patterns        archive.name, with every date
#   known_hosts     lines as OpenSSH writes them, and any bytes
#   zips            ZIPs damaged in up to four places: an error, or an archive with the declared contents
#   names           names in a server's listing: no foreign file is removed, no log line is forged
#
# Each target runs for N minutes (10), two targets at a time. A failure prints the minimal input, and is saved in a file
# *.proptest-regressions next to the test, which every later run tries first.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../prerequisites.sh"

minutes=10
targets=()
while (($# > 0)); do
    case $1 in
    --minutes)
        shift
        [[ ${1:-} =~ ^[1-9][0-9]?$ ]] || fail_usage "--minutes needs a number from 1 to 99"
        minutes=$1
        ;;
    configuration | patterns | known_hosts | zips | names) targets+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#targets[@]} > 0)) || targets=(configuration patterns known_hosts zips names)

require_cargo
cd -- "$top"
export OPENSSL_NO_VENDOR=1
cargo test --locked --no-run --test configuration --test failures --test hostile

# Prints the tests of the target $1 as arguments of `cargo test`.
tests_of() {
    case $1 in
    configuration) echo --test configuration no_json_causes_a_panic no_bytes_cause_a_panic ;;
    patterns) echo --test hostile an_accepted_pattern_names ;;
    known_hosts) echo --test failures like_openssh::any_ ;;
    zips) echo --test hostile a_damaged_zip arbitrary_bytes_are_rejected ;;
    names) echo --test hostile foreign_names_are_never_removed ;;
    esac
}

# Runs the target $1 for $minutes.
fuzz() {
    local code=0 file arguments
    read -ra arguments <<<"$(tests_of "$1")"
    file=$(mktemp)
    # The first two words select the test binary, the others the tests.
    PROPTEST_CASES=4000000000 PROPTEST_MAX_SHRINK_TIME=60000 timeout $((minutes * 60)) \
        cargo test --locked --quiet "${arguments[@]:0:2}" -- "${arguments[@]:2}" >"$file" 2>&1 || code=$?
    # 124: the time limit was reached without a failure (timeout(1)).
    if ((code == 124)); then
        echo "$1: no failure in $minutes minutes"
    else
        printf '%s: FAILED\n' "$1"
        cat "$file"
    fi
    rm -f -- "$file"
    ((code == 124))
}

failed=0
for ((next = 0; next < ${#targets[@]}; next += 2)); do
    pids=()
    for target in "${targets[@]:next:2}"; do
        fuzz "$target" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
done
exit "$failed"
