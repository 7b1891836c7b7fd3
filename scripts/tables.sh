#!/usr/bin/env bash
# How a trial tells what it has found: headings, Markdown tables, and faults. They belong to a trial
# (trial_servers.sh). Scripts source this file; run by itself it does nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=trial_servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/trial_servers.sh"

# How many faults were found.
faults=0

# Begins the part of the output that is called $1.
heading() {
    printf '\n## %s\n\n' "$1"
}

# Adds a row of the cells $@ to the table.
row() {
    local IFS=$'\t'
    printf '%s\n' "$*" >>"$trial/table"
}

# Prints the table, whose first row is its head, and begins another one.
print_table() {
    awk -F '\t' '
        { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
        END {
            for (r = 1; r <= NR; r++) {
                for (i = 1; i <= NF; i++) printf "| %-" width[i] "s ", cell[r, i]
                print "|"
                if (r > 1) continue
                for (i = 1; i <= NF; i++) { line = sprintf("%" width[i] + 2 "s", ""); gsub(/ /, "-", line); printf "|" line }
                print "|"
            }
        }' "$trial/table"
    rm -- "$trial/table"
}

# Notes that a trial has shown a fault: the whole ends with 1 then.
found_fault() {
    printf 'FAULT: %s\n' "$1"
    faults=$((faults + 1))
}
