#!/usr/bin/env bash
# Takes screenshots of the mail after several kinds of runs: successful, with warnings, stale, failed and others, in light
# and dark mode, at the width of a phone and of a browser.
#
# Usage: scripts/dev/mail_pictures.sh [--folder FOLDER] [--width PIXELS]... [--document]
#
# The pictures and their HTML go to mail_pictures/ in cargo's target folder, or to FOLDER. The default widths are 380 and
# 1100. --document replaces docs/mail.png and docs/jobs.png, light, 900 pixels wide: a successful run, and the top of the
# mail about several jobs. Requires Debian's package
# chromium; installs nothing and loads nothing from the network.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../prerequisites.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../prerequisites.sh"

folder=
widths=()
documents=false
while (($# > 0)); do
    case $1 in
    --folder)
        [[ -n ${2:-} ]] || fail_usage "$1 needs a folder"
        folder=$2
        shift
        ;;
    --width)
        [[ ${2:-} =~ ^[1-9][0-9]{2,3}$ ]] || fail_usage "$1 needs a number from 100 to 9999"
        widths+=("$2")
        shift
        ;;
    --document) documents=true ;;
    *) fail_usage "unknown argument: $1" ;;
    esac
    shift
done
((${#widths[@]} > 0)) || widths=(380 1100)

require_cargo
command -v chromium >/dev/null || fail "chromium is not installed. Install Debian's package chromium"
[[ -n $folder ]] || folder=$(target_folder)/mail_pictures
mkdir -p -- "$folder"
folder=$(cd -- "$folder" && pwd)
cd -- "$top"
MAIL_PICTURES=$folder OPENSSL_NO_VENDOR=1 cargo test --locked --quiet --lib for_pictures -- --ignored

profile=$(mktemp -d)
trap 'rm -rf -- "$profile"' EXIT

# Runs the browser with $@ and a temporary profile.
browse() {
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$profile/data" --hide-scrollbars "$@" \
        2>"$profile/errors" || fail "chromium failed: $(<"$profile/errors")"
}

# Prints the height of the mail $1 at a width of $2 pixels.
height_of() {
    local measured=$profile/measured.html height
    # A script in a copy of the mail measures the page: a window has a minimum width, a page does not.
    local script="const page = document.documentElement; page.style.width = '$2px'; page.dataset.height = page.offsetHeight"
    sed "s#</body>#<script>$script</script></body>#" "$1" >"$measured"
    height=$(browse --window-size="$2",1000 --dump-dom "file://$measured" | sed -n 's/.*data-height="\([0-9]*\)".*/\1/p')
    [[ -n $height ]] || fail "cannot measure the height of $1"
    printf '%s\n' "$height"
}

# Takes the picture $5 of the mail $1, $2 pixels wide and $3 high, in the mode $4 (light or dark).
take() {
    local scheme=1
    [[ $4 == light ]] || scheme=0
    browse --window-size="$2,$3" --blink-settings=preferredColorScheme="$scheme" --screenshot="$5" "file://$1"
}

for mail in "$folder"/*.html; do
    for width in "${widths[@]}"; do
        height=$(height_of "$mail" "$width")
        for scheme in light dark; do
            take "$mail" "$width" "$height" "$scheme" "${mail%.html}-$scheme-$width.png"
        done
    done
done
if $documents; then
    for picture in good:mail jobs:jobs; do
        mail=$folder/${picture%:*}.html
        height=$(height_of "$mail" 900)
        take "$mail" 900 "$((height < 1000 ? height : 1000))" light "$top/docs/${picture#*:}.png"
    done
fi
printf 'The pictures are in %s\n' "$folder"
