#!/bin/bash
# Makes what a small virtual machine boots: DIR/initrd (busybox, and bash and sshd of this machine), DIR/disk (its /var), DIR/id.
#
#   make.sh ROOT DIR       ROOT: where the package of a Debian cloud kernel is unpacked; `/` if it is installed
set -euo pipefail
root=$1 dir=$2
version=$(ls "$root/lib/modules" | head -n 1)
tree=$dir/tree
mkdir -p "$tree"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,etc/ssh,root/.ssh,run/sshd,tmp,var,lib/modules}
chmod 700 "$tree/root" "$tree/root/.ssh"

add() { # PROGRAM TO
    local library
    cp -L "$1" "$tree$2"
    while read -r library; do
        mkdir -p "$tree$(dirname "/lib/${library##*/}")"
        cp -Ln "$library" "$tree/lib/${library##*/}"
    done < <(ldd "$1" | grep -o '/[^ ]*')
}

cp "$(command -v busybox)" "$tree/bin/busybox"
add /bin/bash /bin/bash
add /usr/sbin/sshd /usr/sbin/sshd
mkdir -p "$tree/lib64" "$tree/lib/x86_64-linux-gnu"
cp -L /lib64/ld-linux-x86-64.so.2 "$tree/lib64/"
ln -s /lib "$tree/usr/lib"
cp -L /lib/x86_64-linux-gnu/libnss_files.so.2 "$tree/lib/" 2>/dev/null || true
ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
cp "$dir/id.pub" "$tree/root/.ssh/authorized_keys"
chmod 600 "$tree/root/.ssh/authorized_keys"
ssh-keygen -q -t ed25519 -N '' -f "$tree/etc/ssh/key"
printf '%s\n' 'HostKey /etc/ssh/key' 'UsePAM no' 'UseDNS no' 'PidFile none' >"$tree/etc/ssh/sshd_config"
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'sshd:x:100:65534::/run/sshd:/bin/false' >"$tree/etc/passwd"
echo 'root:x:0:' >"$tree/etc/group"
echo 'root:*:19000:0:99999:7:::' >"$tree/etc/shadow"
printf '/bin/sh\n/bin/bash\n' >"$tree/etc/shells"
n=10
for module in drivers/virtio/{virtio_ring,virtio,virtio_pci_modern_dev,virtio_pci_legacy_dev,virtio_pci} \
    net/core/failover drivers/net/{net_failover,virtio_net} drivers/block/virtio_blk; do
    if [[ -e $root/lib/modules/$version/kernel/$module.ko ]]; then
        cp "$root/lib/modules/$version/kernel/$module.ko" "$tree/lib/modules/$((n += 1))-${module##*/}.ko"
    fi
done
printf '#!/bin/sh\nsync\nexec /bin/busybox reboot -f\n' >"$tree/sbin/reboot"
cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
rm /bin/reboot
export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t proc proc /proc
mount -t sysfs sys /sys
ln -s /proc/self/fd /dev/fd
for module in /lib/modules/*.ko; do insmod "$module"; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /var
hostname vm
exec /usr/sbin/sshd -D -e
INIT
chmod +x "$tree/init" "$tree/sbin/reboot"
(cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$dir/initrd"
truncate -s 200M "$dir/disk"
mke2fs -q -t ext4 "$dir/disk"
