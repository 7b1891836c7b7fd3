#!/usr/bin/env bash
# A fresh and a stale night from web servers of several makes. Scripts source this file; run by itself it does nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=interop_web_servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_web_servers.sh"
# shellcheck source-path=SCRIPTDIR source=interop_sftp_servers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_sftp_servers.sh"

section_web() {
    local make process
    heading "Web servers"
    start_usual_sftp_server
    make_dump web_fresh 4000000 0
    make_zip web_fresh
    make_dump web_stale 4000000 3
    make_zip web_stale
    ca_file=$authority
    row "server" "ZIP is" "fresh: dump delivered" "sent for it" "stale: seen" "sent for it"
    for make in nginx apache apache_without_etag caddy python; do
        server_log=$trial/$make.log
        access_log=$trial/$make.access
        start_on_free_port "${make}_server"
        process=$started
        try_web_server "$make"
        end_process "$process"
    done
    print_table
}

# Tries both nights with the server of the make $1, which listens on the port $port.
try_web_server() {
    local in_parts fresh fresh_bytes stale stale_bytes size has_parts=1 published_at='5 minutes ago'
    new_archives "$1"
    case $1 in
    python) has_parts=0 ;;
    apache_without_etag) has_parts=0 published_at=now ;;
    esac
    touch -d "$published_at" -- "$published"/web_*/my_zip.zip
    size=$(stat -c %s "$published/web_fresh/my_zip.zip")

    zip_url=https://127.0.0.1:$port/web_fresh/my_zip.zip
    run_program
    holds "$server: fresh" "yes" ended_with 0
    holds "$server: fresh" "$cell" delivered web_fresh
    fresh=$cell
    fresh_bytes=$(bytes_sent)
    if ((!has_parts)); then
        holds "$server: ranges" "downloaded whole" told "the web server sends no parts of the ZIP"
    else
        holds "$server: ranges" "read in parts" told "Request zip: .*, read in parts"
        holds "$server: ranges" "$cell" is_less "$fresh_bytes" "$((size + 100 * 1024))"
    fi
    in_parts=$cell

    zip_url=https://127.0.0.1:$port/web_stale/my_zip.zip
    run_program
    holds "$server: stale" "yes" ended_with 1
    holds "$server: stale" "$cell" told "Compare dates: the dump is stale"
    stale=$cell
    stale_bytes=$(($(bytes_sent) - fresh_bytes))
    # Without parts all of it has to come.
    ((!has_parts)) || size=0
    holds "$server: stale" "$(as_kib "$stale_bytes")" is_less "$stale_bytes" $((size + 100 * 1024))
    row "$server" "$in_parts" "$fresh" "$(as_kib "$fresh_bytes")" "$stale" "$cell"
}

is_less() {
    (($1 < $2))
}

# Prints $1 bytes as KiB.
as_kib() {
    printf '%d KiB\n' $((($1 + 1023) / 1024))
}
