#!/usr/bin/env bash
# Measures how much memory and disk a run takes: ships a dump of 1 GiB from a web server to an SFTP server, both on
# this machine, and watches the release build meanwhile.
#
# Usage: scripts/measure_memory.sh [the dump's size in MiB]
#
# It prints the peak of the program's memory, the time that it took, and the peak of what it kept on disk, which must
# never be more than the ZIP and the archive: the dump itself is nowhere in clear. It exits with 1 where the memory
# reaches 64 MiB, or the disk that limit. Needs about twice the size of the ZIP in $TMPDIR (/tmp).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/prerequisites.sh"

memory_limit_kib=$((64 * 1024))

case ${1:-1024} in
-h | --help)
    print_help
    exit 0
    ;;
*[!0-9]* | 0*) fail_usage "not a size in MiB: $1" ;;
*) mebibytes=${1:-1024} ;;
esac

find_missing_packages openssh-server openssh-client time
((${#missing[@]} == 0)) || fail "measuring needs what these Debian packages bring, and it is missing: ${missing[*]}"
require_cargo
require_build_packages
cd -- "$top"
cargo build --release --locked --bin scripting-system --example web_server --example large_zip
built=$(target_folder)/release

folder=$(mktemp -d)
own_processes=()
clean_up() {
    local process
    for process in "${own_processes[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
    rm -rf -- "$folder"
}
trap clean_up EXIT
mkdir "$folder/web" "$folder/temporary" "$folder/archives"

echo "Making a ZIP with a dump of $mebibytes MiB"
"$built/examples/large_zip" --bytes $((mebibytes * 1024 * 1024)) "$folder/web/my_zip.zip"
zip_bytes=$(stat -c %s "$folder/web/my_zip.zip")

# Waits up to 20 seconds until "$@" succeeds.
wait_until() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        "$@" && return
        sleep 0.1
    done
    fail "gave up waiting for: $*"
}

# Whether something listens on the port $1 of this machine.
listens() {
    (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null
}

"$built/examples/web_server" --port 0 --folder "$folder/web" >"$folder/web.out" &
own_processes+=($!)
wait_until grep -q '^Serving ' "$folder/web.out"
web_port=$(sed -n 's|^Serving .*:\([0-9]*\)/$|\1|p' "$folder/web.out")

if ((EUID == 0)) && [[ ! -d /run/sshd ]]; then
    mkdir -m 0755 /run/sshd # for sshd's separation of privileges
fi
for key in host user; do
    ssh-keygen -q -t ed25519 -N '' -f "$folder/$key"
done
ssh_port=$((20000 + RANDOM % 10000))
while listens "$ssh_port"; do
    ssh_port=$((ssh_port + 1))
done
cat >"$folder/sshd_config" <<END
Port $ssh_port
ListenAddress 127.0.0.1
HostKey $folder/host
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
AuthorizedKeysFile $folder/user.pub
Subsystem sftp internal-sftp
END
/usr/sbin/sshd -D -e -f "$folder/sshd_config" 2>"$folder/sshd.log" &
own_processes+=($!)
wait_until listens "$ssh_port"

# max_age_days: midnight may pass meanwhile.
cat >"$folder/config.json" <<END
{
  "source": {
    "url": "https://127.0.0.1:$web_port/my_zip.zip",
    "dump": "dumpfile.sql",
    "max_age_days": 1,
    "ca_file": "$folder/.web-tls/web.pem"
  },
  "archive": {"work_directory": "temporary"},
  "sftp": {
    "host": "127.0.0.1",
    "port": $ssh_port,
    "username": "$(id -un)",
    "private_key": "user",
    "known_hosts": "known_hosts",
    "directory": "$folder/archives"
  }
}
END
chmod 600 "$folder/config.json"

# Prints how many bytes the process $1 keeps in the work directory: in files with a name, and in those that have none
# and show only as open file descriptors.
bytes_on_disk() {
    {
        find "$folder/temporary" -type f -printf '%s\n'
        find "/proc/$1/fd" -lname "$folder/temporary/*(deleted)" -exec stat -L -c '%i %s' {} + 2>/dev/null |
            sort -u | cut -d ' ' -f 2
    } | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

echo "Shipping it"
/usr/bin/time -v -o "$folder/time" "$built/scripting-system" run --config "$folder/config.json" &
timed=$!
own_processes+=("$timed")
disk_peak=0
samples=0
while kill -0 "$timed" 2>/dev/null; do
    # The fourth field is the parent (proc(5)); processes may end meanwhile.
    program=$(awk -v parent="$timed" '$4 == parent { print $1; exit }' /proc/[0-9]*/stat 2>/dev/null || true)
    if [[ -n ${program:-} ]]; then
        now=$(bytes_on_disk "$program" || echo 0)
        samples=$((samples + 1))
        if ((now > disk_peak)); then
            disk_peak=$now
        fi
    fi
    sleep 0.05
done
wait "$timed" || fail "the run failed: $(cat "$folder/log.log")"

archive_bytes=$(find "$folder/archives" -type f -name '*.tgz' -printf '%s\n')
[[ -n $archive_bytes ]] || fail "nothing was delivered: $(cat "$folder/log.log")"
memory_kib=$(sed -n 's/.*Maximum resident set size (kbytes): //p' "$folder/time")
wall=$(sed -n 's/.*Elapsed (wall clock) time .*: \([0-9:.]*\)$/\1/p' "$folder/time")

in_mib() {
    awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'
}
printf '\n%-24s %s\n' \
    'dump' "$mebibytes.0 MiB" \
    'ZIP' "$(in_mib "$zip_bytes")" \
    'archive' "$(in_mib "$archive_bytes")" \
    'wall time (min:s)' "$wall" \
    'peak memory' "$(in_mib $((memory_kib * 1024)))" \
    'peak on disk' "$(in_mib "$disk_peak") (of $samples samples)"

if ((samples == 0 || disk_peak == 0)); then
    fail "verdict: nothing was seen of the run's files; give it a larger dump"
elif ((memory_kib >= memory_limit_kib)); then
    fail "verdict: too much memory; the limit is $((memory_limit_kib / 1024)) MiB"
elif ((disk_peak > zip_bytes + archive_bytes)); then
    fail "verdict: more on disk than the ZIP and the archive: is the dump there in clear?"
fi
echo "verdict: good; memory below $((memory_limit_kib / 1024)) MiB, and no dump in clear on the disk"
