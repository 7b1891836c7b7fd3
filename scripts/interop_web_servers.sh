#!/usr/bin/env bash
# Web servers of several makes, each with its own configuration, which publish the folder $published over TLS. Scripts
# source this file; run by itself it does nothing.
#
# They call the ZIP text, compress what they may, and write into $access_log how many bytes of content each answer had.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=interop_tools.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_tools.sh"

# The packages that they need.
# shellcheck disable=SC2034 # used by the scripts that source this file
web_packages=(nginx-light apache2-bin caddy python3)

# Where the server that is started notes its answers.
access_log=

# Each of these starts a server on the port $port as $started, and sets $server to its name and version.

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

# Without an ETag a file that was modified within the last minute is not to be had in parts: its time does not identify it.
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
        # It does not serve as root.
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

# It knows no ranges.
python_server() {
    # shellcheck disable=SC2034 # used by the scripts that source this file
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

# Prints how many bytes of content the server at hand has sent, as its own log says.
bytes_sent() {
    if [[ -e $access_log.json ]]; then
        sed -n 's/.*"size":\([0-9]*\).*/\1/p' "$access_log.json"
    else
        cat -- "$access_log" 2>/dev/null || true # a server that was never asked has none
    fi | awk '{ sum += $1 } END { printf "%d\n", sum }'
}
