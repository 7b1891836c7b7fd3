#!/usr/bin/env bash
# Part of install_dependencies.sh: --systemd, which installs what the Debian package does, with the same unit files, user and
# folders (packaging), for machines without dpkg.
# shellcheck disable=SC2034,SC2154 # variables that install_dependencies.sh and its other parts set or use
set -euo pipefail

packaging=$top/packaging

# Sets the paths below the root folder; $prefix too, because only the unit names it without the root folder.
set_systemd_paths() {
    ((EUID == 0)) || fail "--systemd requires root"
    prefix=$root$prefix
    jobs=$root/etc/scripting-system/jobs
    unit_folder=$root/etc/systemd/system
    user_file=$root/etc/sysusers.d/scripting-system.conf
    jobs_rotation=$root/etc/logrotate.d/scripting-system-jobs
    schema=$prefix/share/scripting-system/config.schema.json
    # `check` of a new program reads all jobs.
    config=$jobs
    [[ ! -e $root/usr/lib/systemd/system/scripting-system.service && ! -e $root/lib/systemd/system/scripting-system.service ]] ||
        fail "the Debian package scripting-system is installed; use it, or remove it first"
}

# Whether systemd runs on the machine that the script installs to.
systemd_runs() {
    [[ -z $root && -d /run/systemd/system ]]
}

install_with_systemd() {
    local folder unit state=enabled
    folder=$(dirname -- "$schema")
    mkdir -p -- "$jobs" "$unit_folder" "$(dirname -- "$user_file")" "$(dirname -- "$jobs_rotation")" "$folder"
    require_safe_places
    "$installed" gen-config --output "$schema" --schema --force ||
        fail "the program could not write the configuration schema; its message is above"
    install -m 0644 -- "$packaging/systemd/sysusers.conf" "$user_file"
    [[ -e $jobs/_common.json ]] || install -m 0640 -- "$packaging/jobs/_common.json" "$jobs/_common.json"
    [[ -e $jobs_rotation ]] || install -m 0644 -- "$packaging/logrotate/scripting-system-jobs" "$jobs_rotation"
    DPKG_ROOT=$root sh "$packaging/debian/postinst" configure ||
        fail "the user scripting-system or its folders could not be created; the messages are above"
    for unit in scripting-system.service scripting-system.timer; do
        sed "s|^ExecStart=/usr/bin/scripting-system|ExecStart=${installed#"$root"}|" "$packaging/systemd/$unit" \
            >"$unit_folder/.$unit"
        mv -fT -- "$unit_folder/.$unit" "$unit_folder/$unit"
    done
    systemctl ${root:+"--root=$root"} --quiet enable scripting-system.timer ||
        fail "systemctl could not enable scripting-system.timer; its message is above"
    if systemd_runs; then
        systemctl daemon-reload
        systemctl start scripting-system.timer
        state="enabled and started"
    fi
    cat <<STEPS
Jobs:           $jobs
User:           scripting-system
Schema:         $schema
Log:            /var/log/scripting-system/log.log, rotated by $jobs_rotation
Timer:          $unit_folder/scripting-system.timer ($state)

Next steps:
 1. Write a job, for example $jobs/shop.json, which the user scripting-system can read
 2. Check that a run will work; this sends no dump and removes nothing:
      sudo -u scripting-system ${installed#"$root"} check --config ${jobs#"$root"}
STEPS
}

uninstall_with_systemd() {
    local file
    if systemd_runs; then
        systemctl stop scripting-system.timer scripting-system.service 2>/dev/null || true
    fi
    systemctl ${root:+"--root=$root"} --quiet disable scripting-system.timer 2>/dev/null || true
    for file in "$unit_folder"/scripting-system.{service,timer} "$user_file" "$jobs_rotation" "$schema"; do
        remove_file "$file"
    done
    rmdir --ignore-fail-on-non-empty -- "$(dirname -- "$schema")" 2>/dev/null || true
    ! systemd_runs || systemctl daemon-reload
    remove_program "$crontab_now"
    if [[ -n $purge ]]; then
        rm -f -- "$jobs/_common.json"
        DPKG_ROOT=$root sh "$packaging/debian/postrm" purge
    fi
    [[ ! -e $jobs ]] || echo "Kept:           $jobs"
}
