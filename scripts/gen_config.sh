#!/usr/bin/env bash
# Writes a template of the configuration. With --schema it writes the schema with which editors complete and check
# configurations.
#
# Usage: scripts/gen_config.sh [--output FILE] [--force] [other options of `scripting-system gen-config`]
#
# The default of --output is config.json in the current folder, for the schema config.schema.json. An existing file is
# kept unless --force is given. The program is taken from the PATH, otherwise from target/release of this repository,
# otherwise it is built, which takes minutes the first time.
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
    other_way="Or install the program first: this script uses an installed one."
    require_cargo
    require_build_packages
    echo "Building the program, which takes minutes the first time." >&2
    # In the caller's folder, so that a relative --output is relative to that.
    program=(cargo run --release --locked --quiet --manifest-path "$top/Cargo.toml" --bin scripting-system --)
fi

exec "${program[@]}" gen-config "${output[@]}" "$@"
