#!/usr/bin/env bash
# Part of install_dependencies.sh: the crontab line that runs a configuration every night. Each configuration has one,
# identified by the configuration's path; the operator's changes to it are kept.
# shellcheck disable=SC2034,SC2154 # variables that install_dependencies.sh and its other parts set or use
set -euo pipefail

# The comment above a line that the installer added, now and in earlier versions.
marker='# The line below was added by scripts/install_dependencies.sh of scripting-system. It keeps your changes to it.'
old_marker='# The line below was added by scripts/install_dependencies.sh, which replaces it when it runs again.'

# The schedule of a crontab line: five fields, or a word such as @daily (crontab(5)).
schedule='(@[a-z]+[[:space:]]+|([0-9*/,~-]+[[:space:]]+){3}([0-9A-Za-z*/,~-]+[[:space:]]+){2})'
# A word of a command line: quoted, or up to the next special character of the shell.
word="(('[^']*'|\"[^\"]*\"|[^[:space:];&|<>\\\\'\"]|[\\\\].)+)"
# A nightly run in a command: the program, `run`, and the configuration. The first group is the program, the sixth the
# configuration.
run_pattern="$word([[:space:]]+-[^[:space:]]+)*[[:space:]]+run[[:space:]]+([^;&|]*[[:space:]])?--config(=|[[:space:]]+)$word"

# Prints the path $1 as a word for cron: quoted for the shell if needed, with percent signs escaped, because cron ends a
# command at an unescaped one (crontab(5)).
cron_word() {
    local word=$1
    [[ $word != *[!A-Za-z0-9_./%+=:,@-]* ]] || word="'$word'"
    printf '%s' "${word//\%/\\%}"
}

# shellcheck disable=SC2016 # the dollar sign is in the crontab
# Sets $path to the path in the word $1 of a crontab: reverses cron_word, and understands other ways to quote.
path_of_word() {
    path=${1//\\%/%}
    case $path in
    "'"*) path=${path:1:-1} ;;
    '"'*)
        path=${path:1:-1}
        path=${path/#'$HOME/'/"${HOME:-}/"}
        ;;
    *)
        path=${path/#'$HOME/'/"${HOME:-}/"}
        path=${path/#'~/'/"${HOME:-}/"}
        path=${path//\\/}
        ;;
    esac
}

# Prints the job's line without changes by the operator.
cron_line() {
    printf '0 23 * * * %s run --config %s' "$(cron_word "$installed")" "$(cron_word "$config")"
}

# Finds the nightly runs in the crontab line $1: sets the arrays $run_programs and $run_configs, and $is_off if the line
# is commented out. A comment that only mentions a run has no schedule.
read_runs() {
    local rest=$1
    run_programs=() run_configs=() is_off=
    [[ $rest =~ ^[[:space:]]*(#[#[:space:]]*)?$schedule ]] || return 0
    [[ -z ${BASH_REMATCH[1]} ]] || is_off=yes
    rest=${rest:${#BASH_REMATCH[0]}}
    while [[ $rest =~ $run_pattern ]]; do
        local matched=${BASH_REMATCH[0]} program=${BASH_REMATCH[1]} config_word=${BASH_REMATCH[6]}
        rest=${rest#*"$matched"}
        [[ $matched != *' --dry-run '* && $rest != ' --dry-run'* ]] || continue
        path_of_word "$program"
        [[ $path == scripting-system || $path == */scripting-system ]] || continue
        run_programs+=("$path")
        path_of_word "$config_word"
        run_configs+=("$path")
    done
}

# Whether $1 is the path of the configuration, as given or with the links in its folder resolved.
is_the_config() {
    [[ $1 == "$config" || $1 == "$resolved_config" ]]
}

# Whether the crontab line $1 runs the job, commented out or not. Sets the variables of read_runs.
runs_the_job() {
    local run_config
    read_runs "$1"
    for run_config in "${run_configs[@]}"; do
        ! is_the_config "$run_config" || return 0
    done
    return 1
}

# Prints the job's line $1 with the path of the installed program. Does not change a commented-out line, or a command that
# the operator has changed.
with_installed_program() {
    local command
    command=" run --config $(cron_word "$config")"
    if [[ -z $is_off && $1 =~ ^([[:space:]]*$schedule)$word"$command"$ && ${run_programs[0]} == /* ]]; then
        printf '%s%s%s' "${BASH_REMATCH[1]}" "$(cron_word "$installed")" "$command"
    else
        printf '%s' "$1"
    fi
}

# Filters a crontab. $1: `keep` the job's lines, `add` one if there is none, or `remove` them with their comments. Prints
# all other lines unchanged.
edit_crontab() {
    local task=$1 line comment='' others has_line=''
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line == "$marker" || $line == "$old_marker" ]]; then
            [[ -z $comment ]] || printf '%s\n' "$comment"
            comment=$line
            continue
        fi
        if runs_the_job "$line"; then
            others=
            for path in "${run_configs[@]}"; do
                is_the_config "$path" || others=yes
            done
            # A line that also runs another job is not removed.
            if [[ $task == remove && -z $others ]]; then
                comment=
                continue
            fi
            [[ -z $comment ]] || comment=$marker
            line=$(with_installed_program "$line")
            has_line=yes
        fi
        [[ -z $comment ]] || printf '%s\n' "$comment"
        comment=
        printf '%s\n' "$line"
    done
    [[ -z $comment ]] || printf '%s\n' "$comment"
    [[ $task != add || -n $has_line ]] || printf '%s\n' "$marker" "$(cron_line)"
}

# Copies the crontab to the file $1; an empty file if there is none.
read_crontab() {
    local message
    if ! message=$(crontab -l 2>&1 >"$1"); then
        # With any other message, the crontab may not be empty, and lines could be lost.
        [[ $message == *'no crontab for'* ]] ||
            fail "the crontab could not be read and was not changed: $message"
        : >"$1"
    fi
}

# Prints the job's lines in the file $1, each after `on` or `off` and a space. Omits commented-out lines if another line
# is active.
lines_of_job() {
    local line on=() off=()
    while IFS= read -r line || [[ -n $line ]]; do
        runs_the_job "$line" || continue
        if [[ -n $is_off ]]; then off+=("off $line"); else on+=("on $line"); fi
    done <"$1"
    if ((${#on[@]} > 0)); then
        printf '%s\n' "${on[@]}"
    elif ((${#off[@]} > 0)); then
        printf '%s\n' "${off[@]}"
    fi
}

# Prints the other configurations with an active line in the file $1 that runs the program $2, or any program if $2 is
# empty.
other_configs() {
    local line i
    while IFS= read -r line || [[ -n $line ]]; do
        read_runs "$line"
        [[ -z $is_off ]] || continue
        for ((i = 0; i < ${#run_configs[@]}; i++)); do
            [[ -z ${2:-} || ${run_programs[i]} == "$2" ]] || continue
            is_the_config "${run_configs[i]}" || printf '%s\n' "${run_configs[i]}"
        done
    done <"$1" | sort -u
}

# Prints another configuration in the same folder, which shares the log and the schema, if the file $1 runs one.
config_in_same_folder() {
    local others other
    others=$(other_configs "$1")
    while IFS= read -r other; do
        [[ -n $other && $(dirname -- "$other") == "$(dirname -- "$config")" ]] || continue
        printf '%s\n' "$other"
        return 0
    done <<<"$others"
}

# Prints the first of the system's crontabs with a line for the job, if any. cron ignores files with other names
# (cron(8)).
system_crontab_of_job() {
    local file line
    for file in /etc/crontab /etc/cron.d/*; do
        [[ -r $file && ${file##*/} != *[!A-Za-z0-9_-]* ]] || continue
        while IFS= read -r line || [[ -n $line ]]; do
            if runs_the_job "$line"; then
                printf '%s\n' "$file"
                return 0
            fi
        done <"$file"
    done
}

# Applies $1 (`add`, `keep` or `remove`, as in edit_crontab) to the crontab, and copies the result to the file
# $crontab_now.
change_crontab() {
    local folder
    folder=$(mktemp -d)
    temporary+=("$folder")
    crontab_now=$folder/after
    read_crontab "$folder/before"
    edit_crontab "$1" <"$folder/before" >"$folder/after"
    if cmp -s -- "$folder/before" "$folder/after"; then
        echo "Crontab:        unchanged"
    elif [[ -s $folder/after ]]; then
        # Reads a complete file: an interrupted pipe would install an incomplete crontab.
        crontab "$folder/after" || fail "crontab refused the new lines; the crontab was not changed"
        if [[ $1 == remove ]]; then
            echo "Crontab:        the nightly run was removed, the other lines are unchanged"
        else
            echo "Crontab:        changed, the other lines are unchanged"
        fi
    else
        crontab -r || fail "the crontab could not be removed; it was not changed"
        echo "Crontab:        removed, because the nightly run was its only line"
    fi
}

# Whether a cron daemon is running.
cron_runs() {
    grep -qsx -e cron -e crond /proc/[0-9]*/comm
}

install_job() {
    package_is_present cron || fail "the nightly run was not set up, because there is no crontab command.
Install the package cron, then run this script again; everything else is installed."
    local elsewhere lines line other
    elsewhere=$(system_crontab_of_job)
    if [[ -n $elsewhere ]]; then
        change_crontab keep
        echo "                No line was added, because $elsewhere has one for this configuration."
    else
        change_crontab add
    fi
    lines=$(lines_of_job "$crontab_now")
    while IFS= read -r line; do
        case $line in
        'off '*)
            echo "Crontab line:   ${line#off }"
            echo "                It is commented out and was not changed: the job does not run. To enable it,"
            echo "                remove the # with: crontab -e"
            ;;
        'on '*)
            echo "Crontab line:   ${line#on }"
            [[ ${line#on } == "$(cron_line)" ]] || echo "                It was changed by hand and was kept."
            read_runs "${line#on }"
            [[ ${run_programs[0]} != /* || ${run_programs[0]} == "$installed" ]] ||
                echo "                It runs ${run_programs[0]}, not $installed."
            ;;
        esac
    done <<<"$lines"
    lines=$(other_configs "$crontab_now")
    while IFS= read -r other; do
        [[ $other != /* || -e $other ]] || echo "                The crontab also runs $other, which does not exist.
                If you have deleted it, remove its line with: crontab -e"
    done <<<"$lines"
    cron_runs || echo "                No cron daemon is running. Start it, for example with: service cron start"
}
