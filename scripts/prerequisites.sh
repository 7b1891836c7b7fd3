#!/usr/bin/env bash
# What the other scripts need of a machine: how they find out that a Debian package or the Rust toolchain
# is missing, and how they say so. The other scripts source this file; run by itself it does nothing.
set -euo pipefail

# The repository's top.
top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# Where Debian keeps the commands of the administrator, which other users do not have in their PATH.
PATH=$PATH:/usr/sbin:/sbin

# What compiling the program needs beside Rust: a C compiler for ring and libssh2, the full perl and make
# for the bundled OpenSSL, and the certificates with which cargo checks where it downloads crates from.
# shellcheck disable=SC2034 # used by the scripts that source this file
build_packages=(gcc libc6-dev make perl ca-certificates)

# Ends the script: $1 says what is wrong and what to do, $2 is the exit code (1 where it is not given).
fail() {
    printf '%s: %s\n' "$(basename -- "$0")" "$1" >&2
    exit "${2:-1}"
}

# Ends the script because of its command line.
fail_usage() {
    fail "$1 (see --help)" 2
}

# Prints the comment with which the script that was started opens: its help.
print_help() {
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"
}

# Whether the machine has what the Debian package $1 brings. It asks for what the scripts use of the package,
# not for the package, so that the answer holds where it came from somewhere else.
package_is_present() {
    case $1 in
    gcc) command -v cc ;;
    libc6-dev) cc -E -x c - <<<'#include <stdlib.h>' ;;
    perl) perl -MFindBin -MIPC::Cmd -e 1 ;; # Debian's perl-base has neither, and OpenSSL's Configure uses both
    ca-certificates) [[ -s /etc/ssl/certs/ca-certificates.crt || -s /etc/pki/tls/certs/ca-bundle.crt ]] ;;
    cron) command -v crontab ;;
    openssh-client) command -v ssh-keygen ;;
    openssh-server) [[ -x /usr/sbin/sshd ]] ;;
    libarchive-tools) command -v bsdtar ;;
    libssl-dev) pkg-config --exists openssl ;;
    groff-base) command -v groff ;;
    man-db) command -v man ;;
    proftpd-core) command -v proftpd ;;
    proftpd-mod-crypto) [[ -e /usr/lib/proftpd/mod_sftp.so ]] ;;
    dropbear-bin) command -v dropbear && command -v dropbearkey ;;
    openssh-sftp-server) [[ -x /usr/lib/openssh/sftp-server ]] ;;
    libnss-wrapper) [[ -n $(find /usr/lib -name libnss_wrapper.so) ]] ;;
    python3-venv) python3 -c 'import venv, ensurepip' ;;
    nginx-light) command -v nginx ;;
    apache2-bin) command -v apache2 && [[ -e /usr/lib/apache2/modules/mod_ssl.so ]] ;;
    tzdata) [[ -e /usr/share/zoneinfo/Europe/Paris ]] ;;
    p7zip-full) command -v 7z ;;
    default-jdk-headless) command -v jar ;;
    sasl2-bin) command -v saslpasswd2 ;;
    libsasl2-modules) [[ -n $(find /usr/lib -path '*/sasl2/libplain.so') ]] ;;
    time) [[ -x /usr/bin/time ]] ;; # the shell's own `time` cannot tell how much memory was used
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Leaves those of the packages $@ that are missing in the array $missing.
find_missing_packages() {
    local package
    missing=()
    for package in "$@"; do
        package_is_present "$package" || missing+=("$package")
    done
}

# Installs the packages $@ through apt-get, as root itself or through the command in $as_root (`sudo`).
install_packages() {
    echo "Installing Debian packages: $*"
    ${as_root:-} env DEBIAN_FRONTEND=noninteractive apt-get update -q ||
        fail "apt-get could not read the lists of packages; its messages are above"
    ${as_root:-} env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" ||
        fail "apt-get could not install all of: $*; its messages are above"
}

# Installs the packages $@ without starting the daemons that they bring: whoever needs one starts his own. It ends with
# the trap for the script's end taken back, so it belongs before other traps.
install_without_services() {
    # Where no services may be started Debian's packages ask this file. It is ours only while packages are installed.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f -- "$policy"' EXIT
        printf '#!/bin/sh\n# Made by scripts/%s while it installs packages.\nexit 101\n' "$(basename -- "$0")" >"$policy"
        chmod 755 "$policy"
    fi
    install_packages "$@"
    if [[ -n $(trap -p EXIT) ]]; then
        rm -f -- "$policy"
        trap - EXIT
    fi
}

# Sees to it that the packages $2... are there: root on Debian gets the missing ones installed, for others the script
# ends. $1 says who needs them.
provide_packages() {
    local who=$1
    shift
    find_missing_packages "$@"
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "$who what these Debian packages bring, and it is missing: ${missing[*]}
As root on Debian: apt-get update && apt-get install ${missing[*]}"
    fi
    install_without_services "${missing[@]}"
}

# Ends the script unless a C compiler and what else the build needs is there.
require_build_packages() {
    find_missing_packages "${build_packages[@]}"
    ((${#missing[@]} == 0)) ||
        fail "compiling needs what these Debian packages bring, and it is missing: ${missing[*]}
As root: apt-get update && apt-get install ${missing[*]}"
}

# Ends the script unless a Rust toolchain is there that is new enough. One that rustup put into the home is
# found even where the PATH does not name it, as in cron or sudo. $other_way, where it is set, is what else
# the user can do.
require_cargo() {
    local needed found advice
    needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$top/Cargo.toml")
    advice="Get it with rustup (https://rustup.rs), or from Debian where its packages rustc and cargo are new enough.${other_way:+
$other_way}"
    if ! command -v cargo >/dev/null && [[ -x ${HOME:-}/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    command -v cargo >/dev/null || fail "cargo is missing: compiling needs Rust $needed or newer.
$advice"
    found=$(cargo --version) || fail "cargo is there but does not run: its message is above.
$advice"
    found=${found#cargo }
    found=${found%% *}
    printf '%s\n' "$needed" "$found" | sort --version-sort --check=quiet ||
        fail "cargo $found is too old: compiling needs Rust $needed or newer.
$advice"
}

# Prints where cargo puts what it builds.
target_folder() {
    local folder=${CARGO_TARGET_DIR:-target}
    case $folder in
    /*) printf '%s\n' "$folder" ;;
    *) printf '%s\n' "$top/$folder" ;;
    esac
}
