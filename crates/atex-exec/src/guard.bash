# The guard, one of the helpers of `serve` (see `agent`, which has started it with the spools as its directory): wakes
# the wrapper that waits for the relays, and ends a test that nobody has followed for long. Bash can wait for a time
# without starting a program for that, which a busy host would have to do for every test.
#
# $1: the seconds without a sign of life after which a test is killed; 0: never
# 6: the wrapper reads there; 7: its requests, `SECONDS WORD` or `end`

orphan=$1
silent=0
seen=
patience=()
if ((orphan)); then
    step=$(((orphan + 3) / 4))
    patience=(-t "$step")
fi

# What the agent knows, which is hardly ever needed.
learn() {
    local spool=$PWD
    # A test may have removed all of this.
    [[ -e ${0%/*}/agent ]] || return
    . "${0%/*}/agent" nothing
    cd "$spool"
}

look_for_orphans() {
    declare -F last_test >/dev/null || learn
    last_test
    read -r beat <beat
    if [[ $seen != "$beat $word" ]]; then
        seen="$beat $word"
        silent=0
        return
    fi
    silent=$((silent + step))
    ((silent >= orphan)) || return
    [[ $word == "$ended" ]] || end_test "orphan $orphan"
    is_ours follower && kill_sessions "$pid"
    silent=0
}

while :; do
    read -r "${patience[@]}" -u 7 after whose
    case $? in
    0)
        # There is one request at a time, so nothing else can come while it waits.
        [[ $after == end ]] || read -r -t "$after" -u 7 after _
        [[ $after != end ]] || kill -s KILL 0
        echo "tick $whose" >&6
        ;;
    1) break ;;
    *) look_for_orphans ;;
    esac
done
# The wrapper has been killed. Without it there is no end to be told, and nobody shall wait for it.
learn
kill_test
is_ours follower && kill_sessions "$pid"
kill -s KILL 0
