#!/usr/bin/env bash
# Installs everything for a nightly run: the packages, the program, its configuration, its log and the cron job that runs
# it at 23:00. You can run it again at any time: it keeps existing files and adds missing ones.
#
# Usage: scripts/install_dependencies.sh [options]
#
#   --binary FILE           install this program instead of compiling one (no Rust toolchain needed)
#   --prefix DIR            install the program in DIR/bin, its manual pages and bash completion below DIR/share;
#                           default /usr/local for root, ~/.local for other users
#   --config FILE           the configuration; default /etc/scripting-system/config.json for root,
#                           ~/.config/scripting-system/config.json for other users. Run the script once for each
#                           configuration
#   --logrotate-folder DIR  the folder for the log rotation; default /etc/logrotate.d for root; for other users the
#                           lines are printed instead
#   --systemd               instead of a crontab line for one configuration: run each job in
#                           /etc/scripting-system/jobs every night with a systemd timer, as the user
#                           scripting-system, like the Debian package. For machines without dpkg
#   --root DIR              with --systemd: install into this root folder, for example of an image
#   --no-packages           install no Debian packages
#   --uninstall             remove the cron job, the log rotation, the program, its manual pages and its
#                           completion. Needs the same --prefix, --config and --logrotate-folder as the
#                           installation. Keeps the configuration, its schema, the log and the Debian packages,
#                           and the program if the crontab runs it with another configuration
#   --purge                 with --uninstall: remove the configuration, its schema and the log too
#   --help                  print this text
#
# The configuration has mode 0600, because it may contain passwords; an existing one is kept, with that mode. Its schema
# (mode 0644) for editors and log.log (mode 0640) are in the same folder.
#
# Each configuration gets one line in the crontab of the user who runs this script, and one file for logrotate. You can
# change both: the script keeps your schedule, a commented-out line and your rotation.
#
# An installed program is replaced only if `check` of the new one accepts the configurations of the existing jobs. As root,
# the script writes only where nobody else can; with SCRIPTING_SYSTEM_TRUST_FILES=1 in the environment, it accepts an
# existing configuration in a folder that another user controls, and changes nothing there.

# shellcheck disable=SC2034,SC2154 # variables that its parts set or use
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"
for part in trust crontab program rotation systemd; do
    # shellcheck source=/dev/null # each is checked separately
    source "$(dirname -- "${BASH_SOURCE[0]}")/install/$part.sh"
done

# The script compares the crontab byte by byte, and parses messages of other programs.
export LC_ALL=C
umask 022

binary=
prefix=
config=
logrotate_folder=
with_packages=yes
uninstall=
purge=
systemd=
root=
# Set if another user controls the configuration's folder: nothing is written there.
foreign_folder=

# Temporary files, removed however the script ends.
temporary=()
remove_temporary() {
    ((${#temporary[@]} == 0)) || rm -rf -- "${temporary[@]}"
}
trap remove_temporary EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

read_options() {
    while (($# > 0)); do
        case $1 in
        --binary | --prefix | --config | --logrotate-folder | --root)
            [[ -n ${2:-} ]] || fail_usage "$1 needs a value"
            case $1 in
            --binary) binary=$2 ;;
            --prefix) prefix=$2 ;;
            --config) config=$2 ;;
            --logrotate-folder) logrotate_folder=$2 ;;
            --root) root=$(realpath -m -- "$2") && root=${root%/} ;;
            esac
            shift
            ;;
        --no-packages) with_packages= ;;
        --systemd) systemd=yes ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        *) fail_usage "unknown option: $1" ;;
        esac
        shift
    done
    [[ -z $purge || -n $uninstall ]] || fail_usage "--purge requires --uninstall"
    [[ -z $root || -n $systemd ]] || fail_usage "--root requires --systemd"
    [[ -z $systemd || -z $config$logrotate_folder ]] ||
        fail_usage "--systemd has fixed places: omit --config and --logrotate-folder"
}

# Sets the defaults, and makes every path absolute, because cron starts in another folder.
set_paths() {
    if ((EUID == 0)); then
        : "${prefix:=/usr/local}" "${config:=/etc/scripting-system/config.json}"
        : "${logrotate_folder:=/etc/logrotate.d}"
    else
        [[ -n ${HOME:-} || ( -n $prefix && -n $config ) ]] ||
            fail "HOME is not set; set --prefix and --config"
        : "${prefix:=$HOME/.local}" "${config:=$HOME/.config/scripting-system/config.json}"
    fi
    local path forbidden=']['\''"`\\$*?{}'
    for path in "$prefix" "$config" "$logrotate_folder" "$root"; do
        # Some of these characters are special in the shell, in cron or in logrotate.
        [[ $path != *[$forbidden]* && $path != *[[:cntrl:]]* ]] ||
            fail_usage "the path $(printf '%q' "$path") contains a quote, a bracket, a backslash, \$, *, ? or a control character"
    done
    prefix=$(realpath -ms -- "$prefix")
    config=$(realpath -ms -- "$config")
    [[ -z $logrotate_folder ]] || logrotate_folder=$(realpath -ms -- "$logrotate_folder")
    [[ -z $systemd ]] || set_systemd_paths
    [[ -n $systemd || ! -d $config ]] || fail_usage "--config $config is a folder; name the file"
    installed=$prefix/bin/scripting-system
    log=$(dirname -- "$config")/log.log
    [[ -n $systemd ]] || schema=$(dirname -- "$config")/config.schema.json
    resolved_config=$(realpath -m -- "$(dirname -- "$config")")/$(basename -- "$config")
    pages=$prefix/share/man/man1
    completion=$prefix/share/bash-completion/completions/scripting-system
}

# Exits if root would write below a folder that another user controls. Called again after creating folders: in a folder
# such as /tmp, another user may have taken the name first.
require_safe_places() {
    require_root_control --prefix "$prefix/bin" "$pages" "$(dirname -- "$completion")"
    if [[ -n $systemd ]]; then
        require_root_control --root "$jobs" "$unit_folder"
        return 0
    fi
    [[ -z $logrotate_folder ]] || require_root_control --logrotate-folder "$logrotate_folder"
    # Uninstalling without --purge changes nothing in the configuration's folder.
    [[ -z $uninstall || -n $purge ]] || return 0
    only_root_controls "$config" "$log" && return 0
    if [[ ${SCRIPTING_SYSTEM_TRUST_FILES:-} == 1 && -z $purge ]]; then
        [[ -f $config ]] || fail "the configuration $config does not exist, and root does not create it there: $culprit"
        foreign_folder=yes
        return 0
    fi
    require_root_control --config "$config" "$log"
}

# --- packages -------------------------------------------------------------------------------------------

add_packages() {
    local packages=(cron openssh-client logrotate)
    [[ -z $systemd ]] || packages[0]=systemd
    [[ -n $binary ]] || packages+=("${build_packages[@]}")
    find_missing_packages "${packages[@]}"
    ((${#missing[@]} > 0)) || return 0
    if [[ -z $with_packages ]]; then
        echo "Missing, and not installed because of --no-packages: ${missing[*]}"
        return 0
    fi
    local command="apt-get update && apt-get install ${missing[*]}"
    command -v apt-get >/dev/null || fail "there is no apt-get to install the missing packages: ${missing[*]}
Install the programs of these Debian packages, then run this script again."
    if ((EUID == 0)); then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        fail "installing the missing packages requires root: ${missing[*]}
As root: $command
Then run this script again."
    fi
    install_packages "${missing[@]}"
}

# --- configuration and log ------------------------------------------------------------------------------

create_configuration() {
    local folder workplace
    if [[ -n $foreign_folder ]]; then
        echo "Configuration:  $config (existed, kept)"
        echo "                Nothing in its folder was changed, because another user controls it: $culprit."
        return 0
    fi
    folder=$(dirname -- "$config")
    mkdir -p -- "$folder" || fail "the folder $folder could not be created; choose another file with --config"
    require_safe_places
    if [[ -e $config ]]; then
        chmod 0600 -- "$config"
        echo "Configuration:  $config (existed, kept)"
        return 0
    fi
    [[ ! -L $config ]] || fail "$config is a dangling link; remove it, or choose another file with --config"
    # The template is renamed when it is complete: the next run would keep an incomplete one.
    workplace=$(mktemp -d -- "$folder/.template.XXXXXX") || fail "the folder $folder cannot be written"
    temporary+=("$workplace")
    (umask 077 && "$installed" gen-config --output "$workplace/config.json" >/dev/null) ||
        fail "the program could not write the configuration template; its message is above"
    chmod 0600 -- "$workplace/config.json"
    mv -T -- "$workplace/config.json" "$config"
    echo "Configuration:  $config (new, a template to fill in)"
}

# A new program has a new schema.
install_schema() {
    [[ -z $foreign_folder ]] || return 0
    local workplace
    workplace=$(mktemp -d -- "$(dirname -- "$config")/.schema.XXXXXX") ||
        fail "the folder $(dirname -- "$config") cannot be written"
    temporary+=("$workplace")
    "$installed" gen-config --output "$workplace/schema" --schema ||
        fail "the program could not write the configuration schema; its message is above"
    chmod 0644 -- "$workplace/schema"
    mv -fT -- "$workplace/schema" "$schema"
    echo "Schema:         $schema"
}

create_log() {
    [[ -z $foreign_folder ]] || return 0
    if [[ ! -e $log ]]; then
        (umask 027 && : >>"$log") || fail "the log $log could not be created"
    fi
    # Only removes permissions: a log that its group cannot read remains so.
    chmod u=rw,g-wx,o= -- "$log"
    echo "Log:            $log"
}

# Warns if the configuration needs sendmail and it is missing. awk reads the keys `server` and `send` of the section
# `email`; it ignores an invalid configuration, which `check` reports.
check_sendmail() {
    local needs_sendmail
    ! command -v sendmail >/dev/null || return 0
    # shellcheck disable=SC2016 # awk expands these
    needs_sendmail=$(awk '
        { text = text $0 "\n" }
        END {
            while (match(text, /"([^"\\]|\\.)*"|[][{}:,]|[^][{}:," \t\r\n]+/)) {
                token = substr(text, RSTART, RLENGTH)
                text = substr(text, RSTART + RLENGTH)
                if (before == ":" && depth == 1 && key == "\"email\"") has_email = token == "{"
                if (before == ":" && depth == 2 && section == "\"email\"") value[key] = token
                if (token == ":") key = before
                if (token ~ /^[[{]$/ && ++depth == 2) section = before == ":" ? key : ""
                if (token ~ /^[]}]$/) depth--
                before = token
            }
            server = value["\"server\""]
            if (has_email && (server == "" || server == "null") && value["\"send\""] != "\"never\"") print "yes"
        }' "$config" 2>/dev/null) || return 0
    [[ -z $needs_sendmail ]] ||
        echo "Mail:           sendmail is missing, and email.server is null: install msmtp-mta or postfix, or set email.server"
}

# --- install and uninstall ------------------------------------------------------------------------------

install_everything() {
    add_packages
    get_binary
    install_binary
    install_documents
    if [[ -n $systemd ]]; then
        install_with_systemd
        return 0
    fi
    create_configuration
    install_schema
    create_log
    if [[ -n $foreign_folder && -n $logrotate_folder ]]; then
        echo "Log rotation:   not set up: root would rotate a log in a folder that another user controls"
    else
        install_rotation
    fi
    install_job
    check_sendmail

    local key
    key=$(dirname -- "$config")/id_ed25519
    cat <<STEPS

Next steps:
 1. Create an SSH key pair, unless you have one:
      ssh-keygen -t ed25519 -f $(printf '%q' "$key") -N ''
    Add $key.pub to ~/.ssh/authorized_keys
    of the user on the SFTP server, and set sftp.private_key to
    $key
 2. Fill in $config
 3. Set sftp.host_key to the fingerprint that ssh-keygen -l prints on the server
 4. Check that a run will work; this sends no dump and removes nothing:
      $(printf '%q' "$installed") check --config $(printf '%q' "$config")
If log.file is not $log, set up its rotation yourself.
STEPS
}

# Removes the file $1 and reports it.
remove_file() {
    if [[ -e $1 || -L $1 ]]; then
        rm -f -- "$1"
        echo "Removed:        $1"
    else
        echo "Did not exist:  $1"
    fi
}

# Removes the program and its documents, unless the crontab $1 runs it for another configuration.
remove_program() {
    local file users=()
    file=$(other_configs "$1" "$installed")
    if [[ -n $file ]]; then
        mapfile -t users <<<"$file"
        for file in "${users[@]}"; do
            echo "Kept:           $installed, which the crontab runs for $file"
        done
    else
        remove_file "$installed"
        for file in "$completion" "$pages"/scripting-system.1 "$pages"/scripting-system-*.1; do
            [[ ! -e $file ]] || remove_file "$file"
        done
    fi
}

uninstall_everything() {
    local file rotation='' kept=()
    crontab_now=$(mktemp)
    temporary+=("$crontab_now")
    ! package_is_present cron || read_crontab "$crontab_now"
    if [[ -n $systemd ]]; then
        uninstall_with_systemd
        return 0
    fi
    # Before the job is removed: the crontab may decide which rotation belongs to the job.
    [[ -z $logrotate_folder || ! -d $logrotate_folder ]] || rotation=$(rotation_file "$crontab_now")
    # The job is removed first, so that nothing starts the program.
    if package_is_present cron; then
        change_crontab remove
        file=$(lines_of_job "$crontab_now")
        [[ -z $file ]] || echo "Crontab line:   ${file#* }
                It was kept, because it also runs another configuration. Change it with: crontab -e"
    fi
    [[ -z $logrotate_folder ]] || uninstall_rotation "$rotation" "$crontab_now"
    remove_program "$crontab_now"
    if [[ -n $purge ]]; then
        remove_file "$config"
        if [[ -z $(config_in_same_folder "$crontab_now") ]]; then
            for file in "$schema" "$log" "$log".[0-9]*; do
                [[ ! -e $file ]] || remove_file "$file"
            done
        fi
        [[ $(basename -- "$(dirname -- "$config")") != scripting-system ]] ||
            rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$config")" 2>/dev/null || true
    fi
    for file in "$config" "$schema" "$log" "$log".[0-9]*; do
        [[ ! -e $file ]] || kept+=("$file")
    done
    ((${#kept[@]} == 0)) || printf 'Kept:           %s\n' "${kept[@]}"
}

read_options "$@"
set_paths
require_safe_places
if [[ -n $uninstall ]]; then
    uninstall_everything
else
    install_everything
fi
