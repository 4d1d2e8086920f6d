# The part of atex-exec that works on a host. Its needs: a POSIX sh, coreutils or busybox, setsid, tar,
# and bash for the tests. It lies in the run's directory on the host, and everything else lies beside it:
#
#   pace                    how tail is told to look often
#   SETUP.tar, SETUP/tree   the files that tests need, as sent and unpacked
#   SETUP/environment       what the plan's scripts leave for its tests
#   test/                   the test that runs, or ran last:
#     run                     what bash runs: first line ours, then the test
#     control, output         spools: all that it has sent over test control, and printed
#     wrapper, leader         the stat lines of the sessions' leaders, which tell a process from a later
#                             one with the same number
#     end                     its exit status and the sizes of both spools, once it has ended
#
# A test is detached from the connection: `run` starts a wrapper in a session of its own, which starts the
# test in another one. `run` itself then follows the spools: control to stdout, output to stderr, until its
# stdin ends. The wrapper's last words, after everything in the control spool, are a line that begins
# with a word that only it and atex-exec know.

W=${0%/*}
cd "$W" || exit 125

# Fields of a process's stat line from the third on (its name before them may hold blanks).
fields() { # LINE
    rest=${1##*) }
}

# Kills all of the session that the file $1 tells of, unless its leader's number is another process's by now.
kill_session() { # FILE SIGNAL
    [ -r "$1" ] || return 0
    read -r line <"$1" || return 0
    sid=${line%% *}
    fields "$line"
    set -- "$2" $rest
    start=${21}
    signal=$1
    if read -r line 2>/dev/null <"/proc/$sid/stat"; then
        fields "$line"
        set -- x $rest
        [ "${21}" = "$start" ] || return 0
    fi
    round=0
    # A process that forks while we look may have a child that we have not seen: look again.
    while [ "$round" -lt 50 ]; do
        round=$((round + 1))
        pids=
        for stat in /proc/[0-9]*/stat; do
            read -r line 2>/dev/null <"$stat" || continue
            fields "$line"
            set -- $rest
            [ "$4" = "$sid" ] && [ "$1" != Z ] && pids="$pids ${line%% *}"
        done
        [ -n "$pids" ] || return 0
        kill -s "$signal" $pids 2>/dev/null
        [ "$signal" = KILL ] || return 0
    done
    return 1
}

# Ends whatever of ours still runs here.
fence() {
    kill_session test/leader KILL && kill_session test/wrapper KILL
}

# Unpacks SETUP.tar afresh.
unpack() { # SETUP
    rm -rf "./$1" && mkdir -p "$1/tree" && : >"$1/environment" || exit 125
    if [ -e "$1.tar" ]; then
        tar -xf "$1.tar" -C "$1/tree" || exit 125
    fi
}

# Whether a process is waiting for input, or has ended: then all that was sent to it has been copied.
is_idle() { # PID
    read -r line 2>/dev/null <"/proc/$1/stat" || return 0
    fields "$line"
    case $rest in [SZX]*) ;; *) return 1 ;; esac
}

case $1 in
hello)
    # Says what this host is and has; ends what runs.
    fence || exit 125
    rm -rf test
    read -r boot </proc/sys/kernel/random/boot_id
    missing=
    for program in bash cat dd mkfifo mv rm setsid tail tar wc; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    # Where inotify is of no use (overlayfs, and so most containers), tail looks once a second unless told;
    # busybox knows whole seconds only.
    pace=
    tail -s 0.02 -c +1 /dev/null 2>/dev/null && pace='-s 0.02'
    echo "$pace" >pace
    echo "dir=$PWD"
    echo "boot=$boot"
    echo "missing=$missing"
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
    # $2: the size of the script, which comes first over stdin. $3: the wrapper's word.
    rm -rf test && mkdir test && cd test || exit 125
    mkfifo control.pipe output.pipe || exit 125
    : >control
    : >output
    dd bs="$2" count=1 iflag=fullblock of=run 2>/dev/null || exit 125
    exec 3<&0
    # A pipeline rather than `&`, which would leave the test deaf to INT and QUIT for ever.
    setsid sh "$W/agent" wrap "$3" 3<&- </dev/null >/dev/null 2>&1 | {
        read -r pace <"$W/pace"
        tail $pace -c +1 -f control </dev/null 2>/dev/null &
        control=$!
        tail $pace -c +1 -f output </dev/null >&2 2>/dev/null &
        cat <&3 >/dev/null
        kill "$control" "$!"
    }
    ;;
wrap)
    cd test || exit 125
    read -r line </proc/$$/stat && echo "$line" >wrapper
    dd bs=64k if=control.pipe >>control &
    control=$!
    dd bs=64k if=output.pipe >>output &
    output=$!
    # In a subshell: else dash says of a killed test that it was `Killed`, and says it to the test's output.
    (exec setsid bash run >output.pipe 2>&1 9>control.pipe)
    status=$?
    if read -r line <leader; then
        kill -s KILL -- "-${line%% *}"
    fi
    # A process that has left the test's group may hold the pipes open, so that they never end.
    until is_idle "$control" && is_idle "$output"; do
        sleep 0.01 || sleep 1
    done
    kill "$control" "$output"
    {
        read -r control _
        read -r output _
    } <<X
$(wc -c control output)
X
    echo "$status $control $output" >end.part
    mv end.part end
    printf '%s %s\n' "$2" "$status $control $output" >>control
    ;;
sizes)
    # How much has been spooled by now.
    wc -c test/control test/output
    ;;
stop)
    # Sends the signal $2 to the test; KILL: to all of its session.
    case $2 in
    KILL) kill_session test/leader KILL ;;
    *)
        read -r line <test/leader || exit 0
        kill -s "$2" -- "-${line%% *}" 2>/dev/null
        ;;
    esac
    ;;
bye)
    # Leaves nothing behind.
    fence
    cd / && rm -rf "$W"
    ;;
esac
