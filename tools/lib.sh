# Shared by tools/demo and tools/check: words on the screen, missing packages, processes that must not be left behind.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

minutes() { # SECONDS
    printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# Reads lines and keeps them in a log. On a terminal the newest one is shown, in place of the one before.
keep_log() { # LOG
    local line width
    width=$(tput cols 2>/dev/null || echo 80)
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$1"
        if [ -t 1 ]; then
            line=${line//[[:cntrl:]]/}
            printf '\r\033[K    %s' "${line:0:width-5}"
        fi
    done
    if [ -t 1 ]; then
        printf '\r\033[K'
    fi
}

# Runs a command with its output in a log; what went wrong is shown if it fails.
run_step() { # LOG WHAT COMMAND...
    local log=$1 what=$2 began=$SECONDS
    shift 2
    say "  $what ..."
    printf '\n$ %s\n' "$*" >>"$log"
    if ! "$@" 2>&1 </dev/null | keep_log "$log"; then
        tail -n 40 "$log" >&2
        printf '%s: %s failed; all of its output is in %s\n' "${0##*/}" "$what" "$log" >&2
        return 1
    fi
    if [ $((SECONDS - began)) -ge 5 ]; then
        say "    took $(minutes $((SECONDS - began)))"
    fi
}

is_installed() { # PACKAGE
    local status
    status=$(dpkg-query -W -f='${db:Status-Status} ' "$1" 2>/dev/null) || return 1
    [[ $status == installed* ]]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Installs those Debian packages that are not there yet. Where none is missing it needs neither root nor a network.
install_missing() { # LOG PACKAGE=REASON...
    local log=$1 entry missing=()
    shift
    if ! command -v dpkg-query >/dev/null; then
        say "This is no Debian: taking for granted that these are installed: ${*%%=*}"
        return
    fi
    for entry; do
        is_installed "${entry%%=*}" || missing+=("$entry")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    say "Missing, to be installed with apt-get:"
    for entry in "${missing[@]}"; do
        printf '    %-16s %s\n' "${entry%%=*}" "${entry#*=}"
    done
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "installing needs root. Run as root: apt-get install ${missing[*]%%=*}"
        sudo -v || die "installing needs root, and sudo refused"
    fi
    run_step "$log" "apt-get update" as_root apt-get update -q -o DPkg::Lock::Timeout=120 ||
        die "no list of packages: is there a network? Missing: ${missing[*]%%=*}"
    run_step "$log" "apt-get install" as_root apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 \
        "${missing[@]%%=*}" || die "these packages could not be installed: ${missing[*]%%=*}"
}

# Processes in the background. Whatever way the script ends, those that it started end with it.
started=()

stop_started() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    started=()
}

trap stop_started EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
