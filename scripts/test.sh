#!/usr/bin/env bash
# Checks the whole project, for developers and for CI: the scripts, the formatting, the lints, the tests.
#
# Usage: scripts/test.sh [arguments of `cargo test`]
#
# The tests run a real OpenSSH server on the loopback interface and need some Debian packages. As root on
# Debian the missing ones are installed; otherwise they are named and nothing is run. The tests link the
# system's OpenSSL, which saves minutes; the program that is shipped brings its own. Tests of full disks mount small
# file systems in memory: they need root, and fail for others with a message that says so. Prometheus' own parser of
# metrics is downloaded from PyPI once, into a folder below target.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
esac

# A wider umask lets the group write what the tests make, and the program refuses such configurations.
umask 022
cd -- "$top"

packages=(
    gcc libc6-dev ca-certificates # Rust's linker and ring; cargo's downloads
    libssl-dev pkg-config         # the system's OpenSSL
    openssh-server openssh-client # the real SFTP server of the tests, and its keys
    cron                          # reads what the installer writes
    tar libarchive-tools busybox  # who read archives
    zip p7zip-full python3        # who make ZIPs
    python3-venv                  # where Prometheus' own parser is put
    time                          # how much memory was used
    strace                        # which files were synced, and when
    util-linux                    # mounts that only one process sees, and other users
    groff-base man-db             # who set and show the manual pages
    shellcheck                    # the lints of the scripts
    postgresql mariadb-server     # private servers that load restored dumps; their services are not needed
    sqlite3                       # the same
)
provide_packages "the tests need" "${packages[@]}"
if ((EUID == 0)); then
    # Where no init system made it, sshd does not start without this folder.
    [[ -d /run/sshd ]] || mkdir -m 0755 /run/sshd
fi

require_cargo
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 ||
        fail "cargo $component is missing; with rustup: rustup component add rustfmt clippy"
done

# The tests hold the metrics against Prometheus' own parser.
parser=$(target_folder)/prometheus_client
parser_version=0.26.0
if ! "$parser/bin/python" -c "import sys, importlib.metadata as it, prometheus_client.parser
sys.exit(it.version('prometheus_client') != '$parser_version')" 2>/dev/null; then
    echo "Installing prometheus_client $parser_version from PyPI into $parser"
    python3 -m venv --clear "$parser"
    "$parser/bin/pip" install -q "prometheus_client==$parser_version" ||
        fail "pip could not install prometheus_client; its messages are above"
fi

# Says which command runs, and runs it.
step() {
    printf '\n== %s\n' "$*"
    "$@"
}

export OPENSSL_NO_VENDOR=1
step shellcheck --external-sources scripts/*.sh .ci/run
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
step cargo test --locked "$@"
printf '\nEverything passed.\n'
