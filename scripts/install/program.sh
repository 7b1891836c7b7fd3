#!/usr/bin/env bash
# Part of install_dependencies.sh: builds the program or uses --binary, checks it, and replaces the installed one.
# shellcheck disable=SC2034,SC2154 # variables that install_dependencies.sh and its other parts set or use
set -euo pipefail

# Compiles the program unless --binary names one, and sets $binary to its path.
get_binary() {
    if [[ -n $binary ]]; then
        [[ -f $binary ]] || fail "--binary $binary is not a file"
        return 0
    fi
    other_way="Or compile the program on another machine or as another user: cargo build --release --locked
Then install it with --binary target/release/scripting-system"
    require_cargo
    require_build_packages
    echo "Compiling the program. The first build takes several minutes, because it compiles OpenSSL."
    (cd -- "$top" && cargo build --release --locked --bin scripting-system)
    binary=$(target_folder)/release/scripting-system
    [[ -f $binary ]] || fail "cargo did not create $binary; find the program, and install it with --binary"
}

# Runs `check` of the new program $1 with every configuration of the installed one. Exits if the new one refuses a
# configuration (exit code 3) that the installed one accepts: that job would fail every night. Only prints other failures,
# such as an unreachable server.
check_with() {
    local new_program=$1 crontab configs file output code
    crontab=$(mktemp)
    output=$(mktemp)
    temporary+=("$crontab" "$output")
    ! package_is_present cron || read_crontab "$crontab"
    configs=$config$'\n'$(other_configs "$crontab" "$installed")
    while IFS= read -r file; do
        [[ -f $file ]] || { [[ -d $file ]] && compgen -G "$file/[!._]*.json" >/dev/null; } || continue
        echo "Checking:       $file, with the new program"
        code=0
        "$new_program" check --config "$file" >"$output" 2>&1 </dev/null || code=$?
        ((code != 0)) || continue
        cat -- "$output"
        if ((code != 3)); then
            echo "                check ended with exit code $code, which does not stop the installation."
        elif "$installed" check --config "$file" >/dev/null 2>&1 </dev/null || (($? != 3)); then
            fail "the new program refuses the configuration $file (exit code 3, see above), but the installed one
accepts it: $installed was kept, and nothing else was changed.
Correct the configuration and run this script again. If the crontab sets environment variables for the job, such as
SCRIPTING_SYSTEM_TRUST_FILES=1, set them for this script too."
        else
            echo "                Both the installed program and the new one refuse this configuration (exit code 3)."
        fi
    done <<<"$configs"
}

install_binary() {
    local new_program
    mkdir -p -- "$prefix/bin" || fail "the folder $prefix/bin could not be created; choose another with --prefix"
    require_safe_places
    # The program is replaced atomically: a run that starts now uses the old or the new one.
    new_program=$(mktemp -- "$prefix/bin/.scripting-system.XXXXXX") ||
        fail "the folder $prefix/bin cannot be written; choose another with --prefix"
    temporary+=("$new_program")
    cp -- "$binary" "$new_program"
    chmod 0755 -- "$new_program"
    "$new_program" --version >/dev/null || fail "the program $binary does not run on this machine; nothing was installed"
    if [[ -x $installed ]] && ! cmp -s -- "$new_program" "$installed"; then
        check_with "$new_program"
    fi
    mv -fT -- "$new_program" "$installed"
    echo "Program:        $installed"
}

# Manual pages and completion are optional, so a failure is only reported.
install_documents() {
    local folder page
    folder=$(mktemp -d)
    temporary+=("$folder")
    if (umask 022 && mkdir -- "$folder/pages" && "$installed" man --output "$folder/pages") &&
        mkdir -p -- "$pages"; then
        for page in "$folder/pages"/*.1; do
            install -m 0644 -- "$page" "$pages/"
        done
        echo "Manual pages:   $pages/scripting-system.1 and others"
    else
        echo "Manual pages:   not installed; see the messages above"
    fi
    if "$installed" completions bash >"$folder/completion" && mkdir -p -- "$(dirname -- "$completion")"; then
        install -m 0644 -- "$folder/completion" "$completion"
        echo "Completion:     $completion"
    else
        echo "Completion:     not installed; see the messages above"
    fi
}
