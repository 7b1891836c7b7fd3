#!/usr/bin/env bash
# Part of interop.sh: ZIPs by several programs.
# shellcheck disable=SC2034,SC2154 # variables that interop.sh and its other parts set or use
set -euo pipefail

zip_packages=(zip p7zip-full python3 default-jdk-headless libarchive-tools tzdata)

# Each function creates my_zip.zip from dumpfile.sql in the current folder, and sets $maker.

info_zip() {
    maker="Info-ZIP $(zip -v | sed -n 's/^This is Zip \([0-9.]*\).*/\1/p')"
    zip -q my_zip.zip dumpfile.sql
}

# With DOS times only, which are local.
info_zip_without_extras() {
    info_zip
    maker+=" -X"
    zip -q -X my_zip.zip dumpfile.sql
}

# A pipe cannot seek, so the sizes follow the data.
info_zip_through_a_pipe() {
    info_zip
    maker+=" through a pipe"
    zip -q - dumpfile.sql | cat >my_zip.zip
}

seven_zip() {
    maker="7-Zip $(7z i | sed -n 's/^7-Zip .* \([0-9]*\.[0-9]*\) .*/\1/p' | head -n 1)"
    7z a -bd -tzip my_zip.zip dumpfile.sql >/dev/null
}

seven_zip_deflate64() {
    seven_zip
    maker+=" -mm=Deflate64"
    rm my_zip.zip
    7z a -bd -tzip -mm=Deflate64 my_zip.zip dumpfile.sql >/dev/null
}

python_zipfile() {
    maker="Python $(python3 -c 'import platform; print(platform.python_version())') zipfile"
    python3 -m zipfile -c my_zip.zip dumpfile.sql
}

java_jar() {
    maker="$(jar --version)"
    jar --create --no-manifest --file my_zip.zip dumpfile.sql
}

bsdtar_zip() {
    maker="$(bsdtar --version | sed 's/ -.*//')"
    bsdtar --format zip -cf my_zip.zip dumpfile.sql
}

section_zip() {
    local make maker
    heading "ZIPs, in the zone Europe/Paris"
    # The zone of the DOS times, for all programs.
    export TZ=Europe/Paris
    row "maker" "delivered byte for byte" "modification time kept" "time in the ZIP"
    for make in info_zip info_zip_without_extras info_zip_through_a_pipe seven_zip seven_zip_deflate64 python_zipfile \
        java_jar bsdtar_zip; do
        mkdir -- "$published/zip_$make"
        # Text, because random bytes would be stored uncompressed.
        seq 1 300000 >"$published/zip_$make/dumpfile.sql"
        touch -d "@$((EPOCHSECONDS / 2 * 2 - 10))" -- "$published/zip_$make/dumpfile.sql"
        pushd "$published/zip_$make" >/dev/null
        $make
        popd >/dev/null
        try_zip "$make"
    done
    unset TZ
    print_table
}

# Tests the ZIP of $1.
try_zip() {
    local bytes
    new_archives "$1"
    fetch_from_default_server "zip_$1"
    run_program
    expect "$maker: fresh" "yes" exited_with 0
    expect "$maker: bytes" "$cell" contains_dump "zip_$1"
    bytes=$cell
    expect "$maker: time" "yes" delivered "zip_$1"
    row "$maker" "$bytes" "$cell" "$(times_in_zip "$published/zip_$1/my_zip.zip")"
}

# Whether the archive of the last run contains the bytes of the dump in the folder $1 of $published.
contains_dump() {
    find_archive && tar -xzOf "$archive" dumpfile.sql | cmp -- - "$published/$1/dumpfile.sql"
}

# Prints the kinds of times, besides DOS times, of the first entry in the directory of the ZIP $1.
times_in_zip() {
    python3 - "$1" <<'END'
import struct, sys, zipfile

extra, kinds = zipfile.ZipFile(sys.argv[1]).infolist()[0].extra, []
while len(extra) >= 4:
    kind, size = struct.unpack("<HH", extra[:4])
    kinds += {0x5455: ["Unix"], 0x000A: ["NTFS"]}.get(kind, [])
    extra = extra[4 + size:]
print(" and ".join(kinds) or "only DOS")
END
}
