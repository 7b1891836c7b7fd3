#!/usr/bin/env bash
# Shared by the trials: private servers on loopback, Markdown tables, and the error count. A script sources this file and
# calls begin_trial; when the script ends, the servers are stopped and the trial's folder is removed.
# shellcheck disable=SC2034 # the scripts that source this file use the variables
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../prerequisites.sh"

# The folder where build_release puts the program and the tools.
built=$(target_folder)/release
# The log of the server that start_on_free_port starts.
server_log=
# OpenSSH would try an agent's keys first.
unset SSH_AUTH_SOCK
# awk needs numbers with a decimal point.
export LC_ALL=C

# The running processes, as keys.
declare -A own_processes=()

# Creates the folder $trial in the folder $1, and removes it when the script ends.
begin_trial() {
    trial=$(mktemp -d -- "$1/trial.XXXXXX")
    trap end_trial EXIT
}

end_trial() {
    local process
    # A second signal must not interrupt this.
    trap '' HUP INT TERM
    for process in "${!own_processes[@]}"; do
        end_process "$process"
    done
    rm -rf -- "$trial"
}

# Runs "$@" in the background as $started, in its own process group, so that its children are stopped with it.
start_process() {
    set -m
    "$@" &
    started=$!
    set +m
    own_processes[$started]=
}

# Waits for the process $1 and returns its exit code.
wait_for_process() {
    local code=0
    wait "$1" || code=$?
    unset "own_processes[$1]"
    return "$code"
}

# Stops the process $1 and its children.
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
    fail "this did not succeed within 20 seconds: $*"
}

# Whether a server listens on the port $1 of this machine.
listens() {
    (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null
}

# Whether the process $1 has ended, or a server listens on the port $2.
has_ended_or_listens() {
    ! kill -0 "$1" 2>/dev/null || listens "$2"
}

# Calls "$@", which starts a server on the port $port with start_process; tries other ports until one is free. The server's
# messages are in the file $server_log.
start_on_free_port() {
    local tries
    for ((tries = 0; tries < 5; tries++)); do
        port=$((20000 + RANDOM % 10000))
        ! listens "$port" || continue
        "$@"
        wait_until has_ended_or_listens "$started" "$port"
        if kill -0 "$started" 2>/dev/null; then
            return
        fi
        end_process "$started"
    done
    fail "this server did not start: $*
$(tail -n 20 -- "$server_log")"
}

# Starts OpenSSH on the port $port with the host key $1 and the authorized keys $2, through the command $3... if given.
start_openssh() {
    provide_sshd_folder
    cat >"$trial/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $1
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
MaxStartups 100
AuthorizedKeysFile $2
Subsystem sftp internal-sftp
END
    start_process "${@:3}" /usr/sbin/sshd -D -e -f "$trial/sshd_config" 2>"$server_log"
}

# Starts the web server for the folder $1 with the options $2..., as the process $web_process on the port $web_port. Its
# certificate authority is $ca_file.
start_web_server() {
    local folder=$1
    shift
    start_process "$built/web_server" --port 0 --folder "$folder" "$@" >"$trial/web.out"
    web_process=$started
    wait_until grep -q '^Serving ' "$trial/web.out"
    web_port=$(sed -n 's|^Serving .*:\([0-9]*\)/$|\1|p' "$trial/web.out")
    ca_file=$(dirname -- "$folder")/.$(basename -- "$folder")-tls/$(basename -- "$folder").pem
}

# Stops the web server. Sets $web_bytes to the number of file bytes that it has sent.
end_web_server() {
    end_process "$web_process"
    web_bytes=$(sed -n 's/.* requests, \([0-9]*\) bytes sent\.$/\1/p' "$trial/web.out")
}

# Starts the proxy to the port $1 with the options $2..., as the process $proxy_process on the port $proxy_port.
start_proxy() {
    local to=$1 out
    shift
    out=$(mktemp -- "$trial/proxy.XXXXXX")
    start_process "$built/proxy" --to "127.0.0.1:$to" "$@" >"$out"
    proxy_process=$started
    wait_until grep -q '^Listening on ' "$out"
    proxy_port=$(sed -n 's/^Listening on .*:\([0-9]*\)$/\1/p' "$out")
}

# The number of errors.
errors=0

# Starts the section $1 of the output.
heading() {
    printf '\n## %s\n\n' "$1"
}

# Adds a row with the cells $@ to the table.
row() {
    local IFS=$'\t'
    printf '%s\n' "$*" >>"$trial/table"
}

# Prints the table, with the first row as the header, and starts another one.
print_table() {
    awk -F '\t' '
        { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
        END {
            for (r = 1; r <= NR; r++) {
                for (i = 1; i <= NF; i++) printf "| %-" width[i] "s ", cell[r, i]
                print "|"
                if (r > 1) continue
                for (i = 1; i <= NF; i++) { line = sprintf("%" width[i] + 2 "s", ""); gsub(/ /, "-", line); printf "|" line }
                print "|"
            }
        }' "$trial/table"
    rm -- "$trial/table"
}

# Reports the error $1: the script will exit with 1.
report_error() {
    printf 'ERROR: %s\n' "$1"
    errors=$((errors + 1))
}
