#!/usr/bin/env bash
# Part of install_dependencies.sh: checks that only root controls the folders that root writes to. Another user with
# control of a folder could replace a file or folder in it with a link at any moment, and root would follow it.
# shellcheck disable=SC2034,SC2154 # variables that install_dependencies.sh and its other parts set or use
set -euo pipefail

# Whether the group with the id $1 has members other than root. Debian's group staff does not count: it may write
# /usr/local by policy (Debian policy 9.1.2).
group_has_others() {
    local entry name members member
    [[ $1 != 0 ]] || return 1
    entry=$(getent group "$1") || entry=
    IFS=: read -r name _ _ members <<<"$entry"
    [[ $name != staff ]] || return 1
    for member in ${members//,/ }; do
        [[ $member == root ]] || return 0
    done
    getent passwd | awk -F: -v gid="$1" '$4 == gid && $3 != 0 { found = 1 } END { exit !found }'
}

# Checks only the existing folder or link $1: if users other than root could replace its contents or its target, sets
# $culprit to the reason. A file needs no check: in a folder that passes, only root can replace it with a link.
check_component() {
    local status uid gid mode kind
    status=$(stat -c '%u %g %a %F' -- "$1") || fail "the owner of $1 could not be read"
    read -r uid gid mode kind <<<"$status"
    [[ $kind == directory || $kind == 'symbolic link' ]] || return 0
    mode=$((8#$mode))
    if ((uid != 0)); then
        culprit="$1 belongs to $(id -nu -- "$uid" 2>/dev/null || echo "user $uid")"
    elif [[ $kind != directory ]] || ((mode & 8#1000)); then
        return 0 # in a sticky folder such as /tmp, nobody else can replace root's files
    elif ((mode & 8#002)); then
        culprit="everyone can write $1 (mode $(printf '%04o' "$mode"))"
    elif ((mode & 8#020)) && group_has_others "$gid"; then
        culprit="the group $(stat -c %G -- "$1") can write $1 (mode $(printf '%04o' "$mode"))"
    fi
}

# Checks every existing folder and link on the path $1. Follows links like the kernel, and checks their targets in the same
# way. $2 is the number of links followed so far.
check_path() {
    local at='' part parts target links=${2:-0}
    ((links < 40)) || fail "there are too many links in the path $1"
    IFS=/ read -r -a parts <<<"$1"
    check_component /
    for part in "${parts[@]}"; do
        [[ -z $culprit ]] || return 0
        [[ -n $part && $part != . ]] || continue
        at+=/$part
        if [[ -L $at ]]; then
            check_component "$at"
            [[ -z $culprit ]] || return 0
            target=$(readlink -- "$at")
            [[ $target == /* ]] || target=${at%/*}/$target
            check_path "$target" $((links + 1))
        elif [[ -e $at ]]; then
            check_component "$at"
        else
            return 0
        fi
    done
}

# Whether only root can change the targets of the paths $@; otherwise sets $culprit to the reason. Always true for other
# users, who write only with their own permissions.
only_root_controls() {
    local path
    culprit=
    ((EUID == 0)) || return 0
    for path in "$@"; do
        check_path "$path"
        [[ -z $culprit ]] || return 1
    done
}

# Exits unless only root controls the paths $2...; $1 is the option that sets them.
require_root_control() {
    local option=$1
    shift
    only_root_controls "$@" || fail "root does not write there: $culprit.
With a link, that user could make root write to any file.
Choose a folder that only root controls with $option, or run this script as that user, without root."
}
