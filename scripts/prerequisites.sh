#!/usr/bin/env bash
# Sourced by the other scripts: --help, error messages, and the required Debian packages and Rust toolchain.
set -euo pipefail

# The repository's top folder.
top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# Debian's administration commands, which are not in the PATH of other users.
PATH=$PATH:/usr/sbin:/sbin

# The build needs, besides Rust, a C compiler for ring and libssh2, the full perl and make for the bundled OpenSSL, and
# certificates for cargo's downloads.
# shellcheck disable=SC2034 # used by the scripts that source this file
build_packages=(gcc libc6-dev make perl ca-certificates)

# Exits with the message $1, which names the problem and the fix, and the code $2 (default 1).
fail() {
    printf '%s: %s\n' "$(basename -- "$0")" "$1" >&2
    exit "${2:-1}"
}

# Exits because the command line is wrong.
fail_usage() {
    fail "$1 (see --help)" 2
}

# The help of a script is the comment at its top. A sourced file has the arguments of the script.
for argument in "$@"; do
    case $argument in
    -h | --help)
        sed -n '2,/^\([^#]\|$\)/{s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
    --) break ;;
    esac
done

# Whether the machine has the contents of the Debian package $1. Checks for the commands and files that the scripts use,
# because they may come from another source.
package_is_present() {
    case $1 in
    gcc) command -v cc ;;
    libc6-dev) cc -E -x c - <<<'#include <stdlib.h>' ;;
    perl) perl -MFindBin -MIPC::Cmd -e 1 ;; # perl-base lacks both, and OpenSSL's Configure uses them
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
    dpkg-dev) command -v dpkg-shlibdeps ;;
    kubernetes-client) command -v kubectl ;;
    systemd) command -v systemctl && command -v systemd-analyze && command -v systemd-sysusers ;;
    util-linux) command -v unshare && command -v setpriv ;;
    tzdata) [[ -e /usr/share/zoneinfo/Europe/Paris ]] ;;
    p7zip-full) command -v 7z ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' ;;
    mariadb-server) command -v mariadbd ;;
    bsdutils) command -v script ;;
    default-jdk-headless) command -v jar ;;
    sasl2-bin) command -v saslpasswd2 ;;
    libsasl2-modules) [[ -n $(find /usr/lib -path '*/sasl2/libplain.so') ]] ;;
    time) [[ -x /usr/bin/time ]] ;; # the shell's built-in `time` does not report memory
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Sets the array $missing to the missing packages among $@.
find_missing_packages() {
    local package
    missing=()
    for package in "$@"; do
        package_is_present "$package" || missing+=("$package")
    done
}

# Installs the packages $@ with apt-get, as root or through the command in $as_root (`sudo`).
install_packages() {
    echo "Installing Debian packages: $*"
    ${as_root:-} env DEBIAN_FRONTEND=noninteractive apt-get update -q ||
        fail "apt-get could not update the package lists; its messages are above"
    ${as_root:-} env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" ||
        fail "apt-get could not install all of: $*; its messages are above"
}

# Installs the packages $@ without starting their daemons. It resets the EXIT trap: call it before setting one.
install_without_services() {
    # Debian's packages run this file before they start a service. It exists only during the installation.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f -- "$policy"' EXIT
        printf '#!/bin/sh\n# Created by scripts/%s while it installs packages.\nexit 101\n' "$(basename -- "$0")" >"$policy"
        chmod 755 "$policy"
    fi
    install_packages "$@"
    if [[ -n $(trap -p EXIT) ]]; then
        rm -f -- "$policy"
        trap - EXIT
    fi
}

# Installs the missing packages among $2... as root on Debian; otherwise exits if any is missing. $1 is the start of the
# error message.
provide_packages() {
    local reason=$1
    shift
    find_missing_packages "$@"
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail_missing "$reason"
    fi
    install_without_services "${missing[@]}"
}

fail_missing() {
    fail "$1 Debian packages that are missing: ${missing[*]}
As root: apt-get update && apt-get install ${missing[*]}"
}

# Creates the folder for sshd's privilege separation, if no init system has.
provide_sshd_folder() {
    if ((EUID == 0)) && [[ ! -d /run/sshd ]]; then
        mkdir -m 0755 /run/sshd
    fi
}

# Exits unless the packages for the build are installed.
require_build_packages() {
    find_missing_packages "${build_packages[@]}"
    ((${#missing[@]} == 0)) || fail_missing "compiling needs"
}

# Exits unless there is a recent enough Rust toolchain. Finds rustup's in the home folder even if it is not in the PATH, as
# under cron or sudo. $other_way, if set, is an alternative for the user.
require_cargo() {
    local needed found advice
    needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$top/Cargo.toml")
    advice="Get it with rustup (https://rustup.rs), or from Debian if its packages rustc and cargo are new enough.${other_way:+
$other_way}"
    if ! command -v cargo >/dev/null && [[ -x ${HOME:-}/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    command -v cargo >/dev/null || fail "cargo is missing: compiling needs Rust $needed or newer.
$advice"
    found=$(cargo --version) || fail "cargo could not run: its message is above.
$advice"
    found=${found#cargo }
    found=${found%% *}
    printf '%s\n' "$needed" "$found" | sort --version-sort --check=quiet ||
        fail "cargo $found is too old: compiling needs Rust $needed or newer.
$advice"
}

# Prints cargo's target folder.
target_folder() {
    local folder=${CARGO_TARGET_DIR:-target}
    case $folder in
    /*) printf '%s\n' "$folder" ;;
    *) printf '%s\n' "$top/$folder" ;;
    esac
}

# Builds the program and the tools $@ of tests/testkit into the folder `release` of the target folder.
build_release() {
    local tool options=(--bin scripting-system)
    require_cargo
    require_build_packages
    for tool in "$@"; do
        options+=(--bin "$tool")
    done
    (cd -- "$top" && cargo build --release --locked --workspace "${options[@]}")
}

# Builds the program and the tool $1, and runs the tool with the arguments $2...
run_tool() {
    build_release "$1"
    exec "$(target_folder)/release/$1" "${@:2}"
}
