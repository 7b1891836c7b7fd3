#!/usr/bin/env bash
# What the measurements of bench.sh are made of: ZIPs to ship, one run of the program or of the shell's own commands,
# and its time. Scripts source this file; run by itself it does nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tables.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/tables.sh"

# Where the ZIPs are kept.
kept=$(target_folder)/bench
# What the configurations say of a dump's age and of connections; where the latter is empty they say nothing.
max_age_days=3650
connections=

# The folder for one run, of either way: the program's files, the work directory, and where archives arrive.
run_folder() {
    run=$trial/run
    work=$run/work
    archives=$run/archives
    rm -rf -- "$run"
    mkdir -- "$run" "$work" "$archives"
}

# Has a ZIP in the folder $published, made by the tool large_zip with the options $@ unless an earlier trial has
# made it. $1 is its name here.
publish_zip() {
    local name=$1
    shift
    published=$kept/$name
    zip=$published/my_zip.zip
    [[ ! -e $zip ]] || return 0
    echo "Making the ZIP $name" >&2
    mkdir -p -- "$published"
    start_process "$built/large_zip" "$@" "$trial/my_zip.zip"
    wait_for_process "$started"
    mv -- "$trial/my_zip.zip" "$zip"
}

# Prepares a run of the program that fetches from the port $1 and sends to the port $2.
configure() {
    local sftp_connections=
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
  "archive": {"work_directory": "work"},
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

# Runs "$@" once the disk is at rest. How long it took is $seconds; it must end with the code ${expected_code:-0}.
measure() {
    local begun code=0
    sync
    begun=$EPOCHREALTIME
    start_process "$@" 2>"$run/errors"
    wait_for_process "$started" || code=$?
    # shellcheck disable=SC2034 # used by the scripts that source this file
    seconds=$(calculate "$EPOCHREALTIME - $begun")
    ((code == ${expected_code:-0})) || fail "this ended with $code: $*
$(cat "$run/errors")"
}

# Runs the program as configured, and sees that an archive arrived.
measure_program() {
    measure "$built/scripting-system" run --config "$run/config.json"
    archive=$(find "$archives" -name '*.tgz')
    [[ -n $archive ]] || fail "nothing was delivered: $(cat "$run/log.log")"
}

# Prints how many seconds the task $1 of the last run took, as the run's log says.
task_seconds() {
    local found
    found=$(sed -n "s/.*\"task\":\"$1\".*\"seconds\":\([0-9.]*\).*/\1/p" "$run/log.log" | tail -n 1)
    [[ -n $found ]] || fail "the log does not say how long this took: $1
$(cat "$run/log.log")"
    printf '%s\n' "$found"
}

# Prints how many bytes the process $1 keeps in the work directory: in files with a name, and in those that have none
# and show only as open file descriptors.
bytes_on_disk() {
    {
        find "$work" -type f -printf '%s\n'
        find "/proc/$1/fd" -lname "$work/*(deleted)" -exec stat -L -c '%i %s' {} + 2>/dev/null |
            sort -u | cut -d ' ' -f 2 || true # it may have ended meanwhile
    } | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

# Fetches the ZIP from the port $1 as the file $2.
fetch() {
    curl -q --noproxy '*' --silent --show-error --fail --cacert "$ca_file" -o "$2" "https://127.0.0.1:$1/my_zip.zip"
}

# Does the commands that come in, one a line, on the SFTP server on the port $1.
sftp_batch() {
    sftp -q -b - -P "$1" -F none -i "$user_key" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o UserKnownHostsFile="$run/known_hosts" -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR \
        "$(id -un)@127.0.0.1" >"$run/sftp.out"
}

# Unpacks the dump of the ZIP $1 into the work directory and packs it as archive.tgz there.
unzip_and_tar() {
    unzip -o -q "$1" dumpfile.sql -d "$work" && tar -czf "$work/archive.tgz" -C "$work" dumpfile.sql
}

# The job by the shell's own commands, from the port $1 to the port $2. What arrived is looked at by its name alone.
shell_job() {
    fetch "$1" "$work/my_zip.zip" && unzip_and_tar "$work/my_zip.zip" &&
        printf '%s\n' "put $work/archive.tgz $archives/archive.tgz" "ls -l $archives/archive.tgz" | sftp_batch "$2"
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

# Prints the median of the series $1 with its least and its greatest value.
spread() {
    sort -g -- "$trial/series.$1" | awk -v median="$(median "$1")" '{ value[NR] = $1 }
        END { if (NR == 1) printf "%.2f", median; else printf "%.2f (%.2f to %.2f)", median, value[1], value[NR] }'
}

# Prints the median of the series $1 divided by that of the series $2.
ratio() {
    awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { printf "%.3f", a / b }'
}

# Prints $1 bytes as MiB or GiB.
as_size() {
    awk -v mib="$(calculate "$1 / 1048576")" \
        'BEGIN { if (mib < 1024) printf "%.1f MiB", mib; else printf "%.2f GiB", mib / 1024 }'
}
