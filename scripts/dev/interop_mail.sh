#!/usr/bin/env bash
# Part of interop.sh: the report by mail through a private Postfix, over SMTP and through the local sendmail.
# shellcheck disable=SC2034,SC2154 # variables that interop.sh and its other parts set or use
set -euo pipefail

mail_packages=(postfix sasl2-bin libsasl2-modules python3)

# Starts Postfix on $port (STARTTLS), $tls_port (TLS) and $plain_port (no TLS), with one account and its own queue. Accepted
# mails are in the folder $inbox. start_on_free_port sets `port`.
postfix_server() {
    local folder=$trial/postfix service
    tls_port=$((port + 1)) plain_port=$((port + 2))
    inbox=$folder/mail/inbox
    rm -rf -- "$folder"
    mkdir -- "$folder" "$folder/config" "$folder/queue" "$folder/mail" "$folder/config/sasl"
    install -d -o postfix "$folder/data"
    chown nobody "$folder/mail"
    cat >"$folder/config/main.cf" <<END
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/log
maillog_file_prefixes = $trial
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.org
mydestination =
alias_maps =
# Only example.org is delivered.
default_transport = error:no mail leaves the trial
relay_transport = error:no mail leaves the trial
virtual_mailbox_domains = example.org
virtual_mailbox_base = $folder/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
virtual_minimum_uid = 1
smtpd_tls_cert_file = $certificate
smtpd_tls_key_file = $certificate_key
smtpd_tls_auth_only = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = $folder/config/sasl
smtpd_sasl_local_domain = example.org
END
    {
        echo "127.0.0.1:$port inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes" \
            "-o smtpd_client_restrictions=permit_sasl_authenticated,reject"
        echo "127.0.0.1:$tls_port inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes" \
            "-o smtpd_client_restrictions=permit_sasl_authenticated,reject"
        echo "127.0.0.1:$plain_port inet n - n - - smtpd"
        printf '%s\n' 'pickup unix n - n 5 1 pickup' 'qmgr unix n - n 60 1 qmgr' 'cleanup unix n - n - 0 cleanup' \
            'tlsmgr unix - - n - 1 tlsmgr' 'anvil unix - - n - 1 anvil' \
            'virtual unix - n n - - virtual'
        for service in rewrite:trivial-rewrite bounce defer:bounce trace:bounce error proxymap; do
            echo "${service%:*} unix - - n - - ${service#*:}"
        done
        echo "postlog unix-dgram n - n - 1 postlogd"
    } >"$folder/config/master.cf"
    printf '%s\n' 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' "sasldb_path: $folder/config/sasl/accounts" \
        'mech_list: PLAIN LOGIN' >"$folder/config/sasl/smtpd.conf"
    saslpasswd2 -p -c -f "$folder/config/sasl/accounts" -u example.org "$user" <<<"$password"
    chown postfix "$folder/config/sasl/accounts"
    # This creates the queue's folders.
    postfix -c "$folder/config" check >"$server_log" 2>&1
    # With -d, it remains in its process group, which end_process stops.
    start_process "$(postconf -h daemon_directory)/master" -c "$folder/config" -d >>"$server_log" 2>&1
}

section_mail() {
    local process
    heading "Mail"
    ((EUID == 0)) || fail "Postfix requires root: run this section as root, or request only the others"
    make_dump mail 100000 0
    make_zip mail
    new_archives mail
    fetch_from_default_server mail
    server_log=$trial/postfix.log
    start_on_free_port postfix_server
    process=$started
    server="Postfix $(postconf -h mail_version)"

    row "way" "reports sent" "arrived with the log attached" "in the server's log"
    mail_server "$port" starttls "$secrets/password"
    try_mail "$server, STARTTLS and AUTH" "sasl_method=.*sasl_username=$user"
    mail_server "$tls_port" tls "$secrets/password"
    try_mail "$server, TLS and AUTH" "sasl_method=.*sasl_username=$user"
    mail_server "$plain_port" none
    try_mail "$server, neither" "client=localhost|client=unknown"
    mail_server
    # The program runs sendmail with a clean environment: a private mount replaces it with a wrapper that sets MAIL_CONFIG.
    cp -- /usr/sbin/sendmail "$trial/postfix/sendmail"
    printf '#!/bin/sh\nMAIL_CONFIG=%s exec %s "$@"\n' "$trial/postfix/config" "$trial/postfix/sendmail" \
        >"$trial/postfix/wrapper"
    chmod 755 "$trial/postfix/wrapper"
    # shellcheck disable=SC2016 # sh expands it
    run_through=(unshare -m sh -c 'mount --bind "$0" /usr/sbin/sendmail && exec "$@"' "$trial/postfix/wrapper")
    try_mail "$server's sendmail" "pickup.*uid=0 from=<backup@example.org>"
    run_through=()
    email=
    end_process "$process"
    print_table
}

# Makes the next run report to the server on port $1 with the security $2 and the password in the file $3, if given; without
# arguments, through the local sendmail.
mail_server() {
    local server=null
    if (($# > 0)); then
        server="{\"host\": \"127.0.0.1\", \"port\": $1, \"security\": \"$2\""
        [[ $2 == none ]] || server+=", \"ca_file\": \"$authority\", \"username\": \"$user@example.org\""
        [[ $2 == none ]] || server+=", \"password\": {\"file\": \"$3\"}"
        server+='}'
    fi
    email="{\"server\": $server, \"from\": \"backup@example.org\", \"to\": [\"operator@example.org\"]}"
}

# Tests the configured mail server, called $1 in the table; the server's log must match $2.
try_mail() {
    local sent
    rm -rf -- "$inbox"
    run_program
    expect "$1" "yes" exited_with 0
    expect "$1" "$cell" logged "mailed to operator@example.org"
    sent=$cell
    expect "$1: arrival" "yes" has_arrived
    local arrived=$cell
    expect "$1: the server's log" "yes" grep -Eq "$2" "$trial/postfix/log"
    row "$1" "$sent" "$arrived" "$cell"
}

# Waits for one mail and checks that it is complete.
has_arrived() {
    wait_until has_mail
    python3 - "$inbox"/new/* <<'END'
import email, email.policy, sys

mail = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
assert "My daily report" in mail["Subject"], mail["Subject"]
assert mail["To"] == "operator@example.org" and mail["Message-ID"] and mail["Date"]
assert "dumpfile.sql" in mail.get_body(("plain",)).get_content()
assert "<html" in mail.get_body(("html",)).get_content()
attached = [part.get_content() for part in mail.iter_attachments()]
assert len(attached) == 1 and "Verify archive" in attached[0]
END
}

has_mail() {
    compgen -G "$inbox/new/*" >/dev/null
}
