#!/usr/bin/env bash
# Sets everything up for operators who do not build software: the packages, the program, its configuration,
# its log and the cron job that runs it every night at 23:00. It may be run again at any time: what is there
# is kept, what is missing is added.
#
# Usage: scripts/install_dependencies.sh [options]
#
#   --binary FILE           install this program instead of compiling one (no Rust toolchain needed)
#   --prefix DIR            the program goes to DIR/bin, its manual pages and its completion for bash below
#                           DIR/share; default /usr/local, for others than root ~/.local
#   --config FILE           the configuration; default /etc/scripting-system/config.json, for others than
#                           root ~/.config/scripting-system/config.json
#   --logrotate-folder DIR  where the log's rotation is written; default /etc/logrotate.d for root, for
#                           others nowhere: the lines are shown instead
#   --no-packages           install no Debian packages
#   --uninstall             take back the cron job, the log's rotation, the program, its manual pages and its
#                           completion. Needs the same --prefix, --config and --logrotate-folder as the
#                           installation. The configuration, its schema and the log stay, and so do the
#                           Debian packages
#   --purge                 with --uninstall: remove the configuration, its schema and the log too
#   --help                  show this text
#
# The configuration is made with mode 0600, since it may hold passwords; an existing one is kept, and gets
# that mode. The schema beside it, with which editors complete and check it, has mode 0644; the log, log.log,
# has mode 0640. The cron job is added to the crontab of whoever runs
# this script, once; the crontab's other lines stay as they are.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

# The crontab is compared byte by byte, and the messages of other programs are read.
export LC_ALL=C
umask 022

# The crontab line below this one is ours. It has a line to itself, so that the job's line is what cron runs
# and nothing else.
marker='# The line below was added by scripts/install_dependencies.sh, which replaces it when it runs again.'

# What the options decide.
binary=
prefix=
config=
logrotate_folder=
with_packages=yes
uninstall=
purge=

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
        --binary | --prefix | --config | --logrotate-folder)
            [[ -n ${2:-} ]] || fail_usage "$1 needs a value"
            case $1 in
            --binary) binary=$2 ;;
            --prefix) prefix=$2 ;;
            --config) config=$2 ;;
            --logrotate-folder) logrotate_folder=$2 ;;
            esac
            shift
            ;;
        --no-packages) with_packages= ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        -h | --help)
            print_help
            exit 0
            ;;
        *) fail_usage "unknown option: $1" ;;
        esac
        shift
    done
    [[ -z $purge || -n $uninstall ]] || fail_usage "--purge goes with --uninstall only"
}

# Gives what was not set its default, and makes every path absolute: cron starts in another folder.
decide_paths() {
    if ((EUID == 0)); then
        : "${prefix:=/usr/local}" "${config:=/etc/scripting-system/config.json}"
        : "${logrotate_folder:=/etc/logrotate.d}"
    else
        [[ -n ${HOME:-} || ( -n $prefix && -n $config ) ]] ||
            fail "HOME is not set: say where to install with --prefix and --config"
        : "${prefix:=$HOME/.local}" "${config:=$HOME/.config/scripting-system/config.json}"
    fi
    local path forbidden=']['\''"`\\$*?{}'
    for path in "$prefix" "$config" "$logrotate_folder"; do
        # One rule for the shell, cron and logrotate, each of which gives some of these a meaning.
        [[ $path != *[$forbidden]* && $path != *[[:cntrl:]]* ]] ||
            fail_usage "the path $(printf '%q' "$path") holds a quote, a bracket, a backslash, \$, *, ? or a control character"
    done
    prefix=$(realpath -ms -- "$prefix")
    config=$(realpath -ms -- "$config")
    [[ -z $logrotate_folder ]] || logrotate_folder=$(realpath -ms -- "$logrotate_folder")
    [[ ! -d $config ]] || fail_usage "--config $config is a folder; name the file"
    installed=$prefix/bin/scripting-system
    log=$(dirname -- "$config")/log.log
    schema=$(dirname -- "$config")/config.schema.json
    pages=$prefix/share/man/man1
    completion=$prefix/share/bash-completion/completions/scripting-system
}

# --- packages -------------------------------------------------------------------------------------------

add_packages() {
    local wanted=(cron openssh-client logrotate)
    [[ -n $binary ]] || wanted+=("${build_packages[@]}")
    find_missing_packages "${wanted[@]}"
    ((${#missing[@]} > 0)) || return 0
    if [[ -z $with_packages ]]; then
        echo "Missing, and not installed because of --no-packages: ${missing[*]}"
        return 0
    fi
    local by_hand="apt-get update && apt-get install ${missing[*]}"
    command -v apt-get >/dev/null || fail "there is no apt-get here to install what is missing: ${missing[*]}
Install what these Debian packages bring, then run this script again."
    # shellcheck disable=SC2034 # used by install_packages
    if ((EUID == 0)); then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        fail "these packages are missing, and installing them takes root: ${missing[*]}
As root: $by_hand
Then run this script again."
    fi
    install_packages "${missing[@]}"
}

# --- the program ----------------------------------------------------------------------------------------

# Compiles the program, unless --binary named one, and leaves its path in $binary.
get_binary() {
    if [[ -n $binary ]]; then
        [[ -f $binary ]] || fail "--binary $binary is not a file"
        return 0
    fi
    # shellcheck disable=SC2034 # used by require_cargo
    other_way="Or compile the program elsewhere, also as another user, with: cargo build --release --locked
and name it here: --binary target/release/scripting-system"
    require_cargo
    require_build_packages
    echo "Compiling the program. The first time this takes several minutes, because OpenSSL is compiled with it."
    (cd -- "$top" && cargo build --release --locked --bin scripting-system)
    binary=$(target_folder)/release/scripting-system
    [[ -f $binary ]] || fail "cargo did not leave the program at $binary; find it, and name it with --binary"
}

install_binary() {
    local fresh
    mkdir -p -- "$prefix/bin" || fail "the folder $prefix/bin could not be made; choose another with --prefix"
    # The new program takes the old one's place in one step, so that a run that starts now finds one of them.
    fresh=$(mktemp -- "$prefix/bin/.scripting-system.XXXXXX") ||
        fail "the folder $prefix/bin cannot be written; choose another with --prefix"
    temporary+=("$fresh")
    cp -- "$binary" "$fresh"
    chmod 0755 -- "$fresh"
    "$fresh" --version >/dev/null || fail "the program $binary does not run on this machine; nothing was installed"
    mv -fT -- "$fresh" "$installed"
    echo "Program:        $installed"
}

# Manual pages and completion: comfort, so what fails here is told and stops nothing.
install_comfort() {
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

# --- configuration and log ------------------------------------------------------------------------------

make_configuration() {
    local folder workplace
    folder=$(dirname -- "$config")
    mkdir -p -- "$folder" || fail "the folder $folder could not be made; choose another file with --config"
    if [[ -e $config ]]; then
        chmod 0600 -- "$config"
        echo "Configuration:  $config (was there, kept)"
        return 0
    fi
    [[ ! -L $config ]] || fail "$config is a link that leads nowhere; remove it, or choose another file with --config"
    # The template gets its name when it is complete: a next run would keep half of one.
    workplace=$(mktemp -d -- "$folder/.template.XXXXXX") || fail "the folder $folder cannot be written"
    temporary+=("$workplace")
    (umask 077 && "$installed" gen-config --output "$workplace/config.json" >/dev/null) ||
        fail "the program could not write the configuration's template; its message is above"
    chmod 0600 -- "$workplace/config.json"
    mv -T -- "$workplace/config.json" "$config"
    echo "Configuration:  $config (new, a template to fill in)"
}

# The schema belongs to the program, so a new program brings a new one.
install_schema() {
    local workplace
    workplace=$(mktemp -d -- "$(dirname -- "$config")/.schema.XXXXXX") ||
        fail "the folder $(dirname -- "$config") cannot be written"
    temporary+=("$workplace")
    "$installed" gen-config --output "$workplace/schema" --schema ||
        fail "the program could not write the configuration's schema; its message is above"
    chmod 0644 -- "$workplace/schema"
    mv -fT -- "$workplace/schema" "$schema"
    echo "Schema:         $schema"
}

make_log() {
    if [[ ! -e $log ]]; then
        (umask 027 && : >>"$log") || fail "the log $log could not be made"
    fi
    chmod 0640 -- "$log"
    echo "Log:            $log"
}

# Prints logrotate's instructions for the log. The program opens the log when a run begins, so it needs no
# signal; a run that is under way while the log is rotated goes on in the old file, which is why that one
# is compressed a week later only.
rotation() {
    local user group
    user=$(id -un)
    group=$(id -gn)
    cat <<LINES
# Written by scripts/install_dependencies.sh of scripting-system.
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

install_rotation() {
    if [[ -z $logrotate_folder ]]; then
        echo "Log rotation:   not set up, because that takes root. As root, put these lines into"
        echo "                /etc/logrotate.d/scripting-system:"
        rotation
        return 0
    fi
    local fresh
    mkdir -p -- "$logrotate_folder" || fail "the folder $logrotate_folder could not be made"
    # logrotate reads every file of the folder, but none whose name ends in ~ (tabooext in logrotate(8)), so
    # it never sees half of this one.
    fresh=$(mktemp -- "$logrotate_folder/scripting-system.XXXXXX~") ||
        fail "the folder $logrotate_folder cannot be written"
    temporary+=("$fresh")
    rotation >"$fresh"
    chmod 0644 -- "$fresh"
    mv -fT -- "$fresh" "$logrotate_folder/scripting-system"
    echo "Log rotation:   $logrotate_folder/scripting-system"
    package_is_present logrotate || echo "                takes effect once the package logrotate is installed"
}

# --- crontab --------------------------------------------------------------------------------------------

# Prints path $1 as a word for cron: quoted for the shell where it must be, and with every percent sign
# escaped, because cron ends a command at a bare one (crontab(5)).
cron_word() {
    local word=$1
    [[ $word != *[!A-Za-z0-9_./%+=:,@-]* ]] || word="'$word'"
    printf '%s' "${word//\%/\\%}"
}

# Prints the job's line.
cron_line() {
    printf '0 23 * * * %s run --config %s' "$(cron_word "$installed")" "$(cron_word "$config")"
}

# Reads a crontab and prints it with the line $1 in the place of ours, or at the end where ours was not in
# it; without ours where $1 is empty. Ours are the line below the marker, unless it is about something else,
# and any line that is the job's, letter by letter. Every other line stays as it is.
with_job() {
    local job=$1 own line below_marker='' placed=''
    own=$(cron_line)
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line == "$marker" ]]; then
            below_marker=yes
        elif [[ $line == "$own" || ( -n $below_marker && $line == *scripting-system*' run --config '* ) ]]; then
            below_marker=
        else
            below_marker=
            printf '%s\n' "$line"
            continue
        fi
        if [[ -n $job && -z $placed ]]; then
            printf '%s\n' "$marker" "$job"
            placed=yes
        fi
    done
    [[ -z $job || -n $placed ]] || printf '%s\n' "$marker" "$job"
}

# Puts the job's line $1 into the crontab, or takes it out where $1 is empty, and says what it did.
change_crontab() {
    local workplace
    workplace=$(mktemp -d)
    temporary+=("$workplace")
    if ! crontab -l >"$workplace/before" 2>"$workplace/message"; then
        # Only "there is none" may be read as an empty crontab: with anything else lines would be lost.
        grep -q 'no crontab for' "$workplace/message" ||
            fail "the crontab could not be read, so it is left alone: $(<"$workplace/message")"
        : >"$workplace/before"
    fi
    with_job "$1" <"$workplace/before" >"$workplace/after"
    if cmp -s -- "$workplace/before" "$workplace/after"; then
        echo "Crontab:        unchanged"
        return 0
    elif [[ -s $workplace/after ]]; then
        # From a complete file: a pipe that is interrupted would leave half a crontab.
        crontab "$workplace/after" || fail "the crontab was refused; it is as it was before"
    else
        crontab -r || fail "the crontab could not be removed; it is as it was before"
    fi
    if [[ -n $1 ]]; then
        echo "Crontab:        changed, the other lines are as they were"
    else
        echo "Crontab:        the nightly run was taken out, the other lines are as they were"
    fi
}

# Whether a cron daemon runs, as far as the processes tell.
cron_runs() {
    grep -qsx -e cron -e crond /proc/[0-9]*/comm
}

install_job() {
    package_is_present cron || fail "there is no crontab command to set up the nightly run with.
Install the package cron, then run this script again; the rest is in place."
    change_crontab "$(cron_line)"
    echo "Crontab line:   $(cron_line)"
    cron_runs || echo "                No cron daemon seems to run: it takes one, for example: service cron start"
}

# --- the two things that can be asked for ---------------------------------------------------------------

install_everything() {
    add_packages
    get_binary
    install_binary
    install_comfort
    make_configuration
    install_schema
    make_log
    install_rotation
    install_job

    local key
    key=$(dirname -- "$config")/id_ed25519
    cat <<STEPS

What is left to do:
 1. Make a pair of SSH keys, unless you have one:
      ssh-keygen -t ed25519 -f $(printf '%q' "$key") -N ''
    Give $key.pub to the SFTP server (there it belongs into
    ~/.ssh/authorized_keys of the user), and set sftp.private_key to
    $key
 2. Fill in $config
 3. Set sftp.host_key to the server's fingerprint, as ssh-keygen -l tells it there
 4. See whether a run would work; nothing is sent or removed:
      $(printf '%q' "$installed") check --config $(printf '%q' "$config")
Where log.file names another log than $log, its rotation is yours to set up.
STEPS
}

# Removes the file $1, and says so.
take_back() {
    if [[ -e $1 || -L $1 ]]; then
        rm -f -- "$1"
        echo "Removed:        $1"
    else
        echo "Was not there:  $1"
    fi
}

uninstall_everything() {
    # The job first: from here on nothing starts the program any more.
    if package_is_present cron; then
        change_crontab ''
    fi
    [[ -z $logrotate_folder ]] || take_back "$logrotate_folder/scripting-system"
    take_back "$installed"
    local file kept=()
    for file in "$completion" "$pages"/scripting-system.1 "$pages"/scripting-system-*.1; do
        [[ ! -e $file ]] || take_back "$file"
    done
    if [[ -n $purge ]]; then
        take_back "$config"
        for file in "$schema" "$log" "$log".[0-9]*; do
            [[ ! -e $file ]] || take_back "$file"
        done
        [[ $(basename -- "$(dirname -- "$config")") != scripting-system ]] ||
            rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$config")" 2>/dev/null || true
    fi
    for file in "$config" "$schema" "$log" "$log".[0-9]*; do
        [[ ! -e $file ]] || kept+=("$file")
    done
    ((${#kept[@]} == 0)) || printf 'Kept:           %s\n' "${kept[@]}"
}

read_options "$@"
decide_paths
if [[ -n $uninstall ]]; then
    uninstall_everything
else
    install_everything
fi
