#!/usr/bin/env bash
# Builds the packages: a Debian package, and a container image's folder. Kubernetes needs no building: see
# packaging/kubernetes.
#
# Usage: scripts/package.sh [options] [deb] [container]
#
#   deb               the Debian package, with cargo-deb
#   container         the container's files and its Containerfile, to build with buildah, podman or docker
#                     (default: both)
#   --binary FILE     package this program instead of compiling one. It should be linked with the bundled OpenSSL:
#                     otherwise the package depends on the system's
#   --output FOLDER   write the packages there; default `package` in cargo's target folder
#   --help            print this text
#
# It needs a Rust toolchain, a C compiler, make, perl and, for the Debian package, dpkg-dev, which it installs as root. It
# installs cargo-deb to cargo's target folder, unless it is in the PATH. SOURCE_DATE_EPOCH sets the packages' date; default is the last commit's.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

umask 022
cargo_deb_version=3.8.0
binary=
output=
kinds=()
while (($# > 0)); do
    case $1 in
    --binary | --output)
        [[ -n ${2:-} ]] || fail_usage "$1 needs a value"
        if [[ $1 == --binary ]]; then binary=$(realpath -- "$2"); else output=$(realpath -m -- "$2"); fi
        shift
        ;;
    deb | container) kinds+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#kinds[@]} > 0)) || kinds=(deb container)
: "${output:=$(target_folder)/package}"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$top/Cargo.toml" | head -n 1)

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

# Sets $binary to a program with the bundled OpenSSL, unless --binary names one.
get_binary() {
    if [[ -z $binary ]]; then
        echo "Compiling the program. The first build takes several minutes, because it compiles OpenSSL."
        unset OPENSSL_NO_VENDOR
        build_release
        binary=$(target_folder)/release/scripting-system
    fi
    "$binary" --version >/dev/null || fail "the program $binary does not run on this machine"
    ! grep -q 'libssl\.so' <<<"$(ldd -- "$binary")" ||
        echo "$(basename -- "$0"): $binary uses the system's OpenSSL, so the packages do too" >&2
}

# Sets $cargo_deb to cargo-deb, which is installed if it is missing.
get_cargo_deb() {
    local folder
    require_cargo
    provide_packages "the Debian package needs" dpkg-dev
    folder=$(target_folder)/cargo-deb
    cargo_deb=$(command -v cargo-deb) || cargo_deb=$folder/bin/cargo-deb
    if [[ ! -x $cargo_deb ]]; then
        echo "Installing cargo-deb $cargo_deb_version to $folder"
        cargo install --quiet --locked --root "$folder" --target-dir "$folder/target" "cargo-deb@$cargo_deb_version" ||
            fail "cargo could not install cargo-deb; its messages are above"
        rm -rf -- "$folder/target"
    fi
}

# cargo-deb reads the program and the generated files from the folder `release` of a target folder, which is
# $output/staging here.
build_deb() {
    local stage=$output/staging/release shell
    get_cargo_deb
    rm -rf -- "$output/staging"
    mkdir -p -- "$stage/man" "$stage/completions"
    cp -- "$binary" "$stage/scripting-system"
    "$binary" man --output "$stage/man"
    for shell in bash zsh fish; do
        "$binary" completions "$shell" >"$stage/completions/scripting-system.$shell"
    done
    "$binary" gen-config --schema --output "$stage/config.schema.json"
    cat >"$stage/changelog.Debian" <<ENTRY
scripting-system ($version-1) stable; urgency=medium

  * See /usr/share/doc/scripting-system/NEWS.md.

 -- $(sed -n 's/^maintainer = "\(.*\)"$/\1/p' "$top/Cargo.toml")  $(date --utc -R --date="@$SOURCE_DATE_EPOCH")
ENTRY
    gzip -9n -- "$stage/changelog.Debian" "$stage/man"/*.1
    (cd -- "$top" && CARGO_TARGET_DIR=$output/staging "$cargo_deb" deb --no-build --no-strip --quiet \
        --output "$output/" >/dev/null)
    rm -rf -- "$output/staging"
    printf 'Debian package: %s\n' "$output"/scripting-system_"$version"-1_*.deb
}

# The image contains the program, the libraries that it is linked with, and nothing else: no shell, no package manager.
build_container() {
    local folder=$output/container library
    rm -rf -- "$folder"
    mkdir -p -- "$folder/rootfs/usr/bin" "$folder/rootfs/etc/scripting-system/jobs"
    cp -- "$top/packaging/container/Containerfile" "$folder/"
    cp -- "$top/packaging/container/etc/"* "$folder/rootfs/etc/"
    cp -- "$binary" "$folder/rootfs/usr/bin/scripting-system"
    # ldd prints `name => path (address)`, and only the path of the dynamic linker.
    while read -r library; do
        mkdir -p -- "$folder/rootfs$(dirname -- "$library")"
        cp -L -- "$library" "$folder/rootfs$library"
    done < <(ldd -- "$binary" | sed -n 's/^.*[[:space:]]\(\/[^ ]*\) (0x.*$/\1/p')
    install -d -m 1777 -- "$folder/rootfs/tmp" "$folder/rootfs/var/tmp"
    find "$folder/rootfs" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" -- {} +
    cat <<STEPS
Container:      $folder
Build the image there, for example with
  buildah build --tag scripting-system:$version $(printf '%q' "$folder")
STEPS
}

mkdir -p -- "$output"
get_binary
for kind in "${kinds[@]}"; do
    "build_$kind"
done
