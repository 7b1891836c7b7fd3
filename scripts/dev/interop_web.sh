#!/usr/bin/env bash
# Part of interop.sh: a fresh and a stale dump from several web servers, which publish the folder $published over TLS.
#
# The servers declare the ZIP as text, compress it if they can, and log the content size of each response to $access_log.
# shellcheck disable=SC2034,SC2154 # variables that interop.sh and its other parts set or use
set -euo pipefail

section_web() {
    local make process
    heading "Web servers"
    start_default_sftp_server
    make_dump web_fresh 4000000 0
    make_zip web_fresh
    make_dump web_stale 4000000 3
    make_zip web_stale
    ca_file=$authority
    row "server" "ZIP is" "fresh: dump delivered" "bytes sent" "stale: recognized" "bytes sent"
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

# Tests both dumps with the server $1 on port $port.
try_web_server() {
    local in_parts fresh fresh_bytes stale stale_bytes size has_parts=1 published_at='5 minutes ago'
    new_archives "$1"
    case $1 in
    python) has_parts=0 ;;
    apache_without_etag) published_at=now ;;
    esac
    touch -d "$published_at" -- "$published"/web_*/my_zip.zip
    size=$(stat -c %s "$published/web_fresh/my_zip.zip")

    zip_url=https://127.0.0.1:$port/web_fresh/my_zip.zip
    run_program
    expect "$server: fresh" "yes" exited_with 0
    expect "$server: fresh" "$cell" delivered web_fresh
    fresh=$cell
    fresh_bytes=$(bytes_sent)
    if ((!has_parts)); then
        expect "$server: ranges" "downloaded whole" logged "the web server does not reliably support ranges"
    else
        expect "$server: ranges" "read in parts" logged "Request zip: .*, read in parts"
        expect "$server: ranges" "$cell" is_less "$fresh_bytes" "$((size + 100 * 1024))"
    fi
    in_parts=$cell

    zip_url=https://127.0.0.1:$port/web_stale/my_zip.zip
    run_program
    expect "$server: stale" "yes" exited_with 1
    expect "$server: stale" "$cell" logged "Compare dates: the dump is stale"
    stale=$cell
    stale_bytes=$(($(bytes_sent) - fresh_bytes))
    # Without ranges, the whole ZIP is sent.
    ((!has_parts)) || size=0
    expect "$server: stale" "$(as_kib "$stale_bytes")" is_less "$stale_bytes" $((size + 100 * 1024))
    row "$server" "$in_parts" "$fresh" "$(as_kib "$fresh_bytes")" "$stale" "$cell"
}

is_less() {
    (($1 < $2))
}

# Prints $1 bytes as KiB.
as_kib() {
    printf '%d KiB\n' $((($1 + 1023) / 1024))
}

web_packages=(nginx-light apache2-bin caddy python3)

# The log of the current server.
access_log=

# Each function starts a server on port $port as the process $started, and sets $server to its name and version.

nginx_server() {
    server="nginx $(nginx -v 2>&1 | sed 's|.*/||')"
    mkdir -p -- "$trial/nginx"
    cat >"$trial/nginx.conf" <<END
daemon off;
master_process off;
pid $trial/nginx/pid;
events {}
http {
    log_format content '\$body_bytes_sent';
    access_log $access_log content;
    client_body_temp_path $trial/nginx;
    proxy_temp_path $trial/nginx;
    fastcgi_temp_path $trial/nginx;
    uwsgi_temp_path $trial/nginx;
    scgi_temp_path $trial/nginx;
    default_type text/plain;
    gzip on;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $certificate;
        ssl_certificate_key $certificate_key;
        root $published;
    }
}
END
    start_process nginx -e "$server_log" -c "$trial/nginx.conf"
}

# Without an ETag, Apache answers If-Range with the whole file if it was modified within the last minute, because the time does
# not identify its contents.
apache_without_etag_server() {
    apache_etag='FileETag None'
    apache_server
    apache_etag=
    server+=" without ETag"
}

apache_etag=

apache_server() {
    local module modules=/usr/lib/apache2/modules
    server="Apache httpd $(apache2 -v | sed -n 's|.*Apache/\([0-9.]*\).*|\1|p')"
    {
        for module in mpm_event authz_core mime deflate filter ssl; do
            echo "LoadModule ${module}_module $modules/mod_$module.so"
        done
        cat <<END
ServerName localhost
DefaultRuntimeDir $trial
PidFile $trial/apache.pid
Listen 127.0.0.1:$port
ErrorLog $server_log
LogFormat "%B" content
CustomLog $access_log content
TypesConfig /dev/null
DocumentRoot $published
<Directory $published>
    Require all granted
    ForceType text/plain
    SetOutputFilter DEFLATE
</Directory>
$apache_etag
SSLEngine on
SSLCertificateFile $certificate
SSLCertificateKeyFile $certificate_key
END
        # Apache refuses to serve as root.
        ((EUID != 0)) || printf '%s\n' 'User nobody' 'Group nogroup'
    } >"$trial/apache.conf"
    start_process apache2 -d "$trial" -f "$trial/apache.conf" -D FOREGROUND
}

caddy_server() {
    server="Caddy $(caddy version | sed 's/^v//; s/ .*//')"
    cat >"$trial/Caddyfile" <<END
{
    admin off
    auto_https off
    storage file_system $trial/caddy
}
https://127.0.0.1:$port {
    tls $certificate $certificate_key
    root * $published
    header Content-Type text/plain
    encode gzip
    file_server
    log {
        output file $access_log.json
    }
}
END
    start_process env HOME="$trial/caddy" caddy run --adapter caddyfile --config "$trial/Caddyfile" 2>"$server_log"
}

# Without ranges.
python_server() {
    server="Python $(python3 -c 'import platform; print(platform.python_version())')"
    cat >"$trial/web_server.py" <<'END'
import functools, http.server, os, ssl, sys

port, folder, certificate, key, log = sys.argv[1:]


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {"": "text/plain"}

    def log_message(self, *_):
        pass

    def copyfile(self, source, target):
        super().copyfile(source, target)
        with open(log, "a") as file:
            print(os.fstat(source.fileno()).st_size, file=file)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), functools.partial(Handler, directory=folder))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
END
    start_process python3 "$trial/web_server.py" "$port" "$published" "$certificate" "$certificate_key" \
        "$access_log" 2>"$server_log"
}

# Prints the number of content bytes that the current server has sent, from its log.
bytes_sent() {
    if [[ -e $access_log.json ]]; then
        sed -n 's/.*"size":\([0-9]*\).*/\1/p' "$access_log.json"
    else
        cat -- "$access_log" 2>/dev/null || true # missing before the first request
    fi | awk '{ sum += $1 } END { printf "%d\n", sum }'
}
