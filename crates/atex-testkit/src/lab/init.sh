# The first process of a host. It starts in its namespaces, but with this machine's root.
# Arguments: the host's folder, its name.
set -e
folder=$1 name=$2
new=$folder/root
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$new"
mount -t proc proc "$new/proc"
# The one file there that would reach the whole machine.
if [ -e "$new/proc/sysrq-trigger" ]; then
    mount --bind /dev/null "$new/proc/sysrq-trigger"
fi
mount -t sysfs -o ro sysfs "$new/sys"
mount -t tmpfs -o mode=755 run "$new/run"
mount -t tmpfs -o mode=1777 tmp "$new/tmp"
# Not the lower one: the folders of all labs are there.
mount --bind "$folder/var-tmp" "$new/var/tmp"
mount -t tmpfs -o mode=755 dev "$new/dev"
while read -r device major minor; do
    mknod -m 666 "$new/dev/$device" c "$major" "$minor"
done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
mkdir "$new/dev/pts" "$new/dev/shm" "$new/run/sshd"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$new/dev/pts"
mount -t tmpfs -o mode=1777 shm "$new/dev/shm"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
ln -s /proc/self/fd/0 "$new/dev/stdin"
ln -s /proc/self/fd/1 "$new/dev/stdout"
ln -s /proc/self/fd/2 "$new/dev/stderr"
# A boot of its own, which a fresh id and the time namespace make look real.
cat /proc/sys/kernel/random/uuid >"$folder/boot_id"
mount --bind -o ro "$folder/boot_id" "$new/proc/sys/kernel/random/boot_id"
echo "$name" >"$new/proc/sys/kernel/hostname"
cd "$new"
mkdir run/old
pivot_root . run/old
umount -l /run/old
rmdir /run/old
set +e
# /usr/sbin/reboot and poweroff send these; see `host.rs` for the statuses.
trap 'exit 33' USR1
trap 'exit 34' TERM
/usr/sbin/sshd -D -e &
# Waiting also reaps orphans. When sshd is gone the host lives on, unreachable.
while :; do
    wait
    sleep 1
done
