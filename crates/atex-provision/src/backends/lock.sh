# The lock of a host: a directory, made by mkdir, in a place that outlives a reboot, so that it outlives whoever holds it,
# their connection, and the host's own power. It holds
#   state      TOKEN UNTIL SEEN EVERY OWNER: whose it is, when it ends, when its holder was heard of last, and how
#              often that is to be expected (0: never); all by the clock of this host
#
#   sh -s take|renew|free|look DIR TOKEN SECONDS EVERY OWNER
#
# One line answers: `atex-lock: taken`, `held SECONDS OWNER` (by somebody else, for so long at most), `lost`, `freed`,
# `mine`, `none`, or `trouble WORDS`. All is done under a mutex of the kernel's, which is gone with whoever dies in it:
# so nobody takes over what somebody else has taken over in between, and a lock without a state has a dead maker.
action=$1 dir=$2 token=$3 seconds=$4 every=$5 owner=$6
lock=$dir/lock
# People of several names use the host.
umask 0

say() {
    echo "atex-lock: $*"
    exit 0
}

command -v flock >/dev/null 2>&1 || say trouble "flock (util-linux) is not installed there"
mkdir -p -- "$dir" 2>/dev/null
# A redirection of exec that fails would end this shell without a word.
(: >>"$dir/mutex") 2>/dev/null || say trouble "$dir cannot be written there"
exec 9>>"$dir/mutex"
# busybox knows no time limit.
tries=0
until flock -n 9; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || say trouble "its lock is being changed by somebody who does not end"
    sleep 0.1 2>/dev/null || sleep 1
done
now=$(date +%s)

who= until=0 seen=0 pulse=0 name=
[ ! -f "$lock/state" ] || read -r who until seen pulse name <"$lock/state"
if [ -n "$who" ] && [ "$now" -lt "$((seen - 300))" ]; then
    # The clock has been set back: what was left of the time is counted from now.
    until=$((until - seen + now)) seen=$now
fi

# Written whole, or not at all.
write() {
    mkdir "$lock" 2>/dev/null
    { echo "$token $((now + seconds)) $now $every $owner" >"$lock/new"; } 2>/dev/null &&
        mv -f "$lock/new" "$lock/state" && return
    [ -f "$lock/state" ] || rm -rf "$lock"
    say trouble "$lock cannot be written there (is the disk full?)"
}

# The agents of runs.
agents() {
    for agent in /var/atex-*/agent /tmp/atex-*/agent; do
        [ ! -f "$agent" ] || echo "$agent"
    done
}

# Those of which nobody has been heard for a while.
left() {
    for agent in $(agents); do
        heard=$(find "${agent%/*}" -name beat -mmin -10 2>/dev/null)
        [ -n "$heard" ] || echo "$agent"
    done
}

# Also one that is looked after runs.
runs() {
    for agent in $(agents); do
        case $(sh "$agent" look 2>/dev/null) in *state=running*) return 0 ;; esac
    done
    return 1
}

case $action in
take)
    if [ -n "$who" ] && [ "$who" != "$token" ]; then
        if [ "$now" -lt "$until" ]; then
            # It has not ended; but if its holder has been silent for long, and nothing of it runs here, it is dead.
            { [ "$pulse" -gt 0 ] && [ "$now" -gt "$((seen + 2 * pulse + 60))" ] && ! runs; } ||
                say held "$((until - now))" "$name"
        fi
        # What the last one left is killed before it can disturb the next.
        for agent in $(left); do sh "$agent" bye >/dev/null 2>&1; done
        rm -rf "$lock"
    fi
    write
    say taken
    ;;
renew)
    [ -z "$who" ] || [ "$who" = "$token" ] || say lost "$name"
    write
    say taken
    ;;
free)
    [ "$who" != "$token" ] || rm -rf "$lock"
    say freed
    ;;
look)
    [ "$who" = "$token" ] || say none
    say mine
    ;;
esac
