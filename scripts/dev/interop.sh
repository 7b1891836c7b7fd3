#!/usr/bin/env bash
# Tests the program with servers and ZIPs of other software.
#
# Usage: scripts/dev/interop.sh [section ...]
#
#   sftp   the whole job against OpenSSH, ProFTPD's mod_sftp, Dropbear and asyncssh
#   web    a fresh and a stale dump from nginx, Apache httpd, Caddy and Python's http.server
#   zip    ZIPs by Info-ZIP, 7-Zip, Python, Java's jar and bsdtar, in the zone Europe/Paris
#   mail   Postfix: STARTTLS, TLS and AUTH, and the local sendmail; requires root
#
# The default is all sections. The script prints Markdown tables. If a case fails, it prints the log of the run to standard
# error and exits with 1.
#
# Every server is private: its configuration, keys and accounts are in a temporary folder, it listens on a free port on
# loopback, and it stops with the script. The system's services, users and files are not changed. As root on Debian, the
# script installs missing packages without starting their daemons; otherwise it lists them and exits. It installs asyncssh
# with pip. It takes about a minute once everything is installed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=trial.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/trial.sh"
for part in run sftp web zip mail; do
    # shellcheck source=/dev/null # each is checked separately
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

# All sections fetch over TLS and deliver to an OpenSSH server.
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
