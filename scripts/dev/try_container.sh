#!/usr/bin/env bash
# Part of try_packages.sh: the container image.
# shellcheck disable=SC2034,SC2154 # variables that try_packages.sh and its other parts set or use
set -euo pipefail

container_packages=(buildah python3 util-linux)

# buildah with its own storage, without privileges that a container on a build machine may lack.
own_buildah() {
    buildah --root "$trial/containers" --runroot "$trial/containers-run" --storage-driver vfs "$@"
}

# Runs the image's entry point and command as its user in the folder $1 with the jobs $2, with nothing writable but
# /var/tmp, in its own mount and process namespaces.
run_read_only() {
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount --pid --fork bash -ceu '
        root=$1 jobs=$2 user=$3
        shift 3
        mount --bind "$root" "$root"
        mount --bind "$jobs" "$root/etc/scripting-system/jobs"
        mount -t proc -o ro proc "$root/proc"
        mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
        mount -o remount,bind,ro "$root/etc/scripting-system/jobs"
        mount -o remount,bind,ro "$root"
        cd "$root"
        exec env -i HOME=/ TZ=Europe/Paris /usr/sbin/chroot --userspec="$user" --groups= "$root" "$@"
    ' bash "$1" "$2" "${image_user:?}" "${image_command[@]}"
}

try_container() {
    local image=scripting-system:trial container root jobs=$trial/container-jobs
    expect "the image's folder is written" \
        "$top/scripts/package.sh" "${binary[@]}" --output "$trial/packages" container
    expect "buildah builds the image" own_buildah build --isolation chroot --tag "$image" "$trial/packages/container"
    container=$(own_buildah from "$image")
    root=$(own_buildah mount "$container")

    image_user=$(own_buildah inspect --format '{{.OCIv1.Config.User}}' "$container")
    mapfile -t image_command < <(own_buildah inspect "$container" | python3 -c '
import json, sys
config = json.load(sys.stdin)["OCIv1"]["config"]
print(*config["Entrypoint"], *config["Cmd"], sep="\n")')
    expect "it runs as the user 65532" test "$image_user" = 65532:65532
    expect "its command runs the jobs in the folder" \
        prints '/usr/bin/scripting-system run --config /etc/scripting-system/jobs' echo "${image_command[*]}"
    expect "it has no shell, no certificates and no zone files" \
        prints '' find "$root/bin" "$root/usr/bin/sh" "$root/etc/ssl" "$root/usr/share" -maxdepth 0
    expect "none of its files has another user's privileges" prints '' find "$root" -xdev -type f -perm /6000
    printf '       size: %s\n' "$(du -sh -- "$root" | cut -f 1)"
    expect "buildah runs it" own_buildah run --isolation chroot "$container" -- /usr/bin/scripting-system --version

    mkdir -p -- "$jobs"
    start_servers
    write_job "$jobs" 65532 "$(sed -n 's/^host key *//p' "$trial/demo.out")"
    printf '{"log": {"file": "-", "format": "json"}}\n' >"$jobs/_common.json"
    mkdir -p -- "$root/proc"
    expect "a night with a read-only root file system" run_read_only "$root" "$jobs"
    end_servers
    own_buildah rm "$container" >/dev/null
}
