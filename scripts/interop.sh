#!/usr/bin/env bash
# Tries the program with servers, and with ZIPs, of every make.
#
# Usage: scripts/interop.sh [section ...]
#
#   sftp   the whole job against OpenSSH, ProFTPD's mod_sftp, Dropbear and asyncssh
#   web    a fresh and a stale night from nginx, Apache httpd, Caddy and Python's http.server
#   zip    ZIPs that Info-ZIP, 7-Zip, Python, Java's jar and bsdtar have made, in the zone Europe/Paris
#   mail   Postfix: STARTTLS, TLS and AUTH, and the local sendmail; it needs root
#
# All sections are tried unless some are named. What was seen is printed as Markdown tables; where a case does not hold,
# the run's log goes to standard error and the whole ends with 1.
#
# Every server is a private one: with its own configuration, keys and accounts in a temporary folder, on a free port of
# loopback, ended with the script. No service, user or file of the system is touched. As root on Debian the packages that
# are missing are installed, without starting the daemons that they bring; for others they are named and nothing is run.
# asyncssh is fetched with pip. It takes about a minute once all is there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=interop_sftp.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_sftp.sh"
# shellcheck source-path=SCRIPTDIR source=interop_web.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_web.sh"
# shellcheck source-path=SCRIPTDIR source=interop_zip.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_zip.sh"
# shellcheck source-path=SCRIPTDIR source=interop_mail.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/interop_mail.sh"

sections=()
while (($# > 0)); do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    sftp | web | zip | mail) sections+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#sections[@]} > 0)) || sections=(sftp web zip mail)

export LC_ALL=C
umask 022
# An agent's keys would be tried first.
unset SSH_AUTH_SOCK

# All sections deliver to an OpenSSH and fetch over TLS.
packages=("${sftp_packages[@]}" openssl zip tar)
for section in "${sections[@]}"; do
    section_packages="${section}_packages[@]"
    packages+=("${!section_packages}")
done
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
provide_packages "these trials need" "${packages[@]}"
require_cargo
require_build_packages
cd -- "$top"
cargo build --release --locked --workspace --bin scripting-system "${trial_tools[@]}"

begin_trial "${TMPDIR:-/tmp}"
prepare_trial
for section in "${sections[@]}"; do
    "section_$section"
done
((faults == 0)) || fail "faults: $faults"
