#!/usr/bin/env bash
# Part of bench.sh: ZIPs to ship, runs of the program and of standard commands, and their durations.
# shellcheck disable=SC2034,SC2154 # variables that bench.sh and its other parts set or use
set -euo pipefail

# The folder of the ZIPs.
kept=$(target_folder)/bench
# source.max_age_days and sftp.connections of the configurations; empty if not set.
max_age_days=3650
connections=
# The recipient of archive.encrypt_to, if any.
encrypt_to=${encrypt_to:-}

# Starts an OpenSSH server on the port $ssh_port; the current user can log in with the key $user_key.
start_sshd() {
    local key
    for key in host user; do
        ssh-keygen -q -t ed25519 -N '' -f "$trial/$key"
    done
    user_key=$trial/user
    server_log=$trial/sshd.log
    start_on_free_port start_openssh "$trial/host" "$trial/user.pub"
    ssh_port=$port
}

# Recreates the folder of a run: the program's files, the work directory and the archive folder.
run_folder() {
    run=$trial/run
    work=$run/work
    archives=$run/archives
    rm -rf -- "$run"
    mkdir -- "$run" "$work" "$archives"
}

# Sets $published to the folder $1 with a ZIP; if it is missing, large_zip creates it with the options $2...
publish_zip() {
    local name=$1
    shift
    published=$kept/$name
    zip=$published/my_zip.zip
    [[ ! -e $zip ]] || return 0
    echo "Creating the ZIP $name" >&2
    mkdir -p -- "$published"
    start_process "$built/large_zip" "$@" "$trial/my_zip.zip"
    wait_for_process "$started"
    mv -- "$trial/my_zip.zip" "$zip"
}

# Configures the program to ship from port $1 to port $2.
configure() {
    local sftp_connections=
    local recipients=
    [[ -z $encrypt_to ]] || recipients="\"encrypt_to\": [\"$encrypt_to\"], "
    [[ -z $connections ]] || sftp_connections="\"connections\": $connections,"
    run_folder
    cp -- "$user_key" "$run/user"
    cat >"$run/config.json" <<END
{
  "source": {
    "url": "https://127.0.0.1:$1/my_zip.zip",
    "dump": "dumpfile.sql",
    "max_age_days": $max_age_days,
    "ca_file": "$ca_file"
  },
  "archive": {$recipients"work_directory": "work"},
  "sftp": {
    "host": "127.0.0.1",
    "port": $2,
    "username": "$(id -un)",
    "private_key": "user",
    "known_hosts": "known_hosts",
    $sftp_connections
    "directory": "$archives"
  },
  "log": {"format": "json"}
}
END
    chmod 600 "$run/config.json"
}

# Runs "$@" once the disk is idle, and sets $seconds. It must exit with ${expected_code:-0}.
measure() {
    local begun code=0
    sync
    begun=$EPOCHREALTIME
    start_process "$@" 2>"$run/errors"
    wait_for_process "$started" || code=$?
    seconds=$(calculate "$EPOCHREALTIME - $begun")
    ((code == ${expected_code:-0})) || fail "exit code $code of: $*
$(cat "$run/errors")"
}

# Runs the program as configured, and checks that an archive arrived.
measure_program() {
    measure "$built/scripting-system" run --config "$run/config.json"
    archive=$(find "$archives" -name '*.tgz' -o -name '*.tgz.age')
    [[ -n $archive ]] || fail "nothing was delivered: $(cat "$run/log.log")"
}

# Prints the duration in seconds of the task $1 of the last run, from the log.
task_seconds() {
    local duration
    duration=$(sed -n "s/.*\"task\":\"$1\".*\"seconds\":\([0-9.]*\).*/\1/p" "$run/log.log" | tail -n 1)
    [[ -n $duration ]] || fail "the log has no duration of the task $1
$(cat "$run/log.log")"
    printf '%s\n' "$duration"
}

# Prints the number of bytes of the process $1 in the work directory, in named files and in deleted files that are still
# open.
bytes_on_disk() {
    {
        find "$work" -type f -printf '%s\n'
        find "/proc/$1/fd" -lname "$work/*(deleted)" -exec stat -L -c '%i %s' {} + 2>/dev/null |
            sort -u | cut -d ' ' -f 2 || true # the process may have ended
    } | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

# Fetches the ZIP from port $1 to the file $2.
fetch() {
    curl -q --noproxy '*' --silent --show-error --fail --cacert "$ca_file" -o "$2" "https://127.0.0.1:$1/my_zip.zip"
}

# Runs the commands from standard input on the SFTP server on port $1.
sftp_batch() {
    sftp -q -b - -P "$1" -F none -i "$user_key" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o UserKnownHostsFile="$run/known_hosts" -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR \
        "$(id -un)@127.0.0.1" >"$run/sftp.out"
}

# Unpacks the dump of the ZIP $1 to the work directory, and packs it as archive.tgz there.
unzip_and_tar() {
    unzip -o -q "$1" dumpfile.sql -d "$work" && tar -czf "$work/archive.tgz" -C "$work" dumpfile.sql
}

# Does the job with standard commands, from port $1 to port $2. Checks only the name of the uploaded file.
shell_job() {
    fetch "$1" "$work/my_zip.zip" && unzip_and_tar "$work/my_zip.zip" &&
        printf '%s\n' "put $work/archive.tgz $archives/archive.tgz" "ls -l $archives/archive.tgz" | sftp_batch "$2"
}

# Verifies what shell_job has sent to port $1.
shell_verify() {
    mv -- "$work/archive.tgz" "$work/sent.tgz" && get "$1" && cmp -- "$work/archive.tgz" "$work/sent.tgz"
}

# Prints the value of the expression $1.
calculate() {
    awk "BEGIN { printf \"%.9g\", $1 }"
}

# Adds the value $2 to the series $1.
record() {
    printf '%s\n' "$2" >>"$trial/series.$1"
}

# Prints the median of the series $1.
median() {
    sort -g -- "$trial/series.$1" | awk '{ value[NR] = $1 }
        END { printf "%.12g", (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

# Prints the median of the series $1 with its minimum and maximum.
spread() {
    sort -g -- "$trial/series.$1" | awk -v median="$(median "$1")" '{ value[NR] = $1 }
        END { if (NR == 1) printf "%.2f", median; else printf "%.2f (%.2f to %.2f)", median, value[1], value[NR] }'
}

# Prints the ratio of the medians of the series $1 and $2.
ratio() {
    awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { printf "%.3f", a / b }'
}

# Prints $1 bytes as MiB or GiB.
as_size() {
    awk -v mib="$(calculate "$1 / 1048576")" \
        'BEGIN { if (mib < 1024) printf "%.1f MiB", mib; else printf "%.2f GiB", mib / 1024 }'
}
