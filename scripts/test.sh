#!/usr/bin/env bash
# Checks the whole project: the scripts, the formatting, the lints and the tests. CI runs it.
#
# Usage: scripts/test.sh [arguments of `cargo test`]
#
# The tests run a real OpenSSH server on loopback and need some Debian packages. As root on Debian, the script installs
# missing ones; otherwise it lists them and exits. The tests link the system's OpenSSL, which saves minutes; a release contains
# its own. Tests of full disks mount small file systems in memory, which requires root.
# Prometheus' metrics parser is downloaded once from PyPI to the target folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

# With a wider umask, the group could write the tests' configurations, which the program refuses.
umask 022
cd -- "$top"

packages=(
    gcc libc6-dev ca-certificates # Rust's linker and ring; cargo's downloads
    libssl-dev pkg-config         # the system's OpenSSL
    openssh-server openssh-client # the real SFTP server of the tests, and its keys
    rclone                        # an SFTP server for one writer
    cron                          # checks the installer's crontab
    tar libarchive-tools busybox  # other programs that read archives
    zip p7zip-full python3        # other programs that create ZIPs
    python3-venv                  # for Prometheus' parser
    time                          # measures memory
    strace                        # traces syncs
    util-linux                    # mount namespaces, other users
    groff-base man-db             # format the manual pages
    shellcheck                    # the lints of the scripts
    postgresql mariadb-server     # private servers that load restored dumps
    sqlite3                       # the same
    age                           # encrypts and decrypts archives
    systemd                       # checks the unit files, and creates their user
    bsdutils                      # script, which answers a passphrase prompt
)
provide_packages "the tests need" "${packages[@]}"
provide_sshd_folder

require_cargo
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 ||
        fail "cargo $component is missing; with rustup: rustup component add rustfmt clippy"
done

# The tests check the metrics with Prometheus' parser.
parser=$(target_folder)/prometheus_client
parser_version=0.26.0
if ! "$parser/bin/python" -c "import sys, importlib.metadata as metadata, prometheus_client.parser
sys.exit(metadata.version('prometheus_client') != '$parser_version')" 2>/dev/null; then
    echo "Installing prometheus_client $parser_version from PyPI to $parser"
    python3 -m venv --clear "$parser"
    "$parser/bin/pip" install -q "prometheus_client==$parser_version" ||
        fail "pip could not install prometheus_client; its messages are above"
fi

# Prints the command and runs it.
step() {
    printf '\n== %s\n' "$*"
    "$@"
}

export OPENSSL_NO_VENDOR=1
# Most tests wait for servers.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-3}
step shellcheck --external-sources scripts/*.sh scripts/*/*.sh packaging/debian/p* .ci/run
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
step cargo test --locked "$@"
printf '\nEverything passed.\n'
