# The part of atex-exec that works on a host. Its needs: a POSIX sh, coreutils or busybox, setsid, tar,
# and bash for the tests. It lies in the run's directory on the host, and everything else lies beside it:
#
#   pace                    how tail is told to look often
#   SETUP.tar, SETUP/tree   the files that tests need, as sent and unpacked
#   SETUP/environment       what the plan's scripts leave for its tests
#   test/                   the test that runs, or ran last:
#     run                     what bash runs: first line ours, then the test
#     control, output         spools: all that it has sent over test control, and printed
#     wrapper, leader         the stat lines of the shell that runs `run` here and of the leader of the
#                             test's session; they tell a process from a later one with the same number
#     end                     its exit status and the sizes of both spools; empty until it has ended
#     state                   whether all of this can be used again for the next test
#
# A test is detached from the connection: it has a session of its own, and what it sends goes through pipes
# and relays into spools. `run` also follows the spools: control to stdout, output to stderr. When the test
# has ended, the last thing in the control spool is a line that begins with a word that only `run` and
# atex-exec know. Small tests are many, so `run` starts as few programs as it can.

W=${0%/*}
cd "$W" || exit 125

# The fields of a process's stat line, from the third on: its name, before them, may hold blanks.
fields() { # LINE
    rest=${1##*) }
}

# The processes of which field $1 (2: parent, 4: session; counted from the state) is $2.
processes() { # FIELD VALUE
    found=
    field=$1
    value=$2
    # The shell reads a stat file byte by byte: grep finds the few that can be meant.
    case $field in
    2) pattern=") [A-Za-z] $value " ;;
    *) pattern=") [A-Za-z] [0-9]* [0-9]* $value " ;;
    esac
    for stat in $(grep -ls -e "$pattern" /proc/[0-9]*/stat); do
        read -r line 2>/dev/null <"$stat" || continue
        fields "$line"
        set -- $rest
        [ "$1" = Z ] && continue
        eval "[ \"\${$field}\" = \"$value\" ]" && found="$found ${line%% *}"
    done
    [ -n "$found" ]
}

# Whether the process that a file tells of may still be there, or what it has started: its number is not
# another process's by now. Sets pid.
is_ours() { # FILE
    [ -s "$1" ] && read -r line <"$1" || return 1
    pid=${line%% *}
    fields "$line"
    set -- $rest
    start=${20}
    read -r line 2>/dev/null <"/proc/$pid/stat" || return 0
    fields "$line"
    set -- $rest
    [ "${20}" = "$start" ]
}

# Kills all processes of the test's session.
kill_test() {
    is_ours test/leader || return 0
    round=0
    # One that forks while we look may have a child that we have not seen: look again.
    while processes 4 "$pid"; do
        round=$((round + 1))
        [ "$round" -lt 50 ] || return 1
        kill -s KILL $found 2>/dev/null
    done
    return 0
}

# Ends whatever of ours still runs here.
fence() {
    # The one that waits for the test first, so that it says nothing of an end that is not the test's own. Once
    # it has written the end down, nothing that it has started is left.
    if ! [ -s test/end ] && is_ours test/wrapper; then
        processes 2 "$pid"
        relays=
        for one in $found; do
            read -r line 2>/dev/null <"/proc/$one/stat" || continue
            fields "$line"
            set -- $rest
            # The leader of the test is a child, too, and has a session of its own.
            [ "$4" = "$one" ] || relays="$relays $one"
        done
        kill -s KILL "$pid" $relays 2>/dev/null
    fi
    kill_test
}

# Unpacks SETUP.tar afresh.
unpack() { # SETUP
    rm -rf "./$1" && mkdir -p "$1/tree" && : >"$1/environment" || exit 125
    if [ -e "$1.tar" ]; then
        tar -xf "$1.tar" -C "$1/tree" || exit 125
    fi
}

# What a relay is doing: S waits for input, so that all that was sent to it has been copied; Z has ended.
state_of() { # PID
    state=Z
    read -r line 2>/dev/null <"/proc/$1/stat" || return 0
    fields "$line"
    state=${rest%% *}
}

# Whether a relay has ended; one that has, and has not been waited for, has no descriptors. This costs one
# system call, where the state costs the shell one for each byte.
has_ended() { # PID
    [ ! -e "/proc/$1/fd/0" ]
}

# How much a relay has copied, by its own account if it has ended.
size_of() { # SPOOL
    size=
    while read -r number unit _; do
        case $unit in byte | bytes) size=$number ;; esac
    done <"$1.log"
    case $size in
    '' | *[!0-9]*)
        read -r size _ <<X
$(wc -c "$1")
X
        ;;
    esac
}

case $1 in
hello)
    # Says what this host is and has; ends what runs. $2: a set-up without files, which is made at once.
    fence || exit 125
    rm -rf test
    read -r boot </proc/sys/kernel/random/boot_id
    missing=
    for program in bash cat dd grep mkfifo rm setsid tail tar wc; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    # Where inotify is of no use (overlayfs, and so most containers), tail looks once a second unless told;
    # busybox knows whole seconds only.
    pace=
    tail -s 0.02 -c +1 /dev/null 2>/dev/null && pace='-s 0.02'
    echo "$pace" >pace || exit 125
    echo "dir=$PWD"
    echo "boot=$boot"
    echo "missing=$missing"
    # The commands that tests find on their PATH come behind this script. They need bash, as tests do.
    if line=$(grep -n '^# ---- commands$' agent) && tail -n +"${line%%:*}" agent >commands; then
        case $missing in *bash*) ;; *) bash ./commands || exit 125 ;; esac
    fi
    [ $# -lt 2 ] || unpack "$2"
    ;;
has)
    # Unpacks SETUP.tar if it is here.
    [ -e "$2.tar" ] || exit 1
    unpack "$2"
    ;;
take)
    # SETUP.tar comes over stdin; $3 is its size.
    rm -f "$2.part"
    cat >"$2.part" || exit 125
    read -r size _ <<X
$(wc -c "$2.part")
X
    [ "$size" = "$3" ] || {
        echo "$PWD/$2.tar: $size bytes arrived of $3" >&2
        exit 125
    }
    mv "$2.part" "$2.tar" && unpack "$2"
    ;;
bare)
    # There are no files to be had.
    unpack "$2"
    ;;
run)
    # $2: the size of the script, which comes first over stdin. $3: the word of the last line. $4: the number of
    # the script's lines, if it is so small that the shell reads it sooner than another program would start.
    state=
    cd test 2>/dev/null && read -r state <state
    if [ "$state" != clean ]; then
        cd "$W" && rm -rf test && mkdir test && cd test && mkfifo control.pipe output.pipe || exit 125
    fi
    echo used >state && : >control && : >output && : >end && : >leader || exit 125
    read -r line </proc/$$/stat && echo "$line" >wrapper
    if [ "${4:-0}" -gt 0 ]; then
        lines=$4
        while [ "$lines" -gt 0 ] && IFS= read -r line; do
            printf '%s\n' "$line"
            lines=$((lines - 1))
        done >run || exit 125
    else
        dd bs="$2" count=1 iflag=fullblock of=run 2>/dev/null || exit 125
    fi
    read -r pace <../pace
    # What is said here from now on is nothing that the test has printed.
    exec 4>&2 2>/dev/null
    tail $pace -c +1 -f control 4>&- &
    tails=$!
    tail $pace -c +1 -f output >&4 4>&- &
    tails="$tails $!"
    LC_ALL=C dd bs=64k if=control.pipe >>control 2>control.log 4>&- &
    control=$!
    LC_ALL=C dd bs=64k if=output.pipe >>output 2>output.log 4>&- &
    output=$!
    # Not in the background, where it would be deaf to INT and QUIT for ever; and in a subshell, else dash
    # says of a killed test that it was `Killed`, and says it to the test's output.
    (exec setsid bash run </dev/null >output.pipe 2>&1 9>control.pipe 4>&-)
    status=$?
    if read -r line <leader; then
        kill -s KILL -- "-${line%% *}"
    fi
    # A process that has left the test's group may hold the pipes open, so that the relays never end.
    turn=0
    held=
    until has_ended "$control" && has_ended "$output"; do
        turn=$((turn + 1))
        [ $((turn % 100)) = 0 ] || continue
        state_of "$control"
        states=$state
        state_of "$output"
        case $states$state in
        ZZ) ;;
        [SZ][SZ])
            held=yes
            break
            ;;
        esac
        sleep 0.01 || sleep 1
    done
    if [ -n "$held" ]; then
        kill "$control" "$output"
        : >control.log
        : >output.log
    else
        echo clean >state
    fi
    size_of control
    sizes=$size
    size_of output
    echo "$status $sizes $size" >end
    echo "$3 $status $sizes $size" >>control
    # atex-exec ends our input when it has everything, or is gone.
    while read -r line; do :; done
    kill $tails
    ;;
sizes)
    # How much has been spooled by now.
    wc -c test/control test/output
    ;;
stop)
    # Sends the signal $2 to the test's process group; KILL: to all of its session.
    if [ "$2" = KILL ]; then
        kill_test
    elif is_ours test/leader; then
        kill -s "$2" -- "-$pid" 2>/dev/null
    fi
    exit 0
    ;;
bye)
    # Leaves nothing behind.
    fence
    cd / && rm -rf "$W"
    ;;
esac
