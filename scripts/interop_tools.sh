#!/usr/bin/env bash
# What the trials of interop.sh are made of: a user, certificates, dumps, one run of the program, and what is looked at
# afterwards. Scripts source this file; run by itself it does nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tables.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/tables.sh"

# The user whom every server knows. It exists in their own files alone, with the numbers of whoever runs the trial.
user=trial
password='Correct-Horse-7'

# What the next run is configured with; `configure` tells of each.
zip_url='' ca_file='' sftp_port='' archives='' known_hosts=''
login=key host_key=accept-new email=''
# Where the server that is started tells its troubles.
server_log=

# Makes what all servers share: keys and certificates, and the program's own folder.
prepare_trial() {
    local kind
    # Servers that give up root's rights pass through; what they are not to read has modes of its own.
    chmod 711 "$trial"
    secrets=$trial/secrets
    run=$trial/run
    mkdir -- "$secrets" "$run" "$run/work"
    chmod 700 "$secrets"
    for kind in host user; do
        ssh-keygen -q -t ed25519 -N '' -C "$kind of the trial" -f "$secrets/$kind"
    done
    authority=$trial/authority.pem
    certificate=$trial/certificate.pem
    certificate_key=$secrets/certificate.key
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Authority of the trial' \
        -keyout "$secrets/authority.key" -out "$authority" 2>/dev/null
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -addext 'basicConstraints=critical,CA:FALSE' \
        -CA "$authority" -CAkey "$secrets/authority.key" -keyout "$certificate_key" -out "$certificate" 2>/dev/null
    printf '%s' "$password" >"$secrets/password"
    chmod 600 "$secrets"/*
    published=$trial/web
    mkdir -- "$published"
}

# Starts the web server of examples/, for those trials that are about something else.
start_usual_web_server() {
    [[ -z ${usual_web_server:-} ]] || return 0
    start_web_server "$published"
    usual_web_server=$web_port
    usual_ca_file=$ca_file
}

# Has the next run fetch the ZIP in the folder $1 of $published from that server.
fetch_from_usual_server() {
    start_usual_web_server
    ca_file=$usual_ca_file
    zip_url=https://127.0.0.1:$usual_web_server/$1/my_zip.zip
}

# Calls "$@", which starts a server on the port $port with start_process, until one of several ports was free.
# The server's own messages are in the file $server_log.
start_on_free_port() {
    local tries
    for ((tries = 0; tries < 5; tries++)); do
        port=$((20000 + RANDOM % 10000))
        ! listens "$port" || continue
        "$@"
        wait_until has_ended_or_listens "$started" "$port"
        if kill -0 "$started" 2>/dev/null; then
            return
        fi
        end_process "$started"
    done
    fail "this server does not start: $*
$(tail -n 20 -- "$server_log")"
}

# Publishes a dump of $2 bytes of noise in the folder $1 of $published, modified $3 days ago. Its time is even: those ZIPs
# that know no better tell times in steps of two seconds.
make_dump() {
    mkdir -p -- "$published/$1"
    head -c "$2" /dev/urandom >"$published/$1/dumpfile.sql"
    touch -d "@$((EPOCHSECONDS / 2 * 2 - 86400 * $3))" -- "$published/$1/dumpfile.sql"
}

# Makes the ZIP that belongs to it, with the options $2... of Info-ZIP.
make_zip() {
    (cd -- "$published/$1" && zip -q "${@:2}" my_zip.zip dumpfile.sql)
}

# Writes the configuration for a run: the ZIP is fetched from the URL $zip_url and the archive sent to the port
# $sftp_port, folder $archives. $login is `key` or `password`, $host_key as the configuration has it, $email the
# section's text or empty.
configure() {
    local credential='"private_key": "../secrets/user"'
    [[ $login == key ]] || credential='"password": {"file": "../secrets/password"}'
    # A day's tolerance is for a trial at midnight.
    cat >"$run/config.json" <<END
{
  "source": {"url": "$zip_url", "dump": "dumpfile.sql", "max_age_days": 1, "ca_file": "$ca_file"},
  "archive": {"work_directory": "work"},
  "sftp": {
    "host": "127.0.0.1", "port": $sftp_port, "username": "$user", $credential,
    "known_hosts": "$known_hosts", "host_key": "$host_key", "directory": "$archives"
  },
  "retry": {"attempts": 1},
  ${email:+"\"email\": $email,"}
  "log": {"level": "debug"}
}
END
    chmod 600 "$run/config.json"
}

# Runs the program as configured. How it ended is $code, what it told is in the file $log.
run_program() {
    configure
    log=$run/log.log
    rm -f -- "$log"
    code=0
    start_process "$built/scripting-system" run --config "$run/config.json" 2>"$run/errors"
    wait_for_process "$started" || code=$?
}

# Whether the last run ended with the code $1. If it did not, what it told goes to standard error.
ended_with() {
    ((code == $1)) || {
        printf 'The run ended with %s and not with %s:\n%s\n' "$code" "$1" "$(cat -- "$log")" >&2
        return 1
    }
}

# Whether the last run told what the pattern $1 fits. If it did not, what it told goes to standard error.
told() {
    grep -Eq -- "$1" "$log" || {
        printf 'Nothing in the log fits "%s":\n%s\n' "$1" "$(cat -- "$log")" >&2
        return 1
    }
}

# Whether the last run told nothing that the pattern $1 fits.
never_told() {
    ! grep -E -- "$1" "$log" >&2
}

# Leaves the archive of the last run in $archive.
find_archive() {
    archive=$archives/$(sed -n 's/.* Pack archive: \([0-9]*\.tgz\).*/\1/p' "$log")
    [[ -f $archive ]]
}

# Whether the archive of the last run holds the dump in the folder $1 of $published byte for byte, with its time of
# modification.
delivered() {
    local dump=$published/$1/dumpfile.sql
    find_archive || return 1
    rm -rf -- "$trial/extracted"
    mkdir -- "$trial/extracted"
    tar -xzf "$archive" -C "$trial/extracted" &&
        cmp -- "$trial/extracted/dumpfile.sql" "$dump" &&
        [[ $(stat -c %Y "$trial/extracted/dumpfile.sql") == $(stat -c %Y "$dump") ]]
}

# Sets $cell to $2 if the command "${@:3}" succeeds. If it does not, that is a fault of the case $1.
holds() {
    local case=$1
    # shellcheck disable=SC2034 # used by the scripts that source this file
    cell=$2
    shift 2
    if ! "$@"; then
        # shellcheck disable=SC2034 # as above
        cell='**no**'
        found_fault "$case: $*" >&2
    fi
}
