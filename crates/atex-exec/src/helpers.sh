# The commands that a test finds first on its PATH: those of tmt, restraint and beakerlib for reporting results,
# keeping files, rebooting and giving up, done here through test control. bash reads this, as it reads tests; what
# else it needs is in coreutils and in busybox. It lies beside the agent as `commands`. All commands are links to one stub
# in bin/ that sources it, and are told apart by their names.
#
#   bin/            the commands
#   prelude         what stands before every test
#   lock            held for each message, so that the processes of one test do not mix theirs
#   work/           the directory of the test that runs, see prelude.bash; of ours in it:
#     .worst          the worst status that has been reported through the commands
#     .rebooting      the test has asked for a reboot and awaits it
#     .held           the lock of a host that has no flock(1): a link to what tells the process that holds it from all
#                     others, on other boots of the host too
#
# What a result reported here says of the test itself (tmt's rule): its status is the worst of them, and its exit
# status counts only if there is none. With rhts-report-result, the command that beakerlib calls, a result that is
# not good makes the test fail, and otherwise the exit status counts (the rule of the Python ATEX). This is told to
# atex-exec by an open partial result without a name, which a result of the test's own for itself overrides.

LC_ALL=C
me=${0##*/}
top=${0%/*}/..
# Of the test's PATH there may be little left.
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin

say() {
    printf '%s: %s\n' "$me" "$*" >&2
}

fail() {
    say "$@"
    exit 1
}

usage() { # ARGUMENTS [STATUS]
    printf 'usage: %s %s\n' "$me" "$1" >&2
    exit "${2-2}"
}

# ---- Messages

# The control stream, which only a test has.
open_control() {
    out=${ATEX_TEST_CONTROL-}
    [[ $out == [0-9]* && $out != *[!0-9]* ]] && { : >&"$out"; } 2>/dev/null ||
        fail "only a running test can do this: the descriptor that ATEX_TEST_CONTROL names is not open"
}

# Keeps other processes of the test from writing until this one ends, and this one from ending before it is done.
lock() {
    trap '' PIPE HUP INT TERM
    if command -v flock >/dev/null; then
        exec {held}<"$top/lock" && flock "$held" && return
        fail "$top/lock: cannot be locked"
    fi
    local own holder
    own=$(identity "$BASHPID")
    until ln -s "$own" "$top/work/.held" 2>/dev/null; do
        [[ -w $top/work ]] || fail "$top/work: cannot be written to"
        holder=$(readlink "$top/work/.held")
        if [[ -n $holder && $(identity "${holder%%.*}") != "$holder" ]]; then
            # It was killed. Of several that see this one moves the link away.
            mv "$top/work/.held" "$top/work/.held.$BASHPID" 2>/dev/null && rm -f "$top/work/.held.$BASHPID"
        else
            pause
        fi
    done
    trap 'rm -f "$top/work/.held"' EXIT
}

# The number of a process, when it began, and on which boot of the host; nothing if there is none.
identity() { # PID
    local line boot
    { read -r line <"/proc/$1/stat"; } 2>/dev/null && read -r boot </proc/sys/kernel/random/boot_id || return
    # Only its name can hold brackets and blanks.
    set -- "$1" ${line##*) }
    printf %s "$1.${21}.$boot"
}

pause() {
    sleep 0.02 2>/dev/null || sleep 1
}

put() { # TEXT
    printf %s "$1" >&"$out" || fail "test control is closed: a reboot was asked for, or the test was ended"
}

# Sets quoted to a text as JSON. What is not UTF-8 becomes U+FFFD.
quote() { # TEXT
    local rest=$1 char more
    if [[ $rest != *[!\ -~]* && $rest != *[\"\\]* ]]; then
        quoted=\"$rest\"
        return
    fi
    quoted=\"
    while [[ -n $rest ]]; do
        char=${rest:0:1}
        more=0
        case $rest in
        [\"\\]*) quoted+=\\ ;;
        [\ -~]*) ;;
        [$'\1'-$'\37'$'\177']*) printf -v char '\\u%04x' "'$char" ;;
        [$'\302'-$'\337'][$'\200'-$'\277']*) more=1 ;;
        $'\340'[$'\240'-$'\277'][$'\200'-$'\277']*) more=2 ;;
        $'\355'[$'\200'-$'\237'][$'\200'-$'\277']*) more=2 ;;
        [$'\341'-$'\354'$'\356'$'\357'][$'\200'-$'\277'][$'\200'-$'\277']*) more=2 ;;
        $'\360'[$'\220'-$'\277'][$'\200'-$'\277'][$'\200'-$'\277']*) more=3 ;;
        [$'\361'-$'\363'][$'\200'-$'\277'][$'\200'-$'\277'][$'\200'-$'\277']*) more=3 ;;
        $'\364'[$'\200'-$'\217'][$'\200'-$'\277'][$'\200'-$'\277']*) more=3 ;;
        *) char=$'\357\277\275' ;;
        esac
        quoted+=$char${rest:1:more}
        rest=${rest:1+more}
    done
    quoted+=\"
}

# Opens a file that is to be sent with the next message: sets input and length, and attached to the message's key.
attached=
attach() { # FILE NAME
    local file=$1
    if [[ -d $file || ! -r $file ]]; then
        say "$file: not a file that can be read"
        return 1
    fi
    if [[ ! -f $file ]]; then
        # A pipe or a device: how much there is shows only when it has been read.
        file=$top/work/.copy.$BASHPID
        cat <"$1" >"$file" || return
    fi
    # Some files in /proc say that they are empty, so that only reading tells.
    length=$(wc -c <"$file") && exec {input}<"$file" || return
    length=$((length))
    [[ $file == "$1" ]] || rm -f "$file"
    quote "$2"
    attached=",\"files\":[{\"name\":$quoted,\"length\":$length}]"
}

# Sends exactly as many bytes of the attached file as were announced, whatever happens to it meanwhile.
put_attached() {
    [[ -n $attached ]] || return
    head -c "$length" <&"$input" >&"$out"
    local key value position=0
    while read -r key value; do
        [[ $key == pos: ]] && position=$value
    done <"/proc/$BASHPID/fdinfo/$input"
    if ((position < length)); then
        head -c $((length - position)) /dev/zero >&"$out"
        say "a file became shorter while it was sent; it is filled up with NUL"
    fi
    exec {input}<&-
    attached=
}

# ---- Results

set_status() { # WORD
    extra=
    case ${1,,} in
    pass | passed | passing) status=pass ;;
    fail | failed | failing) status=fail ;;
    warn | warned | warning) status=warn ;;
    skip | skipped | skipping) status=skip ;;
    info | none) status=info ;;
    error | panic) status=error ;;
    *)
        status=error
        quote "unknown result: $1"
        extra=,\"note\":$quoted
        ;;
    esac
}

# How bad a status is.
rank() { # STATUS
    local all=' skip info pass warn fail error '
    rank=${all%" $1 "*}
    [[ $rank == "$all" ]] && rank=
    rank=${#rank}
}

# Tells atex-exec what has become of the test itself, if a status is worse than all before.
take_for_test() { # STATUS
    local worst=
    [[ -r $top/work/.worst ]] && read -r worst <"$top/work/.worst"
    if [[ -n $worst ]]; then
        rank "$worst"
        local before=$rank
        rank "$1"
        ((rank > before)) || return 0
    fi
    # Other users may be worse off later.
    (umask 0 && echo "$1" >"$top/work/.worst") 2>/dev/null
    local json="{\"status\":\"$1\",\"partial\":true}"
    put "result ${#json}"$'\n'"$json"
}

send_result() { # NAME SCORE FOR_TEST
    local json
    # tmt: this is what the test itself is called.
    [[ $1 == / ]] && set -- "${TMT_TEST_NAME:-/}" "$2" "$3"
    quote "$1"
    json="{\"name\":$quoted,\"status\":\"$status\"$extra"
    if [[ $2 =~ ^-?(0|[1-9][0-9]*)(\.[0-9]+)?$ ]]; then
        json+=,\"score\":$2
    elif [[ -n $2 ]]; then
        quote "$2"
        json+=,\"score\":$quoted
    fi
    json+=$attached}
    lock
    put "result ${#json}"$'\n'"$json"
    put_attached
    [[ -z $3 ]] || take_for_test "$3"
}

report_result() {
    local usage='[-o FILE] [-t MESSAGE] NAME RESULT [SCORE]' words=() log= note= log_name
    [[ ${1-} != --rhts ]] || {
        shift
        report_result_by_position "$@"
        return
    }
    while (($#)); do
        case $1 in
        -h | --help) usage "$usage" 0 ;;
        --no-plugins) ;;
        -[sopt] | --server | --outputfile | --port | --disable-plugin | --message)
            (($# > 1)) || usage "$usage"
            case $1 in
            -o | --outputfile) log=$2 ;;
            -t | --message) note=$2 ;;
            esac
            shift
            ;;
        -o?*) log=${1#-o} ;;
        --outputfile=*) log=${1#*=} ;;
        -t?*) note=${1#-t} ;;
        --message=*) note=${1#*=} ;;
        -[sp]?* | --server=* | --port=* | --disable-plugin=*) ;;
        --)
            shift
            words+=("$@")
            break
            ;;
        -[0-9]*) words+=("$1") ;;
        -*) usage "$usage" ;;
        *) words+=("$1") ;;
        esac
        shift
    done
    ((${#words[@]} > 1)) || usage "$usage"
    open_control
    set_status "${words[1]}"
    if [[ -n $note ]]; then
        quote "$note"
        extra=,\"note\":$quoted
    fi
    log_name=${log##*/}
    if [[ -z $log && ${TMT_RESTRAINT_COMPATIBLE:-1} == 1 && -f ${OUTPUTFILE-} ]]; then
        log=$OUTPUTFILE
        log_name=resultoutputfile.log
    fi
    # A result is worth more than its log.
    [[ -z $log ]] || attach "$log" "$log_name"
    send_result "${words[0]}" "${words[2]-}" "$status"
}

# As beakerlib and old Beaker tests call it.
report_result_by_position() { # NAME RESULT [LOG [SCORE]]
    (($# > 1)) || usage 'NAME RESULT LOG [SCORE]'
    open_control
    set_status "$2"
    local log=${3-${OUTPUTFILE-}} for_test= log_name
    log_name=${log##*/}
    case $status in warn | fail | error) for_test=fail ;; esac
    if [[ $log_name == tmp.* ]]; then
        log_name=resultoutputfile.log
    fi
    if [[ -f $log ]] && ! is_journal "$1" "$log"; then
        attach "$log" "$log_name"
    fi
    send_result "$1" "${4-}" "$for_test"
}

# Whether the log of a result only repeats what beakerlib has printed, and so the test's output has.
is_journal() { # NAME LOG
    [[ $1 == Setup || $1 == Test || $1 == Cleanup || $2 == "${BEAKERLIB_DIR-}/OUTPUTFILE" ]] ||
        { [[ $2 == */tmp.* ]] && ! grep -qvE '^(::|$)' "$2"; }
}

# ---- Files

submit_files() {
    local usage='-l FILE' files=() file failed=
    while (($#)); do
        case $1 in
        -h | --help) usage "$usage" 0 ;;
        -l | --filename)
            (($# > 1)) || usage "$usage"
            files+=("$2")
            shift
            ;;
        --filename=*) files+=("${1#*=}") ;;
        -l?*) files+=("${1#-l}") ;;
        -[sST] | --server | --port) (($# == 1)) || shift ;;
        --)
            shift
            files+=("$@")
            break
            ;;
        -*) ;;
        *) files+=("$1") ;;
        esac
        shift
    done
    ((${#files[@]})) || usage "$usage"
    open_control
    for file in "${files[@]}"; do
        # beakerlib submits its journal also where it was told to make none.
        [[ $file == "${BEAKERLIB_DIR-}/journal.xml" && ! -e $file ]] && continue
        submit "$file" "${file##*/}" || failed=yes
    done
    [[ -z $failed ]] || exit 1
}

submit() { # FILE NAME
    local json
    attach "$1" "$2" || return
    json="{\"partial\":true$attached}"
    [[ -n ${held-} ]] || lock
    held=${held-yes}
    put "result ${#json}"$'\n'"$json"
    put_attached
}

# What the test leaves in TMT_TEST_DATA, when it ends.
submit_data() { # DIRECTORY
    local entry
    shopt -s nullglob dotglob
    for entry in "$1"/*; do
        if [[ -f $entry ]]; then
            submit "$entry" "${entry#"$top/work/"}"
        elif [[ -d $entry && ! -L $entry ]]; then
            submit_data "$entry"
        fi
    done
}

# ---- Reboots and other ends

# Waits until what the test has printed is out of its pipe, which does not outlive the host: the agent may be held up by a
# slow disk. Not for ever, since something may go on printing.
drain_output() {
    local fifo pipe round
    for fifo in "$top"/spool.*/output.pipe; do
        { exec {pipe}<>"$fifo"; } 2>/dev/null || continue
        for ((round = 0; round < 500; round++)); do
            read -r -t 0 -u "$pipe" || break
            pause
        done
        exec {pipe}<&-
    done
    # What has been read is written the next moment.
    pause
}

reboot_host() {
    local option command= soft= usage='[-c COMMAND] [-t TIMEOUT] [-s] [-e]'
    while getopts :c:t:seh option; do
        case $option in
        c) command=$OPTARG ;;
        s) soft=yes ;;
        # How long a reboot may take is up to the test's duration; boot entries are looked after anyway.
        t | e) ;;
        h) usage "$usage" 0 ;;
        *) usage "$usage" ;;
        esac
    done
    open_control
    [[ ${ATEX_REBOOT-} != no ]] ||
        fail "this is the machine that runs atex-exec (a local host): tests must not reboot it"
    if [[ -z $command ]]; then
        if [[ -n $soft ]]; then
            command='systemctl soft-reboot'
        elif [[ -d /run/systemd/system ]]; then
            command='systemctl reboot'
        elif command -v reboot >/dev/null; then
            command=reboot
        else
            command='shutdown -r now'
        fi
        # Once the test has disconnected it is too late to find that out.
        command -v "${command%% *}" >/dev/null || fail "${command%% *}: not found: the host cannot be rebooted"
    fi
    keep_boot_entry
    lock
    : >"$top/work/.rebooting"
    put $'disconnect\n'
    while printf 'noop\n' >&"$out"; do
        pause
    done 2>/dev/null
    drain_output
    sync
    bash -c "$command" || fail "\`$command\` failed: the host is not rebooted"
    # The test must not go on meanwhile.
    while :; do
        sleep 60
    done
}

# Machines of Beaker boot from the network, which may install them anew, unless they are told otherwise each time.
keep_boot_entry() {
    [[ -f /root/EFI_BOOT_ENTRY.TXT ]] && command -v efibootmgr >/dev/null || return
    local key value entry=
    while read -r key value _; do
        [[ $key == BootCurrent: ]] && entry=$value
    done < <(efibootmgr 2>/dev/null)
    [[ -n $entry ]] || read -r entry </root/EFI_BOOT_ENTRY.TXT
    [[ -z $entry ]] || efibootmgr -n "$entry" >/dev/null
}

abort_test() {
    local leader json='{"status":"error","note":"aborted by the test","partial":true}'
    open_control
    read -r leader <"$top/work/.leader" || fail "$top/work/.leader: cannot be read"
    lock
    put "result ${#json}"$'\n'"$json"
    (umask 0 && echo error >"$top/work/.worst") 2>/dev/null
    [[ ! -L $top/work/.held ]] || rm -f "$top/work/.held"
    [[ ! ${held-} == [0-9]* ]] || exec {held}<&-
    kill -s TERM -- "-$leader" || fail "process group $leader: cannot be ended"
    # It may clean up, for a while.
    for ((i = 0; i < 200; i++)); do
        [[ -e /proc/$leader ]] || exit 0
        pause
    done
    kill -s KILL -- "-$leader"
}

adjust_watchdog() { # [OPTION]... TIME
    local time=${!#}
    [[ $# -gt 0 && $time =~ ^[0-9]+[smhd]?$ ]] || usage 'TIME'
    open_control
    lock
    put "duration $time"$'\n'
}

case $me in
tmt-report-result | rstrnt-report-result) report_result "$@" ;;
rhts-report-result) report_result_by_position "$@" ;;
tmt-file-submit | rstrnt-report-log | rhts-submit-log | rhts_submit_log) submit_files "$@" ;;
tmt-reboot | rstrnt-reboot | rhts-reboot) reboot_host "$@" ;;
tmt-abort | rstrnt-abort | rhts-abort) abort_test ;;
rstrnt-adjust-watchdog) adjust_watchdog "$@" ;;
.submit-data)
    open_control
    submit_data "$top/work/data"
    ;;
*) fail "unknown command" ;;
esac
exit 0
