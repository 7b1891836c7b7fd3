#!/usr/bin/env bash
# The measurements of bench.sh: each function section_NAME measures and prints one section.
#
# The two ways to compare take turns, so that other load on the machine affects both.
# shellcheck disable=SC2034,SC2154 # variables that bench.sh and its other parts set or use
set -euo pipefail

mib=$((1024 * 1024))
memory_limit_kib=$((64 * 1024))
# The number of measurements, and the divisor of every size.
rounds=5
scale=1

# Publishes a ZIP with an SQL dump of $1 MiB.
publish_sql() {
    publish_zip "sql-$1-MiB" --bytes $(($1 * mib))
}

# Publishes a ZIP with an incompressible dump of $1 bytes.
publish_noise() {
    publish_zip "noise-$1-bytes" --bytes "$1" --incompressible
}

section_stale() {
    local size round ours theirs sizes=($((60 / scale)) $((1024 / scale)))
    heading "stale: a stale dump in a small and in a large ZIP"
    row ZIP way "bytes received" seconds
    for size in "${sizes[@]}"; do
        ours=stale-ours-$size theirs=stale-theirs-$size
        publish_zip "stale-$size-MiB" --bytes $((4 * mib)) --other-bytes $(((size - 1) * mib)) --modified-days-ago 3
        for ((round = 0; round < rounds; round++)); do
            start_web_server "$published"
            max_age_days=0 configure "$web_port" "$ssh_port"
            expected_code=1 measure "$built/scripting-system" run --config "$run/config.json"
            end_web_server
            record "$ours" "$seconds"
            record "$ours-bytes" "$web_bytes"
            check_nothing_else_written

            start_web_server "$published"
            run_folder
            measure list_whole_zip "$web_port"
            end_web_server
            record "$theirs" "$seconds"
            record "$theirs-bytes" "$web_bytes"
        done
        row "$(as_size "$(stat -c %s "$zip")")" "this program" "$(median "$ours-bytes")" "$(spread "$ours")"
        row "" "curl, unzip -l" "$(median "$theirs-bytes")" "$(spread "$theirs")"
    done
    local small=${sizes[0]} large=${sizes[1]}
    row "large / small" "this program" "$(ratio "stale-ours-$large-bytes" "stale-ours-$small-bytes")" \
        "$(ratio "stale-ours-$large" "stale-ours-$small")"
    row "" "curl, unzip -l" "$(ratio "stale-theirs-$large-bytes" "stale-theirs-$small-bytes")" \
        "$(ratio "stale-theirs-$large" "stale-theirs-$small")"
    print_table
}

section_company() {
    local other=$((500 / scale)) dump_mib=$((64 / scale))
    heading "company: a fresh dump of $dump_mib MiB next to another entry of $other MiB"
    publish_sql "$dump_mib"
    local alone
    alone=$(stat -c %s "$zip")
    publish_zip "company-$other-MiB" --bytes $((dump_mib * mib)) --other-bytes $((other * mib))
    start_web_server "$published"
    configure "$web_port" "$ssh_port"
    measure_program
    end_web_server
    row ZIP "a ZIP with only the dump" "bytes received" seconds
    row "$(stat -c %s "$zip")" "$alone" "$web_bytes" "$(printf %.2f "$seconds")"
    print_table
    # Finding the directory and the entry takes about 70 KB.
    ((web_bytes <= alone + 100 * 1024)) || report_error "it fetched more than the dump and the directory"
}

# Determines the age of the dump like a script without range requests.
list_whole_zip() {
    fetch "$1" "$work/my_zip.zip" && unzip -l "$work/my_zip.zip" dumpfile.sql >"$run/listing"
}

# Checks that the program wrote only the log and the host key to its folder.
check_nothing_else_written() {
    local files
    files=$(find "$run" -type f ! -name config.json ! -name user ! -name errors ! -name log.log ! -name known_hosts)
    [[ -z $files ]] || report_error "these files remain after a stale dump: $files"
}

section_repack() {
    local round dump_mib=$((1024 / scale))
    publish_sql "$dump_mib"
    heading "repack: from the ZIP to the .tgz, dump of $(as_size $((dump_mib * mib)))"
    for ((round = 0; round < rounds; round++)); do
        run_folder
        measure "$built/repack" "$zip" dumpfile.sql "$work/archive.tgz" >/dev/null
        record repack-ours "$seconds"
        run_folder
        measure unzip_and_tar "$zip"
        record repack-theirs "$seconds"
    done
    compare repack "unzip, tar -czf"
}

# Prints the series $1-ours and $1-${3:-theirs}; $2 is the name of the latter.
compare() {
    local other=$1-${3:-theirs}
    row way seconds "ratio"
    row "this program" "$(spread "$1-ours")" "$(ratio "$1-ours" "$other")"
    row "$2" "$(spread "$other")" ""
    print_table
}

section_job() {
    local dump_mib=$((1024 / scale))
    publish_sql "$dump_mib"
    heading "job: the whole job, dump of $(as_size $((dump_mib * mib))), ZIP of $(as_size "$(stat -c %s "$zip")")"
    start_web_server "$published"
    compare_jobs job "$web_port" "$ssh_port"
    end_web_server
}

section_latency() {
    local web_proxy dump_mib=$((256 / scale))
    publish_sql "$dump_mib"
    heading "latency: the whole job at a round trip of 50 ms, dump of $(as_size $((dump_mib * mib)))"
    start_web_server "$published"
    start_proxy "$web_port" --round-trip-ms 50
    web_port=$proxy_port web_proxy=$proxy_process
    start_proxy "$ssh_port" --round-trip-ms 50
    compare_jobs latency "$web_port" "$proxy_port"
    end_process "$proxy_process"
    end_process "$web_proxy"
    end_web_server
}

# Compares both ways of the whole job, from port $2 to port $3, as the series $1.
compare_jobs() {
    local round unverified
    for ((round = 0; round < rounds; round++)); do
        configure "$2" "$3"
        measure_program
        record "$1-ours" "$seconds"
        run_folder
        measure shell_job "$2" "$3"
        record "$1-theirs" "$seconds"
        unverified=$seconds
        measure shell_verify "$3"
        record "$1-verified" "$(calculate "$unverified + $seconds")"
    done
    compare "$1" "curl, unzip, tar -czf, sftp put; not verified"
    echo
    compare "$1" "the same, with sftp get and cmp" verified
}

# Compares the whole job, verification included, with `sftp put` alone at a round trip of 50 ms.
section_put() {
    compare_with_put put $((60 / scale)) --round-trip-ms 50
}

# The same on a narrow line: 25 Mbit/s in each direction.
section_narrow() {
    compare_with_put narrow $((20 / scale)) --round-trip-ms 50 --bytes-per-second 3125000
}

# Compares the whole job for an incompressible dump of $2 MiB with `sftp put` alone, over a proxy with the options $3..., as
# the series $1.
compare_with_put() {
    local round series=$1 dump_mib=$2
    publish_noise $((dump_mib * mib))
    heading "$series: the whole job, incompressible dump of $dump_mib MiB, and sftp put alone, with ${*:3}"
    start_web_server "$published"
    start_proxy "$ssh_port" "${@:3}"
    for ((round = 0; round < rounds; round++)); do
        configure "$web_port" "$proxy_port"
        measure_program
        record "$series-ours" "$seconds"
        mv -- "$archive" "$trial/archive.tgz"
        run_folder
        measure put "$trial/archive.tgz" "$proxy_port"
        record "$series-theirs" "$seconds"
    done
    end_process "$proxy_process"
    end_web_server
    rm -- "$trial/archive.tgz"
    compare "$series" "sftp put; not verified"
}

section_upload() {
    local round connecting sending
    publish_noise $((100 * 1000 * 1000 / scale))
    heading "upload: the archive alone at a round trip of 50 ms"
    start_web_server "$published"
    start_proxy "$ssh_port" --round-trip-ms 50
    for ((round = 0; round < rounds; round++)); do
        configure "$web_port" "$proxy_port"
        measure_program
        connecting=$(task_seconds "Connect to SFTP")
        sending=$(task_seconds "Send archive")
        record upload-ours "$sending"
        record login-ours "$connecting"
        record login-upload-ours "$(calculate "$connecting + $sending")"
        mv -- "$archive" "$trial/archive.tgz"
        run_folder
        measure log_in "$proxy_port"
        record login-theirs "$seconds"
        measure put "$trial/archive.tgz" "$proxy_port"
        record login-upload-theirs "$seconds"
        record upload-theirs "$(calculate "$seconds - $(tail -n 1 "$trial/series.login-theirs")")"
    done
    end_process "$proxy_process"
    end_web_server
    echo "Archive of $(as_size "$(stat -c %s "$trial/archive.tgz")"); this program's tasks \"Connect to SFTP\" and \"Send archive\":"
    row way "log in" "upload" "both, seconds"
    row "this program" "$(spread login-ours)" "$(spread upload-ours)" "$(spread login-upload-ours)"
    row "sftp -b" "$(spread login-theirs)" "$(spread upload-theirs)" "$(spread login-upload-theirs)"
    row "sftp / this program" "$(ratio login-theirs login-ours)" "$(ratio upload-theirs upload-ours)" \
        "$(ratio login-upload-theirs login-upload-ours)"
    print_table
    rm -- "$trial/archive.tgz"
}

# Logs in on port $1 and logs out.
log_in() {
    echo pwd | sftp_batch "$1"
}

# Uploads the file $1 to the server on port $2.
put() {
    echo "put $1 $archives/archive.tgz" | sftp_batch "$2"
}

# Downloads that file from the server on port $1.
get() {
    echo "get $archives/archive.tgz $work/archive.tgz" | sftp_batch "$1"
}

section_restore() {
    local dump_mib=$((1024 / scale))
    publish_sql "$dump_mib"
    start_web_server "$published"
    configure "$web_port" "$ssh_port"
    measure_program
    end_web_server
    heading "restore: a dump of $(as_size $((dump_mib * mib))) from an archive of $(as_size "$(stat -c %s "$archive")")"
    compare_restores restore-loopback "$ssh_port"
    start_proxy "$ssh_port" --round-trip-ms 50
    echo "At a round trip of 50 ms:"
    compare_restores restore-latency "$proxy_port"
    end_process "$proxy_process"
}

# Compares both ways to restore the dump from the server on port $2, as the series $1.
compare_restores() {
    local round
    sed -i "s/\"port\": [0-9]*/\"port\": $2/" "$run/config.json"
    for ((round = 0; round < rounds; round++)); do
        rm -rf -- "$run/restored" "$work/dumpfile.sql" "$work/archive.tgz"
        measure restore
        record "$1-ours" "$seconds"
        measure get_and_unpack "$2"
        record "$1-theirs" "$seconds"
        cmp -- "$run/restored/dumpfile.sql" "$work/dumpfile.sql" || fail "the two dumps differ"
    done
    compare "$1" "sftp, tar -xzf; content not compared"
}

restore() {
    "$built/scripting-system" restore --config "$run/config.json" --output "$run/restored" >"$run/restored.out"
}

# Does the same with standard commands over port $1, including the sync to disk.
get_and_unpack() {
    echo "get $archive $work/archive.tgz" | sftp_batch "$1" && tar -xzf "$work/archive.tgz" -C "$work" && sync
}

section_overlap() {
    local round slow verifying rate archive_mib=$((60 / scale))
    rate=$((archive_mib * mib / 6))
    publish_noise $((archive_mib * mib))
    heading "overlap: archive of $archive_mib MiB, a source or a destination that takes 6 seconds for it"
    start_proxy "$ssh_port" --bytes-per-second "$rate"
    for ((round = 0; round < rounds; round++)); do
        for slow in source destination both; do
            if [[ $slow == destination ]]; then
                start_web_server "$published"
            else
                start_web_server "$published" --bytes-per-second "$rate"
            fi
            if [[ $slow == source ]]; then
                configure "$web_port" "$ssh_port"
            else
                configure "$web_port" "$proxy_port"
            fi
            measure_program
            verifying=$(task_seconds "Verify archive")
            record "overlap-$slow" "$(calculate "$seconds - $verifying")"
            end_web_server
        done
    done
    end_process "$proxy_process"
    row "slow" "seconds without \"Verify archive\""
    for slow in source destination both; do
        row "$slow" "$(spread "overlap-$slow")"
    done
    row "both / the slower" "$(awk -v a="$(median overlap-source)" -v b="$(median overlap-destination)" \
        -v c="$(median overlap-both)" 'BEGIN { printf "%.3f", c / (a > b ? a : b) }')"
    print_table
}

section_memory() {
    local dump_mib=$((1024 / scale))
    heading "memory: the peaks of a run"
    row dump ranges ZIP archive seconds memory "on disk"
    publish_sql "$dump_mib"
    start_web_server "$published"
    measure_peaks yes "$dump_mib"
    end_web_server
    start_web_server "$published" --without-ranges
    measure_peaks no "$dump_mib"
    end_web_server
    publish_sql $((dump_mib * 8))
    start_web_server "$published"
    measure_peaks yes $((dump_mib * 8))
    end_web_server
    print_table
}

# Adds a row for a run with a dump of $2 MiB from the web server on $web_port; $1 is `yes` if it supports ranges.
measure_peaks() {
    local program begun now disk_peak=0 disk_limit samples=0 memory_kib zip_bytes archive_bytes
    configure "$web_port" "$ssh_port"
    sync
    begun=$EPOCHREALTIME
    start_process /usr/bin/time -v -o "$run/time" "$built/scripting-system" run --config "$run/config.json"
    while kill -0 "$started" 2>/dev/null; do
        # The fourth field is the parent (proc(5)); a process may end during the loop.
        program=$(awk -v parent="$started" '$4 == parent { print $1; exit }' /proc/[0-9]*/stat 2>/dev/null || true)
        if [[ -n $program ]]; then
            now=$(bytes_on_disk "$program")
            samples=$((samples + 1))
            disk_peak=$((now > disk_peak ? now : disk_peak))
        fi
        sleep 0.05
    done
    wait_for_process "$started" || fail "the run failed: $(cat "$run/log.log")"
    seconds=$(calculate "$EPOCHREALTIME - $begun")
    memory_kib=$(sed -n 's/.*Maximum resident set size (kbytes): //p' "$run/time")
    zip_bytes=$(stat -c %s "$zip")
    archive_bytes=$(find "$archives" \( -name '*.tgz' -o -name '*.tgz.age' \) -printf '%s\n')
    row "$(as_size $(($2 * mib)))" "$1" "$(as_size "$zip_bytes")" "$(as_size "$archive_bytes")" \
        "$(printf %.1f "$seconds")" "$(as_size $((memory_kib * 1024)))" "$(as_size "$disk_peak")"

    if ((samples == 0 || disk_peak == 0)); then
        report_error "the run's files were not measured: the dump is too small"
    fi
    if ((memory_kib >= memory_limit_kib)); then
        report_error "$memory_kib KiB of memory; the limit is $memory_limit_kib"
    fi
    disk_limit=$((archive_bytes + mib))
    [[ $1 == yes ]] || disk_limit=$((disk_limit + zip_bytes))
    if ((disk_peak > disk_limit)); then
        report_error "$disk_peak bytes on disk; the limit is $disk_limit"
    fi
}

section_links() {
    local round_trip port round connections megabytes=$((200 / scale))
    publish_noise $((megabytes * 1000 * 1000))
    heading "links: MB/s of an archive of $megabytes MB"
    row "round trip" way send "read back"
    start_web_server "$published"
    for round_trip in 0 20 50 200; do
        port=$ssh_port
        if ((round_trip > 0)); then
            start_proxy "$ssh_port" --round-trip-ms "$round_trip"
            port=$proxy_port
        fi
        for ((round = 0; round < rounds; round++)); do
            measure_link "$round_trip" "$port"
        done
        for connections in 1 2 4 8; do
            row "$round_trip ms" "sftp.connections $connections" \
                "$(speed "send-$round_trip-$connections")" "$(speed "verify-$round_trip-$connections")"
        done
        row "$round_trip ms" "sftp put, sftp get" "$(speed "put-$round_trip")" "$(speed "get-$round_trip")"
        ((round_trip == 0)) || end_process "$proxy_process"
    done
    end_web_server
    print_table
}

# Uploads and reads back once in each way over port $2, with the round trip $1 in ms.
measure_link() {
    local connections sending verifying
    for connections in 1 2 4 8; do
        configure "$web_port" "$2"
        measure_program
        sending=$(task_seconds "Send archive")
        verifying=$(task_seconds "Verify archive")
        record "send-$1-$connections" "$sending"
        record "verify-$1-$connections" "$verifying"
    done
    mv -- "$archive" "$trial/archive.tgz"
    run_folder
    measure put "$trial/archive.tgz" "$2"
    record "put-$1" "$seconds"
    measure get "$2"
    record "get-$1" "$seconds"
    rm -- "$trial/archive.tgz"
}

# Prints the speed of the series $1 in MB/s for $megabytes.
speed() {
    awk -v seconds="$(median "$1")" -v megabytes="$megabytes" 'BEGIN { printf "%.1f", megabytes / seconds }'
}
