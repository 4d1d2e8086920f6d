# Keeps the namespaces of one host of this machine alive, as their first process, and reaps what is left behind in them.
# Started by `unshare`; $1 is the directory of the host.
set -e
# The /proc of outside is still there, and says our number outside.
read -r pid _ </proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
# The directory of the host may be in one of these, and be hidden by the first: from then on it is reached as the working
# directory only, and is made to be seen again in the end.
cd "$1"
mount --no-canonicalize --bind tmp /tmp
mount --no-canonicalize --bind var-tmp /var/tmp
[ -d "$1/home" ] || { mkdir -p "$1" && mount --no-canonicalize --bind . "$1"; }
cd /
ip link set lo up 2>/dev/null || :
echo "$pid"
exec </dev/null >/dev/null 2>&1
while :; do
    sleep 86400 &
    wait
done
