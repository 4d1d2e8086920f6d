# Runs a part of a set-up on a host: what comes over stdin, $2 bytes for the program $3, in the directory $1/tree.
# It has a session of its own, so that it can be ended with all that it has started. What it prints goes to
# stdout as it comes. Its answers (descriptor 3), then `ended STATUS BYTES`, the size of what it has printed, go to
# stderr. A service that it has started may go on printing: nobody waits for that.
cd "$1" || exit 125
(umask 077 && head -c "$2" >job.run) && : >job.output && : >job.answers && : >job.leader || exit 125
read -r pace <../pace
exec 4>&2 2>/dev/null
tail $pace -c +1 -f job.output 4>&- &
tails=$!
(cd tree && exec setsid sh -c 'read -r line </proc/$$/stat; echo "$line" >../job.leader; exec "$0" ../job.run' \
    "$3" </dev/null >>../job.output 2>&1 3>>../job.answers 4>&-)
status=$?
cat job.answers >&4
read -r size _ <<X
$(wc -c job.output)
X
echo "ended $status $size" >&4
# atex-exec ends our input when it has everything, or is gone.
while read -r line; do :; done
kill $tails
