#!/usr/bin/env bash
# Part of try_packages.sh: the Debian package.
# shellcheck disable=SC2034,SC2154 # variables that try_packages.sh and its other parts set or use
set -euo pipefail

deb_packages=(debootstrap lintian dpkg-dev systemd python3 strace util-linux)

# The packages that the package needs or recommends are installed before, so that the list of files shows what it changes.
chroot_packages=(ca-certificates systemd logrotate zlib1g libssl3)

# Sets $debian to a fresh Debian 12, and mounts what its programs need.
create_chroot() {
    local archive
    archive=$(target_folder)/package/debian12.tar
    debian=$trial/debian
    if [[ ! -e $archive ]]; then
        echo "Downloading Debian 12 to $archive"
        debootstrap --variant=minbase --include="$(IFS=, && echo "${chroot_packages[*]}")" bookworm "$trial/fresh" \
            >"$trial/debootstrap.log" || fail "debootstrap failed: $(tail -n 5 -- "$trial/debootstrap.log")"
        tar -C "$trial/fresh" -cf "$archive.new" .
        rm -rf -- "$trial/fresh"
        mv -- "$archive.new" "$archive"
    fi
    mkdir -- "$debian"
    tar -C "$debian" -xf "$archive"
    # Nothing starts a service in a chroot.
    printf '#!/bin/sh\nexit 101\n' >"$debian/usr/sbin/policy-rc.d"
    chmod 755 -- "$debian/usr/sbin/policy-rc.d"
    cp -L -- /etc/resolv.conf /etc/hosts "$debian/etc/"
}

# Runs "$@" in the chroot, in its own mount namespace.
in_debian() {
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount bash -ceu '
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$@"
    ' bash "$debian" "$@"
}

# Runs "$@" as the service would: as its user, without privileges, with nothing writable but its folders and a private
# /tmp and /var/tmp. $1 is a file for the system calls.
as_service() {
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount --pid --fork bash -ceu '
        root=$1 calls=$2
        shift 2
        mount --bind "$root" "$root"
        for folder in lib log; do
            mount --bind "$root/var/$folder/scripting-system" "$root/var/$folder/scripting-system"
        done
        mount -o remount,bind,ro "$root"
        mount -t proc -o hidepid=invisible,subset=pid proc "$root/proc"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
        ids=$(sed -n "s/^scripting-system:[^:]*:\([0-9]*:[0-9]*\):.*/\1/p" "$root/etc/passwd")
        umask 077
        exec env -i HOME=/var/lib/scripting-system USER=scripting-system LOGNAME=scripting-system PATH=/usr/bin:/bin \
            strace --follow-forks --quiet=all --output="$calls" /usr/sbin/chroot "$root" \
            setpriv --reuid="${ids%:*}" --regid="${ids#*:}" --clear-groups --no-new-privs --bounding-set=-all -- "$@"
    ' bash "$debian" "$@"
}

# Prints the program's system calls in the file $1 that the unit's filter refuses. The first calls are those of the programs
# that change the root folder and the user.
refused_calls() {
    local set sets filter=$trial/filter
    read -r -a sets <<<"$(unit_value SystemCallFilter | tr '\n' ' ')"
    [[ ${sets[*]} == '@system-service ~@privileged @resources' ]] || fail "the filter is another one: ${sets[*]}"
    calls_of @system-service @default >"$filter"
    calls_of @privileged @resources >"$filter.refused"
    sed -n '/execve("\/usr\/bin\/scripting-system"/,$s/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$1" | sort -u >"$filter.used"
    [[ -s $filter.used ]] || echo "no call was recorded"
    sort -u -- "$filter.refused" | comm -12 - "$filter.used"
    sort -u -- "$filter" | comm -13 - "$filter.used"
}

# Prints the system calls in the sets $@, and in the sets that they contain.
calls_of() {
    local word
    for word in $(systemd-analyze syscall-filter "$@" | sed -n 's/^ *\([a-z@][a-z0-9_@-]*\)$/\1/p'); do
        case $word in
        @*) [[ " $* " == *" $word "* ]] || calls_of "$word" ;;
        *) printf '%s\n' "$word" ;;
        esac
    done
}

# The value of the key $1 in the installed unit.
unit_value() {
    sed -n "s/^$1=//p" "$debian/usr/lib/systemd/system/scripting-system.service"
}

owner_and_mode() {
    in_debian stat -c '%U:%G %a' "$1"
}

# Every file of the chroot with its type and size, and the users, except what package managers, systemd and logrotate record.
list_files() {
    (cd -- "$debian" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./var/lib/dpkg -o -path ./var/log/apt \
        -o -path ./var/log/dpkg.log -o -path ./var/cache -o -path ./var/lib/apt -o -path ./tmp \
        -o -path ./run/systemd/systemd-units-load -o -path ./var/lib/logrotate/status \) -prune \
        -o -regex '\./etc/\(passwd\|shadow\|group\|gshadow\)-?' \
        -o ! -type d -printf '%p %y %s\n' -o -printf '%p %y\n' | sort)
    cut -d : -f 1 "$debian"/etc/{passwd,group,shadow,gshadow} | sort -u
}

apt_install() {
    in_debian apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
}

# Writes a second version of the package $1 to the file $2: another default in a configuration file, and another unit.
next_version() {
    local folder=$trial/next
    dpkg-deb --raw-extract "$1" "$folder"
    sed -i 's/^Version: .*/&.1/' "$folder/DEBIAN/control"
    sed -i 's/"log": {/"log": {"level": "info", /' "$folder/etc/scripting-system/jobs/_common.json"
    sed -i 's/^Description=.*/&, next version/' "$folder/usr/lib/systemd/system/scripting-system.service"
    dpkg-deb --build --root-owner-group "$folder" "$2" >/dev/null
}

exposure_is_low() {
    local exposure
    exposure=$(systemd-analyze security --offline=yes --no-pager --root="$debian" scripting-system.service |
        sed -n 's/^.*Overall exposure level .*: \([0-9.]*\) .*/\1/p')
    echo "exposure: ${exposure:-unknown}"
    [[ -n $exposure ]] && awk -v found="$exposure" 'BEGIN { exit !(found <= 2.0) }'
}

try_installed() {
    local etc=/etc/scripting-system/jobs
    expect "the user exists, without a shell" prints \
        "scripting-system:Nightly database dumps:/var/lib/scripting-system:/usr/sbin/nologin" \
        sed -n 's/^\(scripting-system\):x:[0-9]*:[0-9]*:/\1:/p' "$debian/etc/passwd"
    expect "the jobs are for root and the user" prints 'root:scripting-system 750' owner_and_mode "$etc"
    expect "so is their common part" prints 'root:scripting-system 640' owner_and_mode "$etc/_common.json"
    expect "the state is the user's" prints 'scripting-system:scripting-system 700' \
        owner_and_mode /var/lib/scripting-system
    expect "the log is the user's" prints 'scripting-system:scripting-system 750' owner_and_mode /var/log/scripting-system
    expect "the configuration files are known to dpkg" \
        prints $'/etc/logrotate.d/scripting-system-jobs\n/etc/scripting-system/jobs/_common.json' \
        sort "$debian/var/lib/dpkg/info/scripting-system.conffiles"
    expect "the timer is enabled, the service is not" prints timers.target.wants/scripting-system.timer \
        find "$debian/etc/systemd/system" -name 'scripting-system*' -printf '%P\n'
    expect "systemd-analyze verify finds nothing" prints '' \
        in_debian systemd-analyze verify --man=no /usr/lib/systemd/system/scripting-system.{service,timer}
    expect "systemd-analyze security: at most 2.0" exposure_is_low
    expect "logrotate accepts its file" in_debian logrotate --debug /etc/logrotate.d/scripting-system-jobs
    expect "every command has a manual page" prints '' comm -3 \
        <(in_debian scripting-system help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)  .*/\1/p' | grep -vx help | sort) \
        <(find "$debian/usr/share/man/man1" -name 'scripting-system-*.1.gz' | sed 's/.*scripting-system-//; s/\.1\.gz$//' | sort)
    expect "bash accepts the completions" bash -n "$debian/usr/share/bash-completion/completions/scripting-system"
}

try_night() {
    local jobs=$debian/etc/scripting-system/jobs command group
    read -r -a command <<<"$(unit_value ExecStart)"
    group=$(sed -n 's/^scripting-system:x:\([0-9]*\):.*/\1/p' "$debian/etc/group")
    start_servers
    write_job "$jobs" "$group" accept-new
    expect "a night as the service's user: ${command[*]}" as_service "$trial/calls" "${command[@]}"
    end_servers
    expect "it used only system calls that the unit allows" prints '' refused_calls "$trial/calls"
    expect "the log is in /var/log/scripting-system" test -s "$debian/var/log/scripting-system/log.log"
    expect "logrotate rotates it" in_debian logrotate --force /etc/logrotate.d/scripting-system-jobs
    expect "the rotated log is kept" test -s "$debian/var/log/scripting-system/log.log.1"
}

# The operator's changes and files. Each is a line `path checksum`.
operators_files() {
    (cd -- "$debian" && sha256sum etc/scripting-system/jobs/{_common.json,demo.json} etc/scripting-system/jobs/secrets/* \
        var/lib/scripting-system/id_ed25519 etc/systemd/system/scripting-system.service.d/override.conf)
}

try_upgrade() {
    local before
    sed -i 's/"log": {/"retry": {"attempts": 5}, "log": {/' "$debian/etc/scripting-system/jobs/_common.json"
    chmod 0644 -- "$debian/etc/scripting-system/jobs/_common.json"
    mkdir -- "$debian/etc/systemd/system/scripting-system.service.d"
    printf '[Service]\nNice=5\n' >"$debian/etc/systemd/system/scripting-system.service.d/override.conf"
    printf 'a key' >"$debian/var/lib/scripting-system/id_ed25519"
    before=$(operators_files)
    expect "an upgrade" apt_install /tmp/next.deb
    expect "keeps the operator's edits and files" prints "$before" operators_files
    expect "keeps a changed mode" prints 'root:scripting-system 644' owner_and_mode /etc/scripting-system/jobs/_common.json
    expect "puts the new default next to the edited file" \
        grep -q '"level"' "$debian/etc/scripting-system/jobs/_common.json.dpkg-dist"
    expect "replaces the unit" grep -q 'next version' "$debian/usr/lib/systemd/system/scripting-system.service"
}

try_removal() {
    local before
    before=$(operators_files)
    expect "removing" in_debian apt-get remove -y -q scripting-system
    expect "removes the program and the unit" \
        prints '' find "$debian"/usr/{bin,lib/systemd,lib/sysusers.d,share} -name '*scripting-system*'
    expect "keeps the operator's edits and files" prints "$before" operators_files
    expect "keeps the log" test -s "$debian/var/log/scripting-system/log.log.1"

    before=$(grep -v '/_common\.json$' <<<"$before")
    expect "purging" in_debian apt-get purge -y -q scripting-system
    expect "keeps the operator's files" checksums_agree "$before"
    expect "keeps the user, because they belong to its group" grep -q ^scripting-system: "$debian/etc/passwd"
    rm -r -- "$debian"/etc/scripting-system "$debian"/var/lib/scripting-system \
        "$debian"/etc/systemd/system/scripting-system.service.d
    expect "and no other file is left" prints '> scripting-system' changes

    expect "installing again" apt_install /tmp/next.deb
    printf '{}' >"$debian/etc/scripting-system/jobs/mine.json"
    expect "purging, with a job that belongs to root" in_debian apt-get purge -y -q scripting-system
    expect "keeps the job, and nothing else" prints $'> ./etc/scripting-system d\n> ./etc/scripting-system/jobs d
> ./etc/scripting-system/jobs/mine.json f 2' changes
    rm -r -- "$debian/etc/scripting-system"

    expect "installing again" apt_install /tmp/next.deb
    expect "purging at once" in_debian dpkg --purge scripting-system
    expect "leaves nothing behind" prints '' changes
}

checksums_agree() {
    (cd -- "$debian" && sha256sum --check --quiet <<<"$1")
}

# The difference to the chroot before the package was installed.
changes() {
    diff "$trial/fresh-files" <(list_files) | grep '^[<>]' | uniq
}

try_deb() {
    local deb
    expect "the package is built" "$top/scripts/package.sh" "${binary[@]}" --output "$trial/packages" deb
    deb=$(echo "$trial"/packages/*.deb)
    [[ -f $deb ]] || return 0
    printf '       %s\n' "$(dpkg-deb --field "$deb" Depends)"
    expect "lintian finds no error" lintian --fail-on error "$deb"
    create_chroot
    next_version "$deb" "$debian/tmp/next.deb"
    cp -- "$deb" "$debian/tmp/first.deb"
    in_debian apt-get update -q >/dev/null
    list_files >"$trial/fresh-files"

    expect "apt installs it" apt_install /tmp/first.deb
    try_installed
    try_night
    try_upgrade
    try_removal
}
