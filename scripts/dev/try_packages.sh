#!/usr/bin/env bash
# Builds the packages and tries them on this machine.
#
# Usage: scripts/dev/try_packages.sh [--binary FILE] [section ...]
#
#   deb          lintian; in a Debian 12 chroot: install, a night by the unit's own command line as its own user, upgrade over
#                edits, remove, purge; the unit with systemd-analyze
#   container    the image with buildah, and a night in it with a read-only root file system
#   kubernetes   the manifests with kustomize and kubernetes-validate
#
#   --binary FILE   package this program instead of compiling one with the bundled OpenSSL
#
# The default is all sections. The script prints what it has checked, and exits with 1 if a check failed. The nights use the
# servers of `demo --serve`, on loopback. It requires root and Debian, and installs missing packages. The chroot is downloaded
# once to cargo's target folder. Afterwards it takes about a minute, not counting compilation.
# shellcheck disable=SC2034 # variables that its parts use
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=trial.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/trial.sh"
for part in deb container kubernetes; do
    # shellcheck source=/dev/null # each is checked separately
    source "$(dirname -- "${BASH_SOURCE[0]}")/try_$part.sh"
done

sections=()
binary=()
while (($# > 0)); do
    case $1 in
    --binary)
        [[ -n ${2:-} ]] || fail_usage "$1 needs a value"
        binary=(--binary "$2")
        shift
        ;;
    deb | container | kubernetes) sections+=("$1") ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#sections[@]} > 0)) || sections=(deb container kubernetes)
((EUID == 0)) || fail "it requires root, for the chroot and for mounts"

umask 022
packages=()
for section in "${sections[@]}"; do
    packages_of="${section}_packages[@]"
    packages+=("${!packages_of}")
done
provide_packages "the trial needs" "${packages[@]}"
build_release demo

# Runs "${@:2}", prints $1 with the result, and counts a failure. The command's output is printed only if it fails.
expect() {
    local output
    if output=$("${@:2}" 2>&1); then
        printf 'ok     %s\n' "$1"
    else
        report_error "$1"
        [[ -z $output ]] || printf '%s\n' "$output" | tail -n 40
    fi
}

# For `expect`: whether "${@:2}" prints $1.
prints() {
    local output
    output=$("${@:2}") || true
    [[ $output == "$1" ]] || {
        printf 'expected: %s\nfound:    %s\n' "$1" "$output"
        return 1
    }
}

not() {
    ! "$@"
}

# Starts the demo's servers. Its configuration is $demo_config.
start_servers() {
    mkfifo -- "$trial/stop"
    # Each opening waits for the other.
    # shellcheck disable=SC2016 # the inner shell expands it
    start_process bash -c 'exec "$1" --serve <"$2"' bash "$built/demo" "$trial/stop" >"$trial/demo.out" 2>&1
    servers=$started
    exec {stop}>"$trial/stop"
    wait_until grep -q '^configuration ' "$trial/demo.out"
    demo_config=$(sed -n 's/^configuration //p' "$trial/demo.out")
}

# Writes the demo's configuration as the job demo.json in the folder $1, with its secrets, readable for the group $2. $3 is
# `sftp.host_key`.
write_job() {
    local folder
    folder=$(dirname -- "$demo_config")
    cp -r -- "$folder/ca.pem" "$folder/secrets" "$1/"
    python3 - "$demo_config" "$3" >"$1/demo.json" <<'END'
import json, sys
job = json.load(open(sys.argv[1]))
job["extends"] = "_common.json"
for section in "archive", "log", "metrics":
    del job[section]
del job["sftp"]["known_hosts"]
job["sftp"]["host_key"] = sys.argv[2]
print(json.dumps(job, indent=2))
END
    chgrp -R -- "$2" "$1/demo.json" "$1/ca.pem" "$1/secrets"
    chmod -R u=rwX,g=rX,o= -- "$1/demo.json" "$1/ca.pem" "$1/secrets"
}

# Stops the servers, and reports what they received.
end_servers() {
    local code=0
    exec {stop}>&-
    wait_for_process "$servers" || code=$?
    expect "the archive, the mail, the message and the pings arrived, and expired archives are gone" \
        prints '' sh -c "[ $code = 0 ] || cat '$trial/demo.out'"
    rm -f -- "$trial/stop"
}

mkdir -p -- "$(target_folder)/package"
begin_trial "$(target_folder)/package"
for section in "${sections[@]}"; do
    heading "$section"
    "try_$section"
done
((errors == 0)) || fail "$errors checks failed"
printf '\nEvery check passed.\n'
