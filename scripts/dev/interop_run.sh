#!/usr/bin/env bash
# Part of interop.sh: keys, certificates and dumps; runs of the program, and checks of the results.
# shellcheck disable=SC2034,SC2154 # variables that interop.sh and its other parts set or use
set -euo pipefail

# The user on every server. It exists only in the servers' files, with the ids of the user who runs the trial.
user=trial
password='Correct-Horse-7'

# The configuration of the next run; see `configure`.
zip_url='' ca_file='' sftp_port='' archives='' known_hosts=''
login=key host_key=accept-new email=''
run_through=()

# Creates keys and certificates for all servers, and the program's folder.
prepare_trial() {
    local kind
    # Servers that drop root privileges must be able to enter it; the secrets have their own modes.
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

# Starts the testkit's web server, for sections that test another server.
start_default_web_server() {
    [[ -z ${default_web_server:-} ]] || return 0
    start_web_server "$published"
    default_web_server=$web_port
    default_ca_file=$ca_file
}

# Makes the next run fetch the ZIP in the folder $1 of $published from that server.
fetch_from_default_server() {
    start_default_web_server
    ca_file=$default_ca_file
    zip_url=https://127.0.0.1:$default_web_server/$1/my_zip.zip
}

# Creates a dump of $2 random bytes in the folder $1 of $published, modified $3 days ago, at an even second: DOS times have
# a resolution of two seconds.
make_dump() {
    mkdir -p -- "$published/$1"
    head -c "$2" /dev/urandom >"$published/$1/dumpfile.sql"
    touch -d "@$((EPOCHSECONDS / 2 * 2 - 86400 * $3))" -- "$published/$1/dumpfile.sql"
}

# Creates a ZIP of it with Info-ZIP's options $2...
make_zip() {
    (cd -- "$published/$1" && zip -q "${@:2}" my_zip.zip dumpfile.sql)
}

# Writes the configuration of a run from $zip_url to the folder $archives on port $sftp_port. $login is `key` or
# `password`, $host_key the value of sftp.host_key, $email the text of that section or empty.
configure() {
    local credential='"private_key": "../secrets/user"'
    [[ $login == key ]] || credential='"password": {"file": "../secrets/password"}'
    # A tolerance of one day, for trials at midnight.
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

# Runs the program as configured, through the command $run_through if set. $code is its exit code, the file $log its log.
run_program() {
    configure
    log=$run/log.log
    rm -f -- "$log"
    code=0
    start_process "${run_through[@]}" "$built/scripting-system" run --config "$run/config.json" 2>"$run/errors"
    wait_for_process "$started" || code=$?
}

# Whether the last run exited with $1. Otherwise prints its log to standard error.
exited_with() {
    ((code == $1)) || {
        printf 'The run exited with %s instead of %s:\n%s\n' "$code" "$1" "$(cat -- "$log")" >&2
        return 1
    }
}

# Whether the log of the last run matches the pattern $1. Otherwise prints it to standard error.
logged() {
    grep -Eq -- "$1" "$log" || {
        printf 'The log does not match "%s":\n%s\n' "$1" "$(cat -- "$log")" >&2
        return 1
    }
}

did_not_log() {
    ! grep -E -- "$1" "$log" >&2
}

# Sets $archive to the archive of the last run.
find_archive() {
    archive=$archives/$(sed -n 's/.* Pack archive: \([0-9]*\.tgz\).*/\1/p' "$log")
    [[ -f $archive ]]
}

# Whether the archive of the last run contains the dump in the folder $1 of $published, with the same bytes and
# modification time.
delivered() {
    local dump=$published/$1/dumpfile.sql
    find_archive || return 1
    rm -rf -- "$trial/extracted"
    mkdir -- "$trial/extracted"
    tar -xzf "$archive" -C "$trial/extracted" &&
        cmp -- "$trial/extracted/dumpfile.sql" "$dump" &&
        [[ $(stat -c %Y "$trial/extracted/dumpfile.sql") == $(stat -c %Y "$dump") ]]
}

# Sets $cell to $2 if the command "${@:3}" succeeds. Otherwise reports an error in the case $1.
expect() {
    local case=$1
    cell=$2
    shift 2
    if ! "$@"; then
        cell='**no**'
        report_error "$case: $*" >&2
    fi
}
