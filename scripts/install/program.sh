#!/usr/bin/env bash
# Part of install_dependencies.sh: builds the program or takes --binary, tries it, and replaces the installed one.
# shellcheck disable=SC2034,SC2154 # variables that install_dependencies.sh and its other parts set or use
set -euo pipefail

# Compiles the program unless --binary names one, and sets $binary to its path.
get_binary() {
    if [[ -n $binary ]]; then
        [[ -f $binary ]] || fail "--binary $binary is not a file"
        return 0
    fi
    other_way="Or compile the program elsewhere, also as another user, with: cargo build --release --locked
and name it here: --binary target/release/scripting-system"
    require_cargo
    require_build_packages
    echo "Compiling the program. The first time this takes several minutes, because OpenSSL is compiled with it."
    (cd -- "$top" && cargo build --release --locked --bin scripting-system)
    binary=$(target_folder)/release/scripting-system
    [[ -f $binary ]] || fail "cargo did not leave the program at $binary; find it, and name it with --binary"
}

# Runs `check` of the new program $1 on every configuration that the installed one runs. Exits if the new one refuses a
# configuration (exit code 3) that the installed one accepts: that job would fail every night. Other failures, such as a
# server that does not answer, are only printed.
check_with() {
    local fresh=$1 crontab configs one output code
    crontab=$(mktemp)
    output=$(mktemp)
    temporary+=("$crontab" "$output")
    ! package_is_present cron || read_crontab "$crontab"
    configs=$config$'\n'$(other_configs "$crontab" "$installed")
    while IFS= read -r one; do
        [[ -f $one ]] || continue
        echo "Checking:       $one, with the new program"
        code=0
        "$fresh" check --config "$one" >"$output" 2>&1 </dev/null || code=$?
        ((code != 0)) || continue
        cat -- "$output"
        if ((code != 3)); then
            echo "                check ended with exit code $code, which does not stop the installation."
        elif "$installed" check --config "$one" >/dev/null 2>&1 </dev/null || (($? != 3)); then
            fail "the new program refuses the configuration $one (exit code 3, see above), and the installed one
does not: $installed was kept, and nothing else was changed.
Correct the configuration and run this script again. If the job in the crontab has variables in its environment, such
as SCRIPTING_SYSTEM_TRUST_FILES=1, set them for this script too."
        else
            echo "                Both the installed program and the new one refuse it (exit code 3)."
        fi
    done <<<"$configs"
}

install_binary() {
    local fresh
    mkdir -p -- "$prefix/bin" || fail "the folder $prefix/bin could not be made; choose another with --prefix"
    require_safe_places
    # The program is replaced atomically: a run that starts now finds the old or the new one.
    fresh=$(mktemp -- "$prefix/bin/.scripting-system.XXXXXX") ||
        fail "the folder $prefix/bin cannot be written; choose another with --prefix"
    temporary+=("$fresh")
    cp -- "$binary" "$fresh"
    chmod 0755 -- "$fresh"
    "$fresh" --version >/dev/null || fail "the program $binary does not run on this machine; nothing was installed"
    if [[ -x $installed ]] && ! cmp -s -- "$fresh" "$installed"; then
        check_with "$fresh"
    fi
    mv -fT -- "$fresh" "$installed"
    echo "Program:        $installed"
}

# Manual pages and completion: optional, so a failure is only reported.
install_documents() {
    local workplace page
    workplace=$(mktemp -d)
    temporary+=("$workplace")
    if (umask 022 && mkdir -- "$workplace/pages" && "$installed" man --output "$workplace/pages") &&
        mkdir -p -- "$pages"; then
        for page in "$workplace/pages"/*.1; do
            install -m 0644 -- "$page" "$pages/"
        done
        echo "Manual pages:   $pages/scripting-system.1 and others"
    else
        echo "Manual pages:   none; the messages are above"
    fi
    if "$installed" completions bash >"$workplace/completion" && mkdir -p -- "$(dirname -- "$completion")"; then
        install -m 0644 -- "$workplace/completion" "$completion"
        echo "Completion:     $completion"
    else
        echo "Completion:     none; the messages are above"
    fi
}
