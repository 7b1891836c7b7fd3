#!/usr/bin/env bash
# Tests the program with servers and ZIPs of other software.
#
# Usage: scripts/dev/interop.sh [section ...]
#
#   sftp   the whole job against OpenSSH, ProFTPD's mod_sftp, Dropbear and asyncssh
#   web    a fresh and a stale dump from nginx, Apache httpd, Caddy and Python's http.server
#   zip    ZIPs made by Info-ZIP, 7-Zip, Python, Java's jar and bsdtar, in the zone Europe/Paris
#   mail   Postfix: STARTTLS, TLS and AUTH, and the local sendmail; it needs root
#
# The default is all sections. The results are printed as Markdown tables. If a case fails, the log of its run goes to
# standard error and the script exits with 1.
#
# Every server is private: its configuration, keys and accounts are in a temporary folder, it listens on a free port of
# loopback, and it stops with the script. No service, user or file of the system is changed. As root on Debian the script
# installs missing packages without starting their daemons; otherwise it names them and exits. asyncssh is installed with
# pip. It takes about a minute once everything is installed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=trial.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/trial.sh"
for part in run sftp web zip mail; do
    # shellcheck source=/dev/null # each is checked by itself
    source "$(dirname -- "${BASH_SOURCE[0]}")/interop_$part.sh"
done

sections=()
while (($# > 0)); do
    case $1 in
    sftp | web | zip | mail) sections+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#sections[@]} > 0)) || sections=(sftp web zip mail)

umask 022

# All sections deliver to an OpenSSH and fetch over TLS.
packages=("${sftp_packages[@]}" openssl zip tar)
for section in "${sections[@]}"; do
    section_packages="${section}_packages[@]"
    packages+=("${!section_packages}")
done
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
provide_packages "these trials need" "${packages[@]}"
build_release web_server proxy

begin_trial "${TMPDIR:-/tmp}"
prepare_trial
for section in "${sections[@]}"; do
    "section_$section"
done
((errors == 0)) || fail "errors: $errors"
