# The part of atex-exec that works on a host. Its needs: a POSIX sh, coreutils or busybox, setsid, tar, and bash
# for the tests; and fallocate of util-linux, if spools are to give space back. It lies in the run's directory on
# the host, and everything else lies beside it:
#
#   commands, prelude, lock, bin/   what tests find there, see helpers.sh and prelude.bash; these, the agent and the
#                           guard come as one tar stream
#   guard                   one of the helpers of `serve`, see guard.bash
#   boot                    which boot of the host all numbers of processes here belong to
#   pace                    how tail is told to look often
#   SETUP.tar, SETUP/tree   the files that tests need, as sent and unpacked
#   SETUP/environment       what the plan's scripts leave for its tests
#   test/                   the directory of the test that runs, or ran last:
#     run                     what bash runs, in this directory
#     start                   GENERATION WORD C O ID: what `look` says of it
#     session                 PID START WORD: the leader of the test's session, its start time
#     end                     WORD STATUS C O [WHY], once it has ended
#     …                       whatever else lies here is the test's, and goes when a test of another ID starts
#   spool.G/                the spools of one `serve`, its generation:
#     control, output         what its tests have sent over test control and printed, one after another
#     control.pipe, output.pipe   what the tests write into
#     wrapper, helpers, follower  PID START of the shell that runs the tests; of the leader of the session of its
#                             helpers (relays, watchdog, guard); of that of the present follower
#     relays                  PIDs of the relays of control and output
#     freed                   C O: what lies below is kept elsewhere
#     beat                    grows with every sign of life from atex-exec
#     closed, over, why       WORD of the test whose control is to be closed; that has exited; WORD WHY: why
#                             it was ended here
#     ballast                 is given up for the last line of a test when the disk is full
#     orders, done, guard, control.go, output.go, control.said, output.said   fifos between these processes
#
# Of these files only the first line counts. The small ones are written over in place and in one piece, so that a
# full disk does not hinder them, and say whose they are, so that nothing has to be removed between two tests.
#
# Commands:
#
#   hello [SETUP|- [SERVE]...]   ends what runs here, removes its traces, says `dir=`, `boot=` (boot_id/start time of pid
#                           1), `tty=` (yes: tests can have a terminal) and `missing=`; SETUP: a set-up without files,
#                           which is made at once; SERVE: if nothing is missing, goes on as `serve` with these
#   new [SETUP|- [SERVE]...]   the same in a directory that has just been made, where the set-up came with the agent
#   has SETUP               unpacks SETUP.tar afresh if it is here, else 1
#   take SETUP SIZE         the same with a SETUP.tar that comes over stdin
#   bare SETUP              makes a set-up without files
#   serve G MAX ORPHAN [FULL]   runs tests, one after another, and follows the spools of generation G: control to
#                           stdout, output to stderr, for as long as stdin gives orders. Offsets are counted from
#                           0 over all tests. A relay stops reading while more than MAX bytes of its spool have
#                           not been freed; MAX/N: and more than an Nth of the free space. ORPHAN: seconds without a sign of life after which a test is killed;
#                           0: never. FULL: seconds after which it is killed if the disk is full (120).
#                           What follows the line `atex: ready` in stdout and in stderr is theirs: what comes before it
#                           may be from the user's own start-up files.
#   attach G C O            follows the spools of generation G from bytes C and O, in place of any other follower,
#                           and takes orders but `run`
#   look                    `dir=`, `boot=`, and of the last test `generation=`, `id=`, `word=`, `start=C O` (where its
#                           bytes begin), `freed=C O`, `state=` running, ended, gone (its wrapper died before it) or
#                           none, `why=WHY` if it was to end and has not yet, and `end=STATUS C O [WHY]`
#   sizes                   sizes of the spools of the newest generation, control first, a line each
#   stop SIGNAL WORD CAUSE  signals the process group of the test of this word, once it has begun
#   stop KILL WORD CAUSE    kills the test's session
#   bye                     ends what runs here, and removes all
#
# Orders, a line each:
#
#   run WORD SIZE LINES ID  the script follows: SIZE bytes. LINES > 0: it has so many lines, and is so small that
#                           the shell reads it sooner than another program would start. One test at a time.
#   free C O                bytes below C and O need not be kept
#   beat                    atex-exec is there
#   close                   the test's control is closed: its next write there gets EPIPE
#   kill WORD CAUSE         kills the test's session, also where nothing can be started that would do so
#   bye                     ends what tests have left behind, removes all, and ends `serve` with 0 if it is gone
#   end of input            nobody follows any more: a test that runs goes on, nothing is started after it
#
# The last line of a test in the control spool is `WORD STATUS C O [WHY]`: C and O are the sizes of the spools
# before it. WHY: `orphan N` (seconds without a beat), `full` (the disk; also the script may have found no room),
# `stopped CAUSE` (atex-exec wanted it, which may not be there any more to know). The first reason is the one.

W=${0%/*}
cd "$W" || exit 125
W=$PWD

# The start time of a process, which tells it from a later one with the same number; fails if there is none.
start_of() { # PID
    read -r line 2>/dev/null <"/proc/$1/stat" || return 1
    # The name, in brackets, may hold anything.
    set -- ${line##*) }
    began=${20}
}

this_boot() {
    read -r boot </proc/sys/kernel/random/boot_id
    start_of 1 || began=
    boot=$boot/$began
}

# Writes down who we are. A subshell has a number of its own, which only the kernel tells.
sign() { # FILE [WORD]
    file=$1
    mark=$2
    read -r line </proc/self/stat
    set -- ${line##*) }
    echo "${line%% *} ${20} $mark" 1<>"$file"
}

# Whether the process that a file tells of may still be there, or what it has started: its number is not
# another process's by now. Sets pid.
is_ours() { # FILE
    read -r then 2>/dev/null <"$W/boot" && this_boot && [ "$then" = "$boot" ] || return 1
    read -r pid start _ 2>/dev/null <"$1" && [ -n "$start" ] || return 1
    ! start_of "$pid" || [ "$began" = "$start" ]
}

# The stat lines of processes, in a shell that ends with it. Nothing but a process's name can hold brackets, and
# names are short. A shell would look at each file that it matches, so it matches directories.
stats() { # PATTERN of the fields from the state on
    cd /proc && exec grep -hsE -e "\\) $1 [-0-9 ]{40,}\$" $(printf '%s/stat ' [0-9]*)
}

# The process groups in sessions of which something lives.
groups_of() { # SESSIONS
    found=$(stats "[A-Za-z] [0-9]+ [0-9]+ ($1)")
    [ -n "$found" ] && echo "$found" | while read -r line; do
        set -- ${line##*) }
        case $1 in
        # A process that has ended but for its threads looks as if it were dead.
        [ZX]) [ "${18}" -lt 2 ] || echo "$3" ;;
        *) echo "$3" ;;
        esac
    done
}

# Kills all processes of sessions, and sees them dead.
kill_sessions() { # PID...
    [ $# -gt 0 ] || return 0
    sessions=
    for session in "$@"; do
        # Most have no more than this group.
        [ ! -e "/proc/$session" ] || kill -s KILL -- "-$session" 2>/dev/null
        sessions=$sessions${sessions:+|}$session
    done
    round=0
    while groups=$(groups_of "$sessions") && [ -n "$groups" ]; do
        round=$((round + 1))
        [ "$round" -lt 50 ] || return 1
        [ "$round" -lt 5 ] || pause
        # By groups: the kernel lets no child escape that is just being made.
        last=0
        for group in $groups; do
            [ "$group" = "$last" ] || [ "$group" = 0 ] || kill -s KILL -- "-$group" 2>/dev/null
            last=$group
        done
    done
    return 0
}

kill_test() {
    ! is_ours "$W/test/session" || kill_sessions "$pid"
}

# Kills the children of a process; only those that wait, if so told.
kill_children() { # PID [WAITING]
    children=
    if [ -e "/proc/$1/task/$1/children" ]; then
        read -r children <"/proc/$1/task/$1/children"
    else
        children=$(stats "[^ZX] $1" | while read -r child _; do echo "$child"; done)
    fi
    for child in $children; do
        if [ $# -gt 1 ]; then
            read -r line 2>/dev/null <"/proc/$child/stat" || continue
            case ${line##*) } in S*) ;; *) continue ;; esac
        fi
        kill -s KILL "$child" 2>/dev/null
    done
}

# Ends whatever of ours still runs here.
fence() {
    all=
    for spool in "$W"/spool.*; do
        # The wrapper, whose helpers end with it, would say of an end that it was the test's own.
        for file in helpers follower; do
            is_ours "$spool/$file" && all="$all $pid"
        done
        is_ours "$spool/wrapper" && kill -s KILL "$pid" 2>/dev/null
    done
    is_ours "$W/test/session" && all="$all $pid"
    kill_sessions $all
}

pause() {
    sleep 0.1 2>/dev/null || sleep 1
}

# Unpacks SETUP.tar afresh.
unpack() { # SETUP
    [ ! -e "$1" ] || rm -rf "./$1" || exit 125
    mkdir -p "$1/tree" && : >"$1/environment" || exit 125
    if [ -e "$1.tar" ]; then
        tar -xf "$1.tar" -C "$1/tree" || exit 125
    fi
}

# The number of the newest generation, if there is one.
newest() {
    generation=
    for spool in "$W"/spool.*; do
        number=${spool##*.}
        [ -e "$spool/wrapper" ] && [ "$number" -gt "${generation:--1}" ] && generation=$number
    done
    [ -n "$generation" ]
}

# Waits for the session of a test that may be about to begin; fails if it has ended, or does not begin.
await_session() { # WORD
    waited=0
    while :; do
        read -r _ _ whose 2>/dev/null <test/session
        [ "$whose" != "$1" ] || return 0
        read -r whose _ 2>/dev/null <test/end
        [ "$whose" != "$1" ] && [ "$waited" -lt 50 ] || return 1
        waited=$((waited + 1))
        pause
    done
}

# Notes why the test of this word is to end, unless there is a reason already. That comes before what ends it, or its
# last line might be written without.
give_reason() { # WORD WHY...
    last_test
    [ "$word" = "$1" ] || return 0
    read -r whose _ 2>/dev/null <"$W/spool.$of/why"
    [ "$whose" = "$word" ] || echo "$*" 1<>"$W/spool.$of/why"
}

# What is known of the test that runs, or ran last.
last_test() {
    of='' word='' control='' output='' id=''
    read -r of word control output id 2>/dev/null <"$W/test/start"
    ended='' end=''
    read -r ended end 2>/dev/null <"$W/test/end"
}

# ---- The wrapper: runs the tests ----

# Runs a test: $word, $id. The sizes of the spools before it are $control and $output.
run_test() {
    if [ "$id" != "$last" ]; then
        for file in * .[!.]*; do
            case $file in
            run | start | session | end | metadata.yaml | \* | '.[!.]*') ;;
            *) rm -rf "./$file" ;;
            esac
        done
        last=$id
    fi
    printf '%s\n' "$generation $word $control $output $id" 1<>start || return 1
    status=125
    if [ -z "$why" ]; then
        open_pipes || return 1
        # Not in the background, where it would be deaf to INT and QUIT for ever.
        (
            sign session "$word" && exec "$setsid" "$bash" run
        ) </dev/null >&8 2>&1 3<&- 4>&- 5>&- 6<&- 7>&- 8>&-
        status=$?
        exec 8>&- 9>&-
        read -r pid _ whose <session
        # If that could not be written, nothing has been run.
        if [ "$whose" = "$word" ]; then
            kill -s KILL -- "-$pid"
        else
            why=full
        fi
        wait_for_relays closed
        read -r whose reason <"$spool/why"
        [ "$whose" = "$word" ] && why=$reason
    fi
    read -r _ control </proc/self/fdinfo/4
    read -r _ output </proc/self/fdinfo/5
    end="$word $status $control $output${why:+ $why}"
    echo "$end" 1<>end
    waited=0
    until echo "$end" >&4; do
        # Where no space could be reserved.
        : >"$spool/ballast"
        [ "$waited" -lt "$full" ] || return 1
        waited=$((waited + 1))
        sleep 1
    done
    read -r _ control </proc/self/fdinfo/4
    if [ -n "$cut" ]; then
        # Someone may still hold the old ones.
        cut=
        rm -f "$spool/control.pipe" "$spool/output.pipe"
        mkfifo "$spool/control.pipe" "$spool/output.pipe" || return 1
    fi
    [ -z "$broken" ]
}

# Opens the pipes to the relays: 8 for output, 9 for control. Who opens a fifo waits for the other side, and a relay
# that has been killed would be waited for without end.
open_pipes() {
    [ -p "$spool/control.pipe" ] && [ -p "$spool/output.pipe" ] || return 1
    # In both directions, which waits for nobody.
    exec 8<>"$spool/output.pipe" 9<>"$spool/control.pipe"
    opened=0 closed=0
    echo "$word" 1<>"$spool/control.go"
    echo "$word" 1<>"$spool/output.go"
    wait_for_relays open
    [ -z "$broken" ] || return 1
    # From now on the relays are the only readers.
    exec 8>"$spool/output.pipe" 9>"$spool/control.pipe"
}

# Each relay says when it has opened its pipe, and when nobody can write into it any more. The guard wakes us if that
# takes long. What a signal has kept us from hearing is seen then.
wait_for_relays() { # open|closed
    let_go=
    wake_me 0.05
    while :; do
        if [ "$1" = open ]; then
            [ "$opened" -lt 2 ] && [ -z "$broken" ] || return
        else
            [ "$closed" -lt 2 ] || return
        fi
        # It fails at once when all that could say something is dead.
        read -r what whose how <&6 || { see_to_relays "$1"; continue; }
        case $what,$whose in
        "tick,$word")
            asked=
            see_to_relays "$1"
            wake_me 1
            ;;
        tick,*)
            # Asked for by a test before this one.
            asked=
            wake_me 0.05
            ;;
        "open,$word") opened=$((opened + 1)) ;;
        "closed,$word")
            closed=$((closed + 1))
            [ -z "$how" ] || cut=yes
            ;;
        "dead,$word")
            closed=$((closed + 1))
            broken=yes
            ;;
        esac
    done
}

# One request at a time, so that many tests that end at once cost the guard little.
wake_me() { # SECONDS
    [ -n "$asked" ] || echo "$1 $word" >&7
    asked=yes
}

# Looks what the relays do. When the test has exited, a process that has left its group may hold the pipes; once a
# relay waits for more, all that the test had sent has been copied.
see_to_relays() { # open|closed
    [ "$1" = open ] || echo "$word" 1<>"$spool/over"
    having=0
    for relay in $relays; do
        if [ ! -e "/proc/$relay/fd/0" ]; then
            broken=yes
        elif [ -e "/proc/$relay/fd/3" ]; then
            having=$((having + 1))
            [ "$1" = open ] || kill_children "$relay" waiting
        fi
    done
    if [ "$1" = open ]; then
        [ "$having" -lt 2 ] || opened=2
    elif [ "$having" = 0 ]; then
        # What they say of that may be on its way. Should it have been lost, it is seen the next time.
        [ -z "$let_go" ] || closed=2 cut=yes
        let_go=yes
    fi
}

# ---- Its helpers ----

# Copies what the tests send: what comes from the fifo 0 is the word of one that starts.
relay() { # control|output; 4: the spool
    reserved=0
    reserve=yes
    exec 7<>"$1.said"
    # A shell that cannot start a program ends.
    trap 'echo "dead $word" >&6' EXIT
    while read -r word; do
        exec 3<"$1.pipe"
        echo "open $word" >&6
        how=
        step=4194304
        # In rounds, between which the pipe stays open.
        while :; do
            make_room "$1" || { how=cut && break; }
            take_down "$dd" bs=64k count="$blocks" <&3 >&4 || how=cut
            said=${said%% records in*}
            said=${said##*[!0-9+]}
            # It has been killed, because the pipe is to be closed; or could not write.
            [ -z "$how" ] || { [ -z "$said" ] || end_test full; break; }
            [ "$((${said:-0}))" -eq "$blocks" ] || break
            # The more a test sends, the longer the rounds: fallocate waits for the disk each time.
            [ "$step" -gt 33554432 ] || step=$((step * 2))
        done
        exec 3<&-
        echo "closed $word $how" >&6
    done
}

# Runs a program and takes down what it says to stderr, as `said`; nothing if it was killed. $( ) would copy this
# shell for that, which takes a fifth as long as the program itself.
take_down() { # COMMAND...
    "$@" 2>&7
    ended=$?
    echo . >&7
    said=
    while read -r line <&7 && [ "$line" != . ]; do
        said="$said$line "
    done
    [ "$ended" -le 128 ] || said=
    return "$ended"
}

# Sees to it that something can be written to the spool: sets blocks. Fails if that shall not be.
make_room() { # control|output
    read -r _ size </proc/self/fdinfo/4
    blocks=$(((reserved - size) / 65536))
    [ "$blocks" -lt 16 ] || return 0
    while :; do
        read -r control output <freed
        [ "$1" = control ] && kept=$((size - control)) || kept=$((size - output))
        [ -z "$share" ] || [ "$kept" -lt 16711680 ] || bound
        room=$((max - kept))
        [ -z "$share" ] || [ "$room" -lt 16777216 ] || room=$((16777216 - kept))
        # The pipe holds no more than that of a test that has exited.
        read -r over <over
        [ "$over" = "$word" ] && room=1048576
        [ "$room" -lt 65536 ] || break
        read -r closed <closed
        [ "$1" = output ] || [ "$closed" != "$word" ] || return 1
        pause
    done
    waited=0
    until reserve "$1"; do
        [ "$waited" -lt "$full" ] || { end_test full && return 1; }
        waited=$((waited + 1))
        sleep 1
    done
    blocks=$(((reserved - size) / 65536))
}

# Keeps the spool to a share of the space that the disk has without it, if that is less. Asked for when more than a little
# lies there, which of most tests never does.
bound() {
    set -- $(df -Pk . | tail -n 1)
    case ${4-} in
    '' | *[!0-9]*) ;;
    *) share=$((($4 * 1024 + kept) / share)) && [ "$share" -ge "$max" ] || max=$share ;;
    esac
    share=
}

# Reserves space on the disk, as much of $room as may be useful and can be had: what has been read from the
# pipe has to be written, or it is lost.
reserve() { # control|output
    for ahead in "$step" 4194304 1048576 65536; do
        [ "$ahead" -le "$room" ] || continue
        if [ -n "$reserve" ]; then
            # One block more, for the last line.
            take_down fallocate -n -o "$size" -l $((ahead + 65536)) "$1" || case $said in
            *'No space'* | *[Qq]uota*) continue ;;
            # It was killed, in the place of what copies.
            '') ;;
            # It cannot be done here.
            *) reserve= ;;
            esac
        fi
        reserved=$((size + ahead))
        return 0
    done
    return 1
}

# Kills the test, for a reason that its last line shall give.
end_test() { # WHY
    last_test
    give_reason "$word" "$1"
    kill_test
}

# ---- The follower: serves orders ----

follow() {
    read -r beat <beat
    live
    freed_control=0
    freed_output=0
    while read -r order a b c d; do
        case $order in
        run)
            why=-
            take_script "$b" "$c" || why=full
            printf '%s\n' "$a $why $d" >&9
            ;;
        free)
            echo "$a $b" 1<>freed
            give_back control "$a" "$freed_control" && freed_control=$a
            give_back output "$b" "$freed_output" && freed_output=$b
            ;;
        close) close_control ;;
        kill)
            give_reason "$a" stopped "$b"
            [ "$word" != "$a" ] || kill_test
            ;;
        bye)
            set --
            is_ours "$W/test/session" && set -- "$pid"
            is_ours helpers && set -- "$@" "$pid"
            kill_sessions "$@"
            # The wrapper may still wait for helpers that were killed before they were ready.
            echo gone 1<>done
            cd / && rm -rf "$W"
            return
            ;;
        esac
        live
    done
}

live() {
    beat=$((beat + 1))
    echo "$beat" 1<>beat
}

take_script() { # SIZE LINES
    if [ "$2" = 0 ]; then
        said=$(LC_ALL=C dd bs="$1" count=1 iflag=fullblock of=../test/run 2>&1) || return 1
        # Half a script is not run.
        [ "${said%% *}" = 1+0 ] || kill -s KILL 0
        return 0
    fi
    left=$2
    text=
    while [ "$left" -gt 0 ]; do
        IFS= read -r line || kill -s KILL 0
        text="$text$line
"
        left=$((left - 1))
    done
    printf %s "$text" >../test/run
}

# Makes a hole of what has been freed; offsets stay as they are.
give_back() { # control|output TO FROM
    [ $(($2 - $3)) -ge 1048576 ] && fallocate -p -o "$3" -l $(($2 - $3)) "$1"
}

# Ends the only reader of the pipe.
close_control() {
    last_test
    echo "$word" 1<>closed
    read -r relay _ <relays
    turn=0
    while [ "$turn" -lt 50 ] && is_ours helpers && [ -e "/proc/$relay/fd/3" ]; do
        kill_children "$relay"
        turn=$((turn + 1))
        [ "$turn" -lt 10 ] || pause
    done
}

# ---- The session that runs tests ----

# What comes from here on is what tests send.
say_ready() {
    echo 'atex: ready'
    echo 'atex: ready' >&2
}

serve() { # G MAX ORPHAN [FULL]
    fence || exit 125
    ! newest || rm -rf spool.*
    this_boot
    echo "$boot" >boot
    generation=$1
    full=${4:-120}
    spool=$W/spool.$1
    # A new directory has come with those of the first generation.
    [ -d test ] && [ -d "$spool" ] || mkdir -p test "$spool" || exit 125
    cd "$spool" || exit 125
    [ -p orders ] ||
        mkfifo control.pipe output.pipe control.go output.go control.said output.said done guard orders || exit 125
    # A line in each, so that it has its place on the disk.
    printf %65536s >ballast || exit 125
    echo 0 >beat && echo 0 0 >freed || exit 125
    for file in closed over why ../test/start ../test/session ../test/end; do
        [ -s "$file" ] || echo - >"$file" || exit 125
    done
    sign wrapper || exit 125
    # Opened once and by all, so that /proc/self/fdinfo tells everyone how much has been written.
    exec 4>>control 5>>output 6<>done 7<>guard 8<>orders
    # Here the input ends with the follower, and the guard's with us.
    exec 3<orders 9>orders
    exec 8<&0
    say_ready
    # The guard is opened here, where somebody writes there: later there may be nobody any more, and it would wait for ever.
    setsid sh "$W/agent" help "$1" "$2" "$3" "$full" </dev/null >/dev/null 2>&1 3<&- 7<guard 8<&- 9>&- &
    setsid sh "$W/agent" follow "$1" 0 0 <&8 3<&- 4>&- 5>&- 6>&- 7>&- 8<&- &
    # What is said here from now on is nothing that a test has printed.
    exec </dev/null >/dev/null 2>&1 8<&- 9>&-
    # A lost connection is no reason to end.
    trap : HUP INT TERM
    # Only for reading, so that it ends when all who write there are dead.
    exec 8<done
    exec 6<&8 8<&-
    read -r _ <&6 || exit 125
    read -r relays <relays
    cd "$W/test" || {
        # It was `bye`, which is done when the orders end.
        read -r _ <&3
        [ ! -e "$W" ]
        return
    }
    read -r _ _ _ _ last <start
    # Looked up once, and not once a test.
    setsid=$(command -v setsid)
    bash=$(command -v bash)
    control=0 output=0 cut='' asked='' broken=''
    while read -r word why id <&3; do
        why=${why#-}
        run_test && continue
        # Nobody shall take this for a session that runs tests. What has not been read of it is there for `attach`.
        for file in follower helpers; do
            ! is_ours "$spool/$file" || kill_sessions "$pid"
        done
        break
    done
    echo end >&7
    [ ! -e "$W" ]
}

case $1 in
hello | new)
    if [ "$1" = hello ]; then
        fence || exit 125
        rm -rf test work spool.* || exit 125
    fi
    this_boot
    echo "$boot" >boot
    missing=
    for program in bash cat dd grep ls mkdir mkfifo mv rm setsid sleep tail tar wc; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    # Where inotify is of no use (overlayfs, and so most containers), tail looks once a second unless told;
    # busybox knows whole seconds only.
    pace=
    tail -s 0.02 -c +1 /dev/null 2>/dev/null && pace='-s 0.02'
    echo "$pace" >pace || exit 125
    tty=no
    if command -v script || command -v python3; then
        tty=yes
    elif command -v perl; then
        perl -MIO::Pty -e 1 2>/dev/null && tty=yes
    fi >/dev/null
    echo "dir=$W"
    echo "boot=$boot"
    echo "missing=$missing"
    echo "tty=$tty"
    if [ ! -x /bin/bash ] && bash=$(command -v bash); then
        printf '#!%s\n. "${0%%/*}/../commands"\n' "$bash" >bin/.submit-data || exit 125
    fi
    [ "$1" = new ] || [ "${2:--}" = - ] || unpack "$2"
    if [ $# -gt 2 ] && [ -z "$missing" ]; then
        shift 2
        serve "$@"
    fi
    ;;
has)
    [ -e "$2.tar" ] || exit 1
    unpack "$2"
    ;;
take)
    rm -f "$2.part"
    cat >"$2.part" || exit 125
    read -r size _ <<X
$(wc -c "$2.part")
X
    [ "$size" = "$3" ] || {
        echo "$W/$2.tar: $size bytes arrived of $3" >&2
        exit 125
    }
    mv "$2.part" "$2.tar" && unpack "$2"
    ;;
bare)
    unpack "$2"
    ;;
serve)
    shift
    serve "$@"
    ;;
help)
    # The helpers of `serve`.
    cd "spool.$2" && sign helpers || exit 125
    # A shell that cannot start a program ends; half of the helpers are none.
    trap 'kill -s KILL 0' EXIT
    max=${3%/*} share='' orphan=$4 full=$5
    case $3 in */*) share=${3#*/} ;; esac
    export LC_ALL=C
    exec 8<>control.go 9<>output.go
    dd=$(command -v dd)
    relay control <&8 5>&- 7<&- 8<&- 9<&- &
    relays=$!
    relay output <&9 4>&5 5>&- 7<&- 8<&- 9<&- &
    echo "$relays $!" >relays
    echo ready >&6
    # Without the guard all but a daemon that holds on to the pipes goes well.
    trap - EXIT
    exec bash "$W/guard" "$orphan" 4>&- 5>&- 8<&- 9<&-
    ;;
follow)
    # The follower of `serve` and `attach`, in a session of its own, so that it can be ended as a whole.
    read -r pace <pace
    cd "spool.$2" && sign follower || exit 125
    # Also if it cannot start a program: whoever listens shall know.
    trap 'kill -s KILL 0' EXIT
    tail $pace -c "+$(($3 + 1))" -f control 2>/dev/null 9>&- &
    tail $pace -c "+$(($4 + 1))" -f output >&2 2>/dev/null 9>&- &
    exec >/dev/null 2>&1
    follow
    # With this the orders end.
    kill -s KILL 0
    ;;
attach)
    [ -e "spool.$2/wrapper" ] || {
        echo "$W/spool.$2: there is no such generation" >&2
        exit 125
    }
    ! is_ours "spool.$2/follower" || kill_sessions "$pid" || exit 125
    exec 8<&0
    say_ready
    setsid sh "$W/agent" follow "$2" "$3" "$4" <&8 8<&- 9>/dev/null &
    exec </dev/null >/dev/null 2>&1 8<&-
    wait "$!"
    ;;
look)
    this_boot
    echo "dir=$W"
    echo "boot=$boot"
    newest && echo "generation=$generation"
    last_test
    state=none
    if [ -n "$generation" ] && [ "$of" = "$generation" ]; then
        printf '%s\n' "id=$id"
        echo "word=$word"
        echo "start=$control $output"
        read -r control output 2>/dev/null <"spool.$generation/freed" && echo "freed=$control $output"
        state=gone
        if [ "$ended" = "$word" ]; then
            state=ended
        elif is_ours "spool.$generation/wrapper" && [ -e "/proc/$pid/fd/0" ]; then
            state=running
        fi
        read -r whose why 2>/dev/null <"spool.$generation/why"
        [ "$whose" != "$word" ] || [ "$state" = ended ] || printf '%s\n' "why=$why"
    fi
    echo "state=$state"
    [ "$state" != ended ] || echo "end=$end"
    ;;
sizes)
    newest || exit 125
    for file in control output; do
        set -- $(ls -ln "spool.$generation/$file")
        echo "$5 $file"
    done
    ;;
stop)
    if [ "$2" = KILL ]; then
        give_reason "$3" stopped "$4"
        kill_test
    elif await_session "$3" && is_ours test/session; then
        give_reason "$3" stopped "$4"
        kill -s "$2" -- "-$pid" 2>/dev/null
    fi
    exit 0
    ;;
bye)
    fence
    cd / && rm -rf "$W"
    ;;
esac
