#!/usr/bin/env bash
# The servers of a trial on this machine, all on loopback: an OpenSSH of its own, and the web server and the proxy of
# examples/. Scripts source this file; run by itself it does nothing.
#
# A trial begins with begin_trial. When the script ends, however it does, what was started is ended and the trial's
# folder is removed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

# What the scripts need to have built: cargo's options.
# shellcheck disable=SC2034 # used by the scripts that source this file
trial_tools=(--bin web_server --bin proxy)
# Where cargo put it.
built=$(target_folder)/release

# The processes that were started and not yet ended, as keys.
declare -A own_processes=()

# Makes the folder $trial in the folder $1, and has it removed at the end.
begin_trial() {
    trial=$(mktemp -d -- "$1/trial.XXXXXX")
    trap end_trial EXIT
}

end_trial() {
    local process
    # Whoever ends the script twice ends the servers all the same.
    trap '' HUP INT TERM
    for process in "${!own_processes[@]}"; do
        end_process "$process"
    done
    rm -rf -- "$trial"
}

# Runs "$@" in the background as $started. It has a process group of its own, so that what it starts is ended with it.
start_process() {
    set -m
    "$@" &
    started=$!
    set +m
    own_processes[$started]=
}

# Waits for the process $1, and gives its exit code.
wait_for_process() {
    local code=0
    wait "$1" || code=$?
    unset "own_processes[$1]"
    return "$code"
}

# Ends the process $1 and what it has started.
end_process() {
    kill -- "-$1" 2>/dev/null || true
    wait_for_process "$1" 2>/dev/null || true
}

# Waits up to 20 seconds until "$@" succeeds.
wait_until() {
    local tries
    for ((tries = 0; tries < 400; tries++)); do
        "$@" && return
        sleep 0.05
    done
    fail "gave up waiting for: $*"
}

# Whether something listens on the port $1 of this machine.
listens() {
    (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null
}

# Whether the process $1 has ended or something listens on the port $2.
has_ended_or_listens() {
    ! kill -0 "$1" 2>/dev/null || listens "$2"
}

# Starts an OpenSSH server on the port $ssh_port, which lets the present user in with the key $user_key.
start_sshd() {
    local key tries
    if ((EUID == 0)) && [[ ! -d /run/sshd ]]; then
        mkdir -m 0755 /run/sshd # for sshd's separation of privileges
    fi
    for key in host user; do
        ssh-keygen -q -t ed25519 -N '' -f "$trial/$key"
    done
    # shellcheck disable=SC2034 # used by the scripts that source this file
    user_key=$trial/user
    # A port that is free now may be taken a moment later.
    for ((tries = 0; tries < 5; tries++)); do
        ssh_port=$((20000 + RANDOM % 10000))
        ! listens "$ssh_port" || continue
        cat >"$trial/sshd_config" <<END
Port $ssh_port
ListenAddress 127.0.0.1
HostKey $trial/host
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
MaxStartups 100
AuthorizedKeysFile $trial/user.pub
Subsystem sftp internal-sftp
END
        start_process /usr/sbin/sshd -D -e -f "$trial/sshd_config" 2>"$trial/sshd.log"
        wait_until has_ended_or_listens "$started" "$ssh_port"
        if kill -0 "$started" 2>/dev/null; then
            return
        fi
        end_process "$started"
    done
    fail "sshd does not start: $(cat "$trial/sshd.log")"
}

# Starts a web server for the folder $1, with the further options $@ of the tool, as the process $web_process on
# the port $web_port. What a client is to trust is $ca_file.
start_web_server() {
    local folder=$1
    shift
    start_process "$built/web_server" --port 0 --folder "$folder" "$@" >"$trial/web.out"
    web_process=$started
    wait_until grep -q '^Serving ' "$trial/web.out"
    # shellcheck disable=SC2034 # used by the scripts that source this file
    web_port=$(sed -n 's|^Serving .*:\([0-9]*\)/$|\1|p' "$trial/web.out")
    # shellcheck disable=SC2034 # used by the scripts that source this file
    ca_file=$(dirname -- "$folder")/.$(basename -- "$folder")-tls/$(basename -- "$folder").pem
}

# Ends the web server. How many bytes of files it has sent is $web_bytes.
end_web_server() {
    end_process "$web_process"
    # shellcheck disable=SC2034 # used by the scripts that source this file
    web_bytes=$(sed -n 's/.* requests, \([0-9]*\) bytes sent\.$/\1/p' "$trial/web.out")
}

# Starts a proxy to the port $1, with the further options $@ of the tool, as the process $proxy_process on the port
# $proxy_port.
start_proxy() {
    local to=$1 out
    shift
    out=$(mktemp -- "$trial/proxy.XXXXXX")
    start_process "$built/proxy" --to "127.0.0.1:$to" "$@" >"$out"
    # shellcheck disable=SC2034 # used by the scripts that source this file
    proxy_process=$started
    wait_until grep -q '^Listening on ' "$out"
    # shellcheck disable=SC2034 # used by the scripts that source this file
    proxy_port=$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' "$out")
}
