#!/usr/bin/env bash
# The whole job against SFTP servers of several makes. Scripts source this file; run by itself it does nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=interop_sftp_servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_sftp_servers.sh"

# The cases, in the table's order.
sftp_cases=(
    "login with a key"
    "first contact with accept-new: the key is in known_hosts"
    "20 MB of noise over several connections, extracted again"
    "expired archives removed, all else kept"
    "second run with strict"
    "login with a password"
    "the same bytes again are already there"
    "other bytes replace the archive"
    "nothing temporary is left"
    "another host key is refused"
    "syncs to its disk when asked (fsync)"
    "tells its free space (statvfs)"
)

# What was seen, by case.
declare -A seen=()

# As `holds`, for the case $1 of the server at hand.
sftp_holds() {
    holds "$server: $1" "${@:2}"
    seen[$1]=$cell
}

section_sftp() {
    local make case column=0
    heading "SFTP servers"
    prepare_sftp_servers
    make_dump sftp_first 20000000 0
    make_zip sftp_first
    make_dump sftp_second 20000000 0
    make_zip sftp_second
    local -a columns=()
    for make in openssh proftpd dropbear asyncssh; do
        server_log=$trial/$make.log
        start_on_free_port "${make}_server"
        local process=$started
        # A long line is worth several connections.
        start_proxy "$port" --round-trip-ms 40
        sftp_port=$proxy_port
        try_sftp_server "$make"
        end_process "$proxy_process"
        end_process "$process"
        column=$((column + 1))
        columns+=("$server")
        for case in "${sftp_cases[@]}"; do
            printf '%s\n' "${seen[$case]}" >>"$trial/sftp.column.$column"
        done
    done
    row "case" "${columns[@]}"
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$trial/table"
    done < <(paste -- <(printf '%s\n' "${sftp_cases[@]}") "$trial"/sftp.column.*)
    print_table
}

# Fills the folder $archives: archives of several ages, and what is none of ours.
fill_folder() {
    local days
    mkdir -p -- "$archives/a folder"
    for days in 2 5 9 20 40; do
        echo old >"$archives/$(date -d "-$days days" +%Y%d%m).tgz"
    done
    echo mine >"$archives/notes.txt"
    echo mine >"$archives/.hidden"
    ln -s notes.txt "$archives/$(date -d '-30 days' +%Y%d%m).tgz"
}

# The names in the folder $archives.
names() {
    (cd -- "$archives" && find . -mindepth 1 -printf '%P\n' | sort)
}

# Whether the folder holds what the first run is to leave: all but the two expired archives, and the new one.
is_cleared_up() {
    local days
    diff <(names) <({
        basename -- "$archive"
        printf '%s\n' "a folder" notes.txt .hidden
        for days in 2 5 9 30; do
            echo "$(date -d "-$days days" +%Y%d%m).tgz"
        done
    } | sort)
}

knows_one_key() {
    [[ $(grep -c "^\[127.0.0.1\]:$sftp_port " "$known_hosts") == 1 ]]
}

has_no_temporary() {
    ! names | grep -E '\.(part|old)$'
}

# Tries every case with the server of the make $1, which listens on the port $sftp_port.
try_sftp_server() {
    local unsynced='does not sync the archive' several
    seen=()
    archives=$trial/archives.$1
    known_hosts=$trial/known_hosts.$1
    fill_folder

    email='' login=key host_key=accept-new
    fetch_from_usual_server sftp_first
    run_program
    sftp_holds "login with a key" "yes" ended_with 0
    sftp_holds "first contact with accept-new: the key is in known_hosts" "yes" told "first contact: the host key SHA256:"
    sftp_holds "first contact with accept-new: the key is in known_hosts" "$cell" knows_one_key
    several=$(sed -n 's/.* Send archive: .* over \([0-9]* connections\).*/\1/p' "$log")
    sftp_holds "20 MB of noise over several connections, extracted again" "$several" delivered sftp_first
    sftp_holds "20 MB of noise over several connections, extracted again" "$cell" told " over [2-8] connections"
    sftp_holds "20 MB of noise over several connections, extracted again" "$cell" never_told "one connection fewer"
    sftp_holds "expired archives removed, all else kept" "yes" is_cleared_up
    if grep -q "$unsynced" "$log"; then
        seen["syncs to its disk when asked (fsync)"]="does not offer it"
    else
        seen["syncs to its disk when asked (fsync)"]="yes"
    fi

    login=password host_key=strict
    run_program
    sftp_holds "second run with strict" "yes" ended_with 0
    sftp_holds "login with a password" "yes" ended_with 0
    sftp_holds "the same bytes again are already there" "yes" told "is already there, with the same bytes"

    login=key
    fetch_from_usual_server sftp_second
    run_program
    sftp_holds "other bytes replace the archive" "yes" told "it has replaced an archive with other bytes"
    sftp_holds "other bytes replace the archive" "$cell" delivered sftp_second
    sftp_holds "nothing temporary is left" "yes" has_no_temporary

    echo "[127.0.0.1]:$sftp_port $(cut -d ' ' -f 1,2 "$secrets/user.pub")" >"$known_hosts"
    run_program
    sftp_holds "another host key is refused" "yes" ended_with 4

    seen["tells its free space (statvfs)"]=$(told_free_space)
}

# What the server at hand says to OpenSSH's sftp of its free space.
told_free_space() {
    sftp -q -b - -P "$sftp_port" -F none -i "$secrets/user" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR "$user@127.0.0.1" \
        <<<"df \"$archives\"" >"$trial/df" 2>&1 && grep -q '%' "$trial/df" && echo yes || echo "does not offer it"
}
