# Sees to packages on a host: tells which are there, and has the host's own package manager bring the others.
# Needs a POSIX sh and the usual small programs. Lines behind this (packages.rs) set `mode`, and what is known
# already (`manager`, `refreshed`), name packages (`want`, `exclude`) and end with `go`.
#
# What package managers print goes to stdout. Answers go to descriptor 3, a line each:
#
#   manager NAME      the package manager of this host
#   refreshed         its lists have been fetched anew
#   has PACKAGE
#   lacks PACKAGE     followed by a tab and the reason
#   note TEXT         something that was asked for cannot be done here

LC_ALL=C
export LC_ALL
# Names may hold blanks and what the shell would take for patterns, but no newline.
set -f
IFS='
'
nl=$IFS
tab=$(printf '\t')
mode=check
manager=
refreshed=
wanted=
excluded=
os_release=/etc/os-release

want() { # PACKAGE
    wanted=$wanted$1$nl
}

exclude() { # PACKAGE
    excluded=$excluded$1$nl
}

answer() { # TEXT
    printf '%s\n' "$1" >&3
}

has() { # PACKAGE…
    for one in "$@"; do
        answer "has $one"
    done
}

lacks() { # PACKAGE WHY
    answer "lacks $1$tab$2"
}

# Another distribution's package manager may be installed as a program like any other, so that the system's name
# goes before what is found.
detect() {
    [ -z "$manager" ] || return 0
    family=$(. "$os_release" 2>/dev/null && echo " $ID $ID_LIKE ")
    case $family in
    *' debian '* | *' ubuntu '*) own=apt-get ;;
    *' alpine '*) own=apk ;;
    *' arch '*) own=pacman ;;
    *suse*) own=zypper ;;
    *) own=dnf5 ;;
    esac
    for one in "$own" dnf5 dnf yum apt-get zypper apk pacman; do
        if command -v "$one" >/dev/null 2>&1; then
            manager=$one
            answer "manager $one"
            return 0
        fi
    done
    return 1
}

# Whether all of these are installed, by one query.
are_there() { # PACKAGE…
    case $manager in
    apt-get)
        states=$(dpkg-query -W -f '${db:Status-Status}\n' "$@" 2>/dev/null) || return 1
        ! printf '%s\n' "$states" | grep -qvx installed
        ;;
    apk) [ "$(apk info -e "$@" 2>/dev/null | wc -l)" -ge $# ] ;;
    pacman) pacman -T "$@" >/dev/null 2>&1 ;;
    *) rpm -q --whatprovides "$@" >/dev/null 2>&1 ;;
    esac
}

# Whether this one is installed, also under a name that the query for many does not know.
is_there() { # PACKAGE
    are_there "$1" && return 0
    case $manager in
    apt-get)
        # A virtual package: others provide it.
        dpkg-query -W -f '${db:Status-Status} ${Provides} \n' 2>/dev/null |
            sed -n 's/^installed //p' | sed 's/([^)]*)//g; s/,/ /g; s/^/ /' | grep -Fq " $1 "
        ;;
    apk | pacman) return 1 ;;
    *) rpm -q "$1" >/dev/null 2>&1 ;;
    esac
}

# Has packages installed, in one transaction.
install() { # PACKAGE…
    options=
    case $manager in
    dnf5 | dnf | yum)
        for one in $excluded; do
            options=$options--exclude=$one$nl
        done
        # Older ones leave out what they do not know and call that a success.
        [ "$manager" != yum ] || options="$options--setopt=skip_missing_names_on_install=False$nl"
        "$manager" -y $options install "$@"
        ;;
    apt-get)
        # A name with `-` behind it is not to be installed; or, if it is there, to be removed.
        for one in $excluded; do
            are_there "$one" || options=$options$one-$nl
        done
        DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
            -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$@" $options
        ;;
    zypper)
        for one in $excluded; do
            are_there "$one" || options=$options!$one$nl
        done
        ZYPP_LOCK_TIMEOUT=600 zypper --non-interactive install "$@" $options
        ;;
    apk) apk --wait 600 add "$@" ;;
    pacman) pacman -S --noconfirm --needed "$@" ;;
    esac
}

# Fetches the lists of packages anew, once: a fresh system has none, and old ones name packages that are gone.
refresh() {
    [ -z "$refreshed" ] || return 1
    refreshed=yes
    case $manager in
    apt-get) apt-get -q -o DPkg::Lock::Timeout=600 update ;;
    apk) apk --wait 600 update ;;
    pacman) pacman -Sy --noconfirm ;;
    *) return 1 ;; # They see to it themselves.
    esac
    answer refreshed
}

# Installs these, or those of them that can be had.
try() { # PACKAGE…
    if [ $# = 1 ]; then
        try_one "$1"
    elif install "$@" || are_there "$@"; then
        has "$@"
    elif refresh; then
        try "$@"
    else
        # One that cannot be had keeps all others from being installed. Halving finds it soonest.
        half=$(($# / 2))
        first=
        while [ "$half" -gt 0 ]; do
            first=$first$1$nl
            shift
            half=$((half - 1))
        done
        # The positional parameters survive it, as each call has its own.
        try $first
        try "$@"
    fi
}

try_one() { # PACKAGE
    said=$(install "$1" 2>&1)
    status=$?
    printf '%s\n' "$said"
    if [ "$status" = 0 ] || is_there "$1"; then
        has "$1"
    elif refresh; then
        try_one "$1"
    else
        # First what is about a package that is not there, then what is about anything.
        for words in 'no match|unable to (locate|find)|no provider|no such package|nothing provides|target not found' \
            '^E:|error|not found|cannot|unable'; do
            why=$(printf '%s\n' "$said" | grep -i -E "$words" | head -n 1)
            [ -z "$why" ] || break
        done
        [ -n "$why" ] || why=$(printf '%s\n' "$said" | grep . | tail -n 1)
        [ -n "$why" ] || why="$manager exited with $status"
        lacks "$1" "$(printf '%s' "$why" | tr '\t' ' ' | cut -c 1-300)"
    fi
}

go() {
    missing=
    known=yes
    detect || known=
    # One query is enough where everything is there.
    if [ -n "$known" ] && are_there $wanted; then
        has $wanted
        return
    fi
    for name in $wanted; do
        # Whoever asks for a path wants what lies there, whichever package it came with.
        case $name in /*) [ ! -e "$name" ] || {
            has "$name"
            continue
        } ;; esac
        if [ -z "$known" ]; then
            lacks "$name" 'there is no package manager that is known'
        elif is_there "$name"; then
            has "$name"
        elif [ "$mode" = check ]; then
            lacks "$name" 'it is not installed'
        else
            case $manager:$name in
            apt-get:/* | apt-get:*'('*) lacks "$name" 'apt-get finds packages by their names only' ;;
            *) missing=$missing$name$nl ;;
            esac
        fi
    done
    [ -n "$missing" ] || return 0
    case $manager in
    apk | pacman) [ -z "$excluded" ] || answer "note exclude: $manager cannot leave a package out" ;;
    esac
    try $missing
}
