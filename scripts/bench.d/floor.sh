# The floor: nothing but commands over shared connections, one after the other on each host, hosts side by side.
# usage: floor.sh [--native SCRIPT] LAB COUNT HOST...    prints a line for each command that succeeded
native=
if [ "$1" = --native ]; then
    native=$2
    shift 2
fi
lab=$1 count=$2
shift 2

on_host() {
    n=0
    while [ $((n += 1)) -le "$count" ]; do
        ssh -F "$lab/ssh_config" "$1" /bin/true </dev/null && echo "$1"
    done
}

sockets=
for host; do
    ssh -F "$lab/ssh_config" -fMN "$host" &
    sockets="$sockets $lab/$host/mux"
done
wait
if [ -n "$native" ]; then
    python3 "$native" "$count" $sockets
else
    for host; do
        on_host "$host" &
    done
    wait
fi
for host; do
    ssh -F "$lab/ssh_config" -O exit "$host" 2>/dev/null
done
