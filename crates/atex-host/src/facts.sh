# Asks a host what it is like. Needs a POSIX sh and uname; what else tells more is used if it is there.
#
# Answers are lines `atex-fact: KEY=VALUE`, anything else is nobody's. A key may come several times. What the values mean
# is for the reader to decide, see facts.rs; the last line is `atex-fact: complete=`.
LC_ALL=C
export LC_ALL

say() { # KEY VALUE
    printf 'atex-fact: %s=%s\n' "$1" "$2"
}

say_file() { # KEY FILE
    [ -r "$2" ] || return 1
    while IFS= read -r line || [ -n "$line" ]; do
        say "$1" "$line"
    done 2>/dev/null <"$2"
}

say_file os-release /etc/os-release || say_file os-release /usr/lib/os-release ||
    say_file release /etc/redhat-release || :
say arch "$(uname -m)"
say kernel "$(uname -r)"
say_file boot_id /proc/sys/kernel/random/boot_id || :
say cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
while read -r key value _; do
    [ "$key" != MemTotal: ] || {
        say memory-kib "$value"
        break
    }
done 2>/dev/null </proc/meminfo
say_file memory-limit /sys/fs/cgroup/memory.max || say_file memory-limit /sys/fs/cgroup/memory/memory.limit_in_bytes || :

# A container may be in a virtual machine: it is what counts.
if command -v systemd-detect-virt >/dev/null 2>&1; then
    say detected "$(systemd-detect-virt 2>/dev/null)"
fi
say_file container /run/systemd/container || :
[ ! -e /run/.containerenv ] || say container podman
[ ! -e /.dockerenv ] || say container docker
say_file vendor /sys/class/dmi/id/sys_vendor || :
say_file vendor /sys/class/dmi/id/product_name || :
say_file vendor /proc/device-tree/hypervisor/compatible || :
[ ! -r /proc/sysinfo ] || say vendor "$(grep 'Control Program' /proc/sysinfo 2>/dev/null)"
grep -q '^flags.* hypervisor' /proc/cpuinfo 2>/dev/null && say vendor 'a hypervisor' || :

# What somebody wants to know beside that: the lines that a command prints.
own() { # NAME COMMAND
    said=$(sh -c "$2" </dev/null) || {
        say "failed.$1" $?
        return 0
    }
    printf '%s\n' "$said" | while IFS= read -r line; do
        say "own.$1" "$line"
    done
}
