#!/usr/bin/env bash
# Measurements of bench.sh: encryption and drills.
# shellcheck disable=SC2034,SC2154 # variables that bench.sh and its other parts set or use
set -euo pipefail

# Compares the whole job on loopback with and without encryption.
section_encrypt() {
    local round key=$trial/age-key dump_mib=$((1024 / scale))
    [[ -e $key ]] || age-keygen -o "$key" 2>"$trial/age-recipient"
    publish_sql "$dump_mib"
    heading "encrypt: the whole job with and without encryption, dump of $(as_size $((dump_mib * mib)))"
    start_web_server "$published"
    for ((round = 0; round < rounds; round++)); do
        encrypt_to=$(sed -n 's/.*\(age1[a-z0-9]*\).*/\1/p' "$trial/age-recipient")
        configure "$web_port" "$ssh_port"
        measure_program
        record encrypt-ours "$seconds"
        age -d -i "$key" "$archive" | tar -tz >/dev/null || fail "age and tar cannot read the archive"
        encrypt_to=
        configure "$web_port" "$ssh_port"
        measure_program
        record encrypt-theirs "$seconds"
    done
    end_web_server
    compare encrypt "without encryption"
}

# Compares a drill of a PostgreSQL dump, from the archive on the server, with initdb and psql.
section_drill() {
    local round rows=$((1000000 / scale)) bin dump=$trial/dumpfile.sql
    bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | sort -V | tail -n 1)
    heading "drill: a PostgreSQL dump of $rows rows, and initdb and psql -f of the unpacked dump into a running server"
    # PostgreSQL runs as another user.
    chmod o+x -- "$trial"
    start_postgresql "$bin"
    as_nobody "$bin/psql" -q -h "$cluster" -U postgres -c "CREATE TABLE orders AS
        SELECT id, md5(id::text) AS name, now() - id * interval '1 second' AS created FROM generate_series(1, $rows) AS id;
        ALTER TABLE orders ADD PRIMARY KEY (id); CREATE INDEX ON orders (created);" postgres
    as_nobody "$bin/pg_dump" -h "$cluster" -U postgres postgres >"$dump"
    end_postgresql "$bin"
    published=$trial/published
    zip=$published/my_zip.zip
    mkdir -p -- "$published"
    (cd -- "$trial" && zip -q "$zip" dumpfile.sql)
    start_web_server "$published"
    configure "$web_port" "$ssh_port"
    measure_program
    end_web_server
    for ((round = 0; round < rounds; round++)); do
        measure "$built/scripting-system" drill --config "$run/config.json"
        record drill-ours "$seconds"
        measure init_postgresql "$bin"
        record drill-initdb "$seconds"
        start_postgresql "$bin"
        measure as_nobody "$bin/psql" -X -q -h "$cluster" -U postgres -f "$dump" -o /dev/null postgres
        record drill-theirs "$(calculate "$seconds + $(tail -n 1 "$trial/series.drill-initdb")")"
        end_postgresql "$bin"
    done
    compare drill "initdb, psql -f; nothing counted"
}

# Runs "$@" as nobody, because PostgreSQL refuses root; other users run it themselves.
as_nobody() {
    if ((EUID == 0)); then
        setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"
    else
        "$@"
    fi
}

# Recreates the folder $cluster of a PostgreSQL server with the programs in $1.
init_postgresql() {
    cluster=$trial/cluster
    rm -rf -- "$cluster"
    mkdir -- "$cluster"
    ((EUID != 0)) || chown nobody:nogroup "$cluster"
    as_nobody "$1/initdb" -A trust -U postgres --no-sync -D "$cluster/data" >/dev/null
}

# Starts that server, with a socket in $cluster.
start_postgresql() {
    cluster=$trial/cluster
    [[ -e $cluster/data ]] || init_postgresql "$1"
    as_nobody "$1/pg_ctl" -s -w -D "$cluster/data" -l "$cluster/log" -o "-c listen_addresses='' -k $cluster" start
}

end_postgresql() {
    as_nobody "$1/pg_ctl" -s -w -D "$cluster/data" stop
}
