#!/usr/bin/env bash
# Writes a fresh template of the configuration, for operators who do not want to deal with the program. With --schema it
# writes the schema with which editors complete and check configurations.
#
# Usage: scripts/gen_config.sh [--output FILE] [--force] [other options of `scripting-system gen-config`]
#
# Without --output the configuration becomes config.json in the current folder, and the schema config.schema.json.
# An existing file is kept unless --force is given. The program is taken from the PATH, else from target/release of this
# repository, else it is built, which takes minutes the first time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

output=(--output config.json)
for argument in "$@"; do
    case $argument in
    --schema) output=("${output[@]/config.json/config.schema.json}") ;;
    -h | --help)
        print_help
        exit 0
        ;;
    --output | --output=*) output=() ;;
    esac
done

if command -v scripting-system >/dev/null; then
    program=(scripting-system)
elif [[ -x $(target_folder)/release/scripting-system ]]; then
    program=("$(target_folder)/release/scripting-system")
else
    # shellcheck disable=SC2034 # used by require_cargo
    other_way="Or install the program first; then this script uses it."
    require_cargo
    require_build_packages
    echo "The program is not built yet: building it now, which takes minutes the first time." >&2
    # The folder stays the caller's, so that a relative --output means what the caller sees.
    program=(cargo run --release --locked --quiet --manifest-path "$top/Cargo.toml" --bin scripting-system --)
fi

exec "${program[@]}" gen-config "${output[@]}" "$@"
