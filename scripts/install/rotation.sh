#!/usr/bin/env bash
# Part of install_dependencies.sh: the rotation of the log. Each configuration has one file for logrotate; the operator's
# changes to it are kept.
# shellcheck disable=SC2034,SC2154 # variables that install_dependencies.sh and its other parts set or use
set -euo pipefail

# Prints logrotate's configuration for the log. A run opens the log when it starts, so it needs no signal. A run that is in
# progress continues with the old file, which is therefore compressed a week later.
rotation() {
    local user group
    user=$(id -un 2>/dev/null) || user=$(id -u)
    group=$(id -gn 2>/dev/null) || group=$(id -g)
    cat <<LINES
# Written by scripts/install_dependencies.sh of scripting-system, which keeps your changes.
# Configuration: $config
"$log" {
    su $user $group
    weekly
    rotate 8
    compress
    delaycompress
    missingok
    notifempty
    create 0640 $user $group
}
LINES
}

# Whether logrotate's file $1 rotates the log, by path or by pattern. Commented-out lines count: the operator has disabled
# the rotation.
rotates_the_log() {
    local line word rest
    while IFS= read -r line || [[ -n $line ]]; do
        rest=${line%%\{*}
        while [[ $rest =~ ^[[:space:]#]*(\"[^\"]*\"|\'[^\']*\'|/[^[:space:]]*) ]]; do
            word=${BASH_REMATCH[1]}
            rest=${rest:${#BASH_REMATCH[0]}}
            [[ $word == /* ]] || word=${word:1:-1}
            [[ $word != "$log" ]] || return 0
            [[ $word == *[*?[]* ]] || continue
            ! compgen -G "$word" | grep -Fx -e "$log" >/dev/null || return 0
        done
    done <"$1"
    return 1
}

# Whether logrotate reads the file $1 (tabooext in logrotate(8)), or it is a file of this script that the operator has
# disabled with the suffix .disabled.
is_active_or_disabled() {
    [[ -f $1 ]] || return 1
    case ${1##*/} in
    scripting-system*.disabled) ;;
    *'~' | *.bak | *.cfsaved | *.disabled | *.dpkg-* | *.rpm* | *.swp | *.ucf-* | *,v) return 1 ;;
    esac
}

# Prints the file in logrotate's folder for this configuration: the one that names it, otherwise the one that rotates its
# log. Earlier versions wrote the file `scripting-system`, which names no configuration; if it rotates another log, it
# belongs to the only configuration in the crontab, $1.
rotation_file() {
    local file old=$logrotate_folder/scripting-system
    for file in "$old" "$old"-*; do
        if is_active_or_disabled "$file" && grep -Fxq -e "# Configuration: $config" -- "$file"; then
            printf '%s\n' "$file"
            return 0
        fi
    done
    for file in "$logrotate_folder"/*; do
        if is_active_or_disabled "$file" && rotates_the_log "$file"; then
            printf '%s\n' "$file"
            return 0
        fi
    done
    if [[ -f $old && -n $(lines_of_job "$1") ]] && ! grep -q '^# Configuration: ' -- "$old" &&
        [[ -z $(other_configs "$1") ]]; then
        printf '%s\n' "$old"
    fi
}

# Prints the file $1 without comments and blank lines.
without_comments() {
    grep -v -e '^[[:space:]]*#' -e '^[[:space:]]*$' -- "$1" || true
}

install_rotation() {
    if [[ -z $logrotate_folder ]]; then
        echo "Log rotation:   not set up, because that requires root. As root, put these lines into a new"
        echo "                file in /etc/logrotate.d:"
        rotation
        return 0
    fi
    local new_file file crontab
    mkdir -p -- "$logrotate_folder" || fail "the folder $logrotate_folder could not be created"
    require_safe_places
    # logrotate ignores names that end with ~ (tabooext in logrotate(8)), so it never reads an incomplete file.
    new_file=$(mktemp -- "$logrotate_folder/scripting-system.XXXXXX~") ||
        fail "the folder $logrotate_folder cannot be written"
    temporary+=("$new_file")
    rotation >"$new_file"
    chmod 0644 -- "$new_file"
    crontab=$(mktemp)
    temporary+=("$crontab")
    ! package_is_present cron || read_crontab "$crontab"
    file=$(rotation_file "$crontab")
    if [[ -n $file ]]; then
        if [[ $file == *.disabled || -z $(without_comments "$file") ]]; then
            echo "Log rotation:   $file (disabled, not changed)"
        elif [[ $(without_comments "$file") == "$(without_comments "$new_file")" ]]; then
            echo "Log rotation:   $file (existed, kept)"
        else
            echo "Log rotation:   $file (existed with changes, kept)"
        fi
    else
        file=$logrotate_folder/scripting-system
        # Further configurations get a file name derived from their path.
        [[ ! -e $file && ! -L $file ]] || file+=-$(printf '%s' "$config" | sha256sum | cut -c 1-8)
        mv -fT -- "$new_file" "$file"
        echo "Log rotation:   $file"
    fi
    package_is_present logrotate || echo "                It takes effect once the package logrotate is installed."
}

# Removes the file $1 with the log's rotation, unless another configuration uses the same log or the file contains another
# rotation. $2 is the crontab without the job.
uninstall_rotation() {
    local other
    if [[ -z $1 ]]; then
        echo "Did not exist:  a rotation of $log in $logrotate_folder"
        return 0
    fi
    other=$(config_in_same_folder "$2")
    if [[ -n $other ]]; then
        echo "Kept:           $1, because $other uses the same log"
        return 0
    fi
    if [[ ${1##*/} != scripting-system* ]] || (($(without_comments "$1" | grep -c '{') > 1)); then
        echo "Kept:           $1, because it contains more than this script wrote"
        return 0
    fi
    remove_file "$1"
}
