# For tests in shell: results, files, time and reboots, wherever the test runs. Copy this file into your tree.
#
#     . ./atex-test.sh
#     atex_report pass ipv4
#     atex_report fail ipv6 'address in use' server.log
#     atex_end
#
# Under ATEX (this one and the one in Python) that is said over test control, see atex-control(7). Elsewhere, under
# tmt, Beaker or by hand, results are printed, and the exit status of `atex_end` says how the test went. So it
# is the same test everywhere.
#
# It is for bash, dash and busybox sh, and needs coreutils or busybox. It leaves nothing in the shell but names that begin
# with atex_.

# ---- What a test calls

# Reports a result. STATUS is pass, fail, info, warn, skip or error; NAME that of a subtest, and without one (or with '')
# the result is for the test itself; NOTE a short text; the FILEs are kept with it, under their own names.
atex_report() { # STATUS [NAME [NOTE [FILE]...]]
    local status=${1-} name=${2-} note=${3-} json
    case $status in
    pass | fail | info | warn | skip | error) ;;
    *)
        echo "atex_report: '$status': expected pass, fail, info, warn, skip or error" >&2
        return 2
        ;;
    esac
    shift $(($# < 3 ? $# : 3))
    # What subshells report counts, too; so this is a file.
    echo "${name:+sub}test $status" >>"$atex_state"
    if [ -z "$atex_control" ]; then
        printf '%s\n' "$status${name:+ $name}${note:+: $note}"
        atex_keep "$@"
        return
    fi
    json="\"status\":\"$status\""
    [ -z "$name" ] || json="$json,\"name\":$(atex_quote "$name")"
    [ -z "$note" ] || json="$json,\"note\":$(atex_quote "$note")"
    atex_send "$json" "$@"
}

# Keeps files with the result of the test itself.
atex_file() { # FILE...
    if [ -n "$atex_control" ]; then
        atex_send '"partial":true' "$@"
    else
        atex_keep "$@"
    fi
}

# How long the test may run: a new limit from now on (15m), more or less of the old one (+10m, -10m), or `save` and
# `restore`, between which time does not count. Elsewhere the limit cannot be moved: there this does nothing.
atex_duration() { # TIME
    [ -z "$atex_control" ] || printf 'duration %s\n' "$1" | atex_put
}

# Shows how far the test is.
atex_note() { # TEXT
    if [ -n "$atex_control" ] && [ -n "${ATEX_RUN_ID-}" ]; then
        # A line of test control may hold 4096 bytes.
        printf 'note %s\n' "$(printf %s "$*" | head -c 4000 | atex_clean)" | atex_put
    else
        printf '%s\n' "$*"
    fi
}

# Reboots the machine, by COMMAND if there is one, and does not return: the test is started again from its
# beginning, and `atex_reboots` is one higher. Where nobody would do that it fails.
atex_reboot() { # [COMMAND]
    local helper
    for helper in tmt-reboot rstrnt-reboot rhts-reboot; do
        if command -v "$helper" >/dev/null; then
            "$helper" ${1:+-c "$1"} || return
            # Not all of them wait.
            while :; do sleep 60; done
        fi
    done
    if [ -z "$atex_control" ]; then
        echo "atex_reboot: nothing here would start the test again" >&2
        return 1
    fi
    printf 'disconnect\n' | atex_put || return
    trap '' PIPE
    # The machine must not go down before this has been heard.
    while eval "printf 'noop\n' >$atex_control" 2>/dev/null; do
        sleep 0.1 2>/dev/null || sleep 1
    done
    sync
    eval "${1:-reboot}" || return
    while :; do sleep 60; done
}

# How often the test has been started again after a reboot.
atex_reboots() {
    echo "${TMT_REBOOT_COUNT:-${RSTRNT_REBOOTCOUNT:-${REBOOTCOUNT:-0}}}"
}

# Ends the test. Its status is 1 if the test has reported `fail` or `error` for itself, or, if it has reported nothing for
# itself, for a subtest.
atex_end() {
    local reports word status kind=subtest failed=0
    reports=$(cat "$atex_state")
    rm -f "$atex_state"
    case $reports in test\ * | *"
test "*) kind=test ;; esac
    while read -r word status; do
        case $word-$status in "$kind-fail" | "$kind-error") failed=1 ;; esac
    done <<END
$reports
END
    exit "$failed"
}

# ---- How it is done

# Sends a result: its JSON, without braces, and its files.
atex_send() { # JSON FILE...
    local json=$1 list='' file length
    shift
    for file; do
        shift
        if [ ! -f "$file" ] || [ ! -r "$file" ]; then
            # A result is worth more than a file.
            echo "atex: $file: not a file that can be read; it is not kept" >&2
            continue
        fi
        # Some files in /proc say that they are empty, so that only reading tells.
        length=$(($(wc -c <"$file")))
        list="$list${list:+,}{\"name\":$(atex_quote "${file##*/}"),\"length\":$length}"
        set -- "$@" "$length" "$file"
    done
    json="{$json${list:+,\"files\":[$list]}}"
    {
        printf 'result %d\n%s' "$(printf %s "$json" | wc -c)" "$json"
        while [ $# -gt 1 ]; do
            # As many bytes as were announced, also if the file grows or shrinks meanwhile.
            { cat <"$2" && head -c "$1" /dev/zero; } 2>/dev/null | head -c "$1" || :
            shift 2
        done
    } | atex_put
}

# Writes a message to test control, while no other process of the test does.
atex_put() {
    if [ -n "$atex_lock" ]; then
        eval "flock \"\$atex_lock\" cat >$atex_control"
    else
        eval "cat >$atex_control"
    fi || {
        echo "atex: test control is closed: a reboot was asked for, or the test was ended" >&2
        return 1
    }
}

# Where there is no test control: keeps files where tmt collects them.
atex_keep() { # FILE...
    local file
    for file; do
        if [ -n "${TMT_TEST_DATA-}" ]; then
            cp -- "$file" "$TMT_TEST_DATA/" || :
        else
            echo "file: $file"
        fi
    done
}

# Text as JSON has it.
atex_quote() { # TEXT
    printf '"%s"' "$(printf %s "$1" | atex_clean | LC_ALL=C sed 's/["\\]/\\&/g')"
}

# Makes one line of what comes in: control characters become blanks, and what is not UTF-8 is left out.
atex_clean() {
    LC_ALL=C tr '\001-\037\177' ' ' |
        if command -v iconv >/dev/null; then
            iconv -c -f UTF-8 -t UTF-8 2>/dev/null || :
        else
            LC_ALL=C tr '\200-\377' '?'
        fi
}

# Finds out where the test runs.
atex_begin() {
    local helper
    atex_control='' atex_lock='' atex_state=''
    case ${ATEX_TEST_CONTROL-} in
    '' | *[!0-9]*) ;;
    *)
        if (eval ": >&$ATEX_TEST_CONTROL") 2>/dev/null; then
            atex_control="&$ATEX_TEST_CONTROL"
        elif [ -e "/proc/self/fd/$ATEX_TEST_CONTROL" ]; then
            # To dash a descriptor has one digit.
            exec 9>"/proc/self/fd/$ATEX_TEST_CONTROL"
            atex_control='&9'
        fi
        # The lock that the commands take which atex-exec puts on the PATH.
        helper=$(command -v rhts-report-result) || helper=
        if [ -r "${helper%/bin/*}/lock" ] && command -v flock >/dev/null; then
            atex_lock=${helper%/bin/*}/lock
        fi
        ;;
    esac
    # It has to outlive a reboot.
    if [ -d "${BEAKERLIB_DIR-}" ]; then
        atex_state=$BEAKERLIB_DIR/.atex-reports
    elif [ -d "${TMT_TEST_DATA-}" ]; then
        atex_state=$TMT_TEST_DATA/.atex-reports
    else
        atex_state=$(mktemp "${TMPDIR:-/tmp}/atex-reports.XXXXXX") || return
    fi
    : >>"$atex_state"
}

atex_begin
