#!/usr/bin/env bash
# SFTP servers of several makes, each with its own configuration, folders and accounts. Scripts source this file; run by
# itself it does nothing.
#
# OpenSSH and Dropbear know the system's users alone. For them libnss_wrapper puts the trial's own user in the place of
# these, so that none has to be made.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=interop_tools.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_tools.sh"

# The packages that they need.
# shellcheck disable=SC2034 # used by the scripts that source this file
sftp_packages=(openssh-server openssh-client openssh-sftp-server libnss-wrapper proftpd-core proftpd-mod-crypto
    dropbear-bin python3 python3-venv)

# Starts the OpenSSH to which those trials deliver that are about something else.
start_usual_sftp_server() {
    [[ -z ${usual_sftp_server:-} ]] || return 0
    prepare_sftp_servers
    server_log=$trial/usual_openssh.log
    start_on_free_port openssh_server
    usual_sftp_server=$port
}

# Has the next runs deliver to an empty folder on it, $trial/archives.$1, as a first contact would.
new_archives() {
    start_usual_sftp_server
    sftp_port=$usual_sftp_server
    known_hosts=$trial/known_hosts
    login=key host_key=accept-new
    archives=$trial/archives.$1
    mkdir -- "$archives"
}

# Makes the user's home and accounts.
prepare_sftp_servers() {
    local hash
    [[ -z ${home:-} ]] || return 0
    home=$trial/home
    accounts=$secrets/accounts
    mkdir -m 700 -- "$home" "$home/.ssh" "$accounts"
    install -m 600 "$secrets/user.pub" "$home/.ssh/authorized_keys"
    hash=$(openssl passwd -6 "$password")
    # sshd locks the part of itself that reads what strangers send into an account of its own.
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
    if ((EUID == 0)) && [[ ! -d /run/sshd ]]; then
        mkdir -m 0755 /run/sshd # for sshd's separation of privileges
    fi
}

# Each of these starts a server on the port $port as $started, and sets $server to its name and version.

openssh_server() {
    server="OpenSSH $(dpkg-query -W -f '${Version}' openssh-server 2>/dev/null | sed 's/^1://; s/-.*//')"
    cat >"$trial/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $secrets/host
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
MaxStartups 100
AuthorizedKeysFile $home/.ssh/authorized_keys
Subsystem sftp internal-sftp
END
    start_process "${nss_wrapper[@]}" /usr/sbin/sshd -D -e -f "$trial/sshd_config" 2>"$server_log"
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

# Its SFTP part is OpenSSH's, started by the user's shell.
dropbear_server() {
    server="Dropbear $(dropbear -V 2>&1 | sed 's/.* v//')"
    if [[ ! -e $secrets/dropbear ]]; then
        dropbearkey -t ed25519 -f "$secrets/dropbear" >/dev/null 2>&1
    fi
    start_process "${nss_wrapper[@]}" dropbear -F -E -m -e -p "127.0.0.1:$port" -r "$secrets/dropbear" \
        -P "$trial/dropbear.pid" 2>"$server_log"
}

asyncssh_server() {
    # shellcheck disable=SC2034 # used by the scripts that source this file
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

# Runs the Python that has asyncssh, which is fetched the first time.
venv_python() {
    if [[ ! -d $trial/venv ]]; then
        python3 -m venv "$trial/venv"
        "$trial/venv/bin/pip" install -q asyncssh >&2 || fail "pip could not install asyncssh; its messages are above"
    fi
    "$trial/venv/bin/python" "$@"
}
