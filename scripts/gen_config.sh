#!/usr/bin/env bash
# Writes a configuration template, or with --schema the JSON Schema that editors use to complete and check
# configurations.
#
# Usage: scripts/gen_config.sh [--output FILE] [--force] [other options of `scripting-system gen-config`]
#
# --output defaults to config.json in the current folder, or config.schema.json for the schema. An existing file is kept
# unless --force is given. The script uses the program in the PATH, otherwise the one in target/release; if there is none,
# it builds the program, which takes several minutes the first time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

output=(--output config.json)
for argument in "$@"; do
    case $argument in
    --schema) output=("${output[@]/config.json/config.schema.json}") ;;
    --output | --output=*) output=() ;;
    esac
done

if command -v scripting-system >/dev/null; then
    program=(scripting-system)
elif [[ -x $(target_folder)/release/scripting-system ]]; then
    program=("$(target_folder)/release/scripting-system")
else
    # shellcheck disable=SC2034 # used by require_cargo
    other_way="Or install the program first: this script uses it if it is in the PATH."
    require_cargo
    require_build_packages
    echo "Building the program. The first build takes several minutes." >&2
    # Runs in the caller's folder, where a relative --output starts.
    program=(cargo run --release --locked --quiet --manifest-path "$top/Cargo.toml" --bin scripting-system --)
fi

exec "${program[@]}" gen-config "${output[@]}" "$@"
