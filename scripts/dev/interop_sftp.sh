#!/usr/bin/env bash
# Part of interop.sh: the whole job against several SFTP servers.
#
# OpenSSH and Dropbear accept only the system's users. libnss_wrapper replaces these with the trial's user, so that the
# system needs no new one.
# shellcheck disable=SC2034,SC2154 # variables that interop.sh and its other parts set or use
set -euo pipefail

# The cases in the order of the table.
sftp_cases=(
    "login with a key"
    "first contact with accept-new: the key is in known_hosts"
    "20 MB of noise over several connections, extracted again"
    "expired archives removed, everything else kept"
    "second run with strict"
    "login with a password"
    "an archive with the same bytes is kept"
    "other bytes replace the archive"
    "the replaced archive is kept, no temporary file is left"
    "another host key is refused"
    "supports fsync"
    "reports its free space (statvfs)"
)

# The results by case.
declare -A results=()

# Like `expect`, for the case $1 of the current server.
expect_sftp() {
    expect "$server: $1" "${@:2}"
    results[$1]=$cell
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
        # On a slow line, the program opens several connections.
        start_proxy "$port" --round-trip-ms 40
        sftp_port=$proxy_port
        try_sftp_server "$make"
        end_process "$proxy_process"
        end_process "$process"
        column=$((column + 1))
        columns+=("$server")
        for case in "${sftp_cases[@]}"; do
            printf '%s\n' "${results[$case]}" >>"$trial/sftp.column.$column"
        done
    done
    row "case" "${columns[@]}"
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$trial/table"
    done < <(paste -- <(printf '%s\n' "${sftp_cases[@]}") "$trial"/sftp.column.*)
    print_table
}

# Fills the folder $archives with archives of several ages and foreign files.
fill_folder() {
    local days path
    mkdir -p -- "$archives/a folder"
    for days in 2 5 9 20 40; do
        path=$archives/$(date -d "-$days days" +%Y%d%m).tgz
        echo old >"$path"
        touch -d "-$days days" -- "$path"
    done
    echo foreign >"$archives/notes.txt"
    echo foreign >"$archives/.hidden"
    ln -s notes.txt "$archives/$(date -d '-30 days' +%Y%d%m).tgz"
}

# Makes the next run fetch the ZIP of the dump $1, always from the same URL: the program keeps archives of another source.
publish_sftp() {
    mkdir -p -- "$published/sftp"
    cp -p -- "$published/$1/my_zip.zip" "$published/sftp/"
    fetch_from_default_server sftp
}

# Prints the names in the folder $archives.
names() {
    (cd -- "$archives" && find . -mindepth 1 -printf '%P\n' | sort)
}

# Whether the folder contains the new archive and everything except the two expired ones.
is_pruned() {
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

has_only_replaced_archive() {
    diff <(names | grep -E '\.(part|old)$') <(echo "$(basename -- "$archive").old")
}

# Tests every case with the server $1 on port $sftp_port.
try_sftp_server() {
    local unsynced='does not sync the archive' several
    results=()
    archives=$trial/archives.$1
    known_hosts=$trial/known_hosts.$1
    fill_folder

    email='' login=key host_key=accept-new
    publish_sftp sftp_first
    run_program
    expect_sftp "login with a key" "yes" exited_with 0
    expect_sftp "first contact with accept-new: the key is in known_hosts" "yes" logged "first contact: the host key SHA256:"
    expect_sftp "first contact with accept-new: the key is in known_hosts" "$cell" knows_one_key
    several=$(sed -n 's/.* Send archive: .* over \([0-9]* connections\).*/\1/p' "$log")
    expect_sftp "20 MB of noise over several connections, extracted again" "$several" delivered sftp_first
    expect_sftp "20 MB of noise over several connections, extracted again" "$cell" logged " over [2-8] connections"
    expect_sftp "20 MB of noise over several connections, extracted again" "$cell" did_not_log "one connection fewer"
    expect_sftp "expired archives removed, everything else kept" "yes" is_pruned
    if grep -q "$unsynced" "$log"; then
        results["supports fsync"]="no"
    else
        results["supports fsync"]="yes"
    fi

    login=password host_key=strict
    run_program
    expect_sftp "second run with strict" "yes" exited_with 0
    expect_sftp "login with a password" "yes" exited_with 0
    expect_sftp "an archive with the same bytes is kept" "yes" logged "is already there, with the same bytes"

    login=key
    publish_sftp sftp_second
    run_program
    expect_sftp "other bytes replace the archive" "yes" logged "it replaced an archive with different bytes"
    expect_sftp "other bytes replace the archive" "$cell" delivered sftp_second
    expect_sftp "the replaced archive is kept, no temporary file is left" "yes" has_only_replaced_archive

    echo "[127.0.0.1]:$sftp_port $(cut -d ' ' -f 1,2 "$secrets/user.pub")" >"$known_hosts"
    run_program
    expect_sftp "another host key is refused" "yes" exited_with 4

    results["reports its free space (statvfs)"]=$(reported_free_space)
}

# Whether the current server reports its free space to OpenSSH's sftp.
reported_free_space() {
    sftp -q -b - -P "$sftp_port" -F none -i "$secrets/user" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR "$user@127.0.0.1" \
        <<<"df \"$archives\"" >"$trial/df" 2>&1 && grep -q '%' "$trial/df" && echo yes || echo no
}

sftp_packages=(openssh-server openssh-client openssh-sftp-server libnss-wrapper proftpd-core proftpd-mod-crypto
    dropbear-bin python3 python3-venv)

# Starts an OpenSSH server, for sections that test another server.
start_default_sftp_server() {
    [[ -z ${default_sftp_server:-} ]] || return 0
    prepare_sftp_servers
    server_log=$trial/default_openssh.log
    start_on_free_port openssh_server
    default_sftp_server=$port
}

# Makes the next runs deliver to an empty folder on it, $trial/archives.$1.
new_archives() {
    start_default_sftp_server
    sftp_port=$default_sftp_server
    known_hosts=$trial/known_hosts
    login=key host_key=accept-new
    archives=$trial/archives.$1
    mkdir -- "$archives"
}

# Creates the user's home folder and accounts.
prepare_sftp_servers() {
    local hash
    [[ -z ${home:-} ]] || return 0
    home=$trial/home
    accounts=$secrets/accounts
    mkdir -m 700 -- "$home" "$home/.ssh" "$accounts"
    install -m 600 "$secrets/user.pub" "$home/.ssh/authorized_keys"
    hash=$(openssl passwd -6 "$password")
    # sshd needs its own account for privilege separation.
    cat >"$accounts/passwd" <<END
$user:x:$(id -u):$(id -g)::$home:/bin/sh
sshd:x:$(id -u nobody):$(id -g nobody)::/run/sshd:/usr/sbin/nologin
END
    echo "$user:$hash:19000:0:99999:7:::" >"$accounts/shadow"
    echo "$user:x:$(id -g):" >"$accounts/group"
    echo "$user:$hash:$(id -u):$(id -g)::$home:/bin/sh" >"$accounts/proftpd"
    chmod 600 "$accounts"/*
    nss_wrapper=(env "LD_PRELOAD=libnss_wrapper.so" "NSS_WRAPPER_PASSWD=$accounts/passwd"
        "NSS_WRAPPER_GROUP=$accounts/group" "NSS_WRAPPER_SHADOW=$accounts/shadow")
}

# Each function starts a server on port $port as the process $started, and sets $server to its name and version.

openssh_server() {
    server="OpenSSH $(dpkg-query -W -f '${Version}' openssh-server 2>/dev/null | sed 's/^1://; s/-.*//')"
    start_openssh "$secrets/host" "$home/.ssh/authorized_keys" "${nss_wrapper[@]}"
}

proftpd_server() {
    local root_login=
    server="ProFTPD $(proftpd -v 2>&1 | sed 's/.*Version //')"
    ((EUID != 0)) || root_login='RootLogin on'
    ssh-keygen -e -f "$secrets/user.pub" >"$accounts/user.rfc4716"
    cat >"$trial/proftpd.conf" <<END
ServerType standalone
ModulePath /usr/lib/proftpd
LoadModule mod_sftp.c
User $(id -un)
Group $(id -gn)
DefaultAddress 127.0.0.1
SocketBindTight on
UseIPv6 off
UseReverseDNS off
Port $port
PidFile $trial/proftpd.pid
ScoreboardFile $trial/proftpd.scoreboard
DelayEngine off
WtmpLog off
SystemLog $trial/proftpd.system
TransferLog none
AuthOrder mod_auth_file.c
AuthUserFile $accounts/proftpd
RequireValidShell off
$root_login
AllowOverwrite on
SFTPEngine on
SFTPLog $trial/proftpd.sftp
SFTPHostKey $secrets/host
SFTPAuthMethods publickey password
SFTPAuthorizedUserKeys file:$accounts/user.rfc4716
END
    start_process proftpd -n -c "$trial/proftpd.conf" >"$server_log" 2>&1
}

# Dropbear uses OpenSSH's sftp-server, which the user's shell starts.
dropbear_server() {
    server="Dropbear $(dropbear -V 2>&1 | sed 's/.* v//')"
    if [[ ! -e $secrets/dropbear ]]; then
        dropbearkey -t ed25519 -f "$secrets/dropbear" >/dev/null 2>&1
    fi
    start_process "${nss_wrapper[@]}" dropbear -F -E -m -e -p "127.0.0.1:$port" -r "$secrets/dropbear" \
        -P "$trial/dropbear.pid" 2>"$server_log"
}

asyncssh_server() {
    server="asyncssh $(venv_python -c 'import asyncssh; print(asyncssh.__version__)')"
    cat >"$trial/asyncssh_server.py" <<'END'
import asyncio, hmac, sys, asyncssh

port, key, authorized, user, password_file = sys.argv[1:]
password = open(password_file).read()


class Server(asyncssh.SSHServer):
    def password_auth_supported(self):
        return True

    def validate_password(self, name, given):
        return name == user and hmac.compare_digest(given, password)


async def main():
    server = await asyncssh.listen("127.0.0.1", int(port), server_factory=Server, server_host_keys=[key],
                                   authorized_client_keys=authorized, sftp_factory=True)
    await server.wait_closed()


asyncio.run(main())
END
    start_process venv_python "$trial/asyncssh_server.py" "$port" "$secrets/host" "$secrets/user.pub" "$user" \
        "$secrets/password" 2>"$server_log"
}

# Runs Python with asyncssh, and installs that the first time.
venv_python() {
    if [[ ! -d $trial/venv ]]; then
        python3 -m venv "$trial/venv"
        "$trial/venv/bin/pip" install -q asyncssh >&2 || fail "pip could not install asyncssh; its messages are above"
    fi
    "$trial/venv/bin/python" "$@"
}
