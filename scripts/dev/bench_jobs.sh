#!/usr/bin/env bash
# A measurement of bench.sh: the jobs of a folder.
# shellcheck disable=SC2154 # variables that bench.sh and its other parts set or use
set -euo pipefail

max_jobs_memory_mib=96
# A job of 1 MiB opens one connection, and at most one more to read its archive back.
max_connections_per_job=3

# Runs 300 jobs of 1 MiB: 8 at the same time, and then in four shards at the same time. Exits with 1 if they take too much
# memory or too many connections, or if a job is not delivered and reported exactly once.
section_jobs() {
    local jobs=$((300 / scale)) shard shards=() name
    publish_noise "$mib"
    heading "jobs: $jobs jobs of 1 MiB in one folder, and in four shards at the same time"
    start_web_server "$published"
    row way seconds "memory of a process" connections "most at once"
    configure_jobs "$jobs"
    begin_counting
    measure_jobs --parallel 8
    end_counting
    check_jobs "$jobs"
    row "--parallel 8" "$(printf %.1f "$seconds")" "$(as_size $((memory_kib * 1024)))" "$logins" "$most"
    configure_jobs "$jobs"
    begin_counting
    local begun=$EPOCHREALTIME highest=0
    for shard in 0 1 2 3; do
        start_process /usr/bin/time -f %M -o "$run/memory.$shard" \
            "$built/scripting-system" run --config "$run/jobs" --parallel 2 --shard "$shard/4"
        shards+=("$started")
    done
    for shard in "${shards[@]}"; do
        wait_for_process "$shard" || report_error "a shard failed: $(tail -n 5 "$run/log.log")"
    done
    seconds=$(calculate "$EPOCHREALTIME - $begun")
    end_counting
    check_jobs "$jobs"
    for name in "$run"/memory.?; do
        memory_kib=$(<"$name")
        highest=$((memory_kib > highest ? memory_kib : highest))
    done
    row "4 shards, --parallel 2" "$(printf %.1f "$seconds")" "$(as_size $((highest * 1024)))" "$logins" "$most"
    print_table
    end_web_server
}

# Creates the configurations of $1 jobs, which share everything but their folder on the server.
configure_jobs() {
    local job name
    configure "$web_port" "$ssh_port"
    mkdir -m 700 -- "$run/jobs"
    sed "s#\"work_directory\": \"work\"#\"work_directory\": \"$work\"#; s#\"user\"#\"$run/user\"#
        s#\"known_hosts\": \"known_hosts\"#\"known_hosts\": \"$run/known_hosts\"#
        s#\"log\": {#\"log\": {\"file\": \"$run/log.log\", #" "$run/config.json" >"$run/jobs/_common.json"
    for ((job = 1; job <= $1; job++)); do
        name=$(printf 'site%03d' "$job")
        mkdir -- "$archives/$name"
        printf '{"extends": "_common.json", "sftp": {"directory": "%s"}}\n' "$archives/$name" >"$run/jobs/$name.json"
    done
    chmod 600 "$run"/jobs/*
}

# Runs all jobs with the options $@; sets $seconds and $memory_kib.
measure_jobs() {
    measure /usr/bin/time -f %M -o "$run/memory" "$built/scripting-system" run --config "$run/jobs" "$@"
    memory_kib=$(<"$run/memory")
    ((memory_kib <= max_jobs_memory_mib * 1024)) || report_error "memory: $((memory_kib / 1024)) MiB, above $max_jobs_memory_mib MiB"
}

# Counts the connections to the SFTP server until end_counting.
begin_counting() {
    logged=$(wc -l <"$server_log")
    start_process count_connections "$trial/most"
    counter=$started
}

# Sets $logins to the number of logins since begin_counting, and $most to the most connections at the same time.
end_counting() {
    end_process "$counter"
    most=$(<"$trial/most")
    logins=$(tail -n +$((logged + 1)) "$server_log" | grep -c 'Accepted publickey')
}

# Writes the highest number of established connections to $ssh_port to the file $1, again and again. One end of each is in
# the table (proc(5)) with that local port.
count_connections() {
    local highest=0 now port
    port=$(printf ':%04X' "$ssh_port")
    printf '0\n' >"$1"
    while sleep 0.02; do
        now=$(awk -v port="$port" '$2 ~ port "$" && $4 == "01"' /proc/net/tcp | wc -l)
        ((now <= highest)) || { highest=$now && printf '%s\n' "$now" >"$1"; }
    done
}

# Checks that each of $1 jobs has delivered and logged exactly once, and how many connections that took.
check_jobs() {
    local delivered reported
    delivered=$(find "$archives" -name '*.tgz' | wc -l)
    reported=$(grep -c 'the run has ended' "$run/log.log")
    ((delivered == $1)) || report_error "$delivered of $1 jobs delivered"
    ((reported == $1)) || report_error "$reported of $1 jobs were reported"
    ((logins <= $1 * max_connections_per_job)) || report_error "$logins connections for $1 jobs"
}
