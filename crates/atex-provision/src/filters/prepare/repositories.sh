# Makes repositories and modules known to the package manager of a host. Stands behind packages.sh, which finds that.

fail() { # TEXT
    echo "$1" >&2
    exit 1
}

detect || fail 'there is no package manager that is known'

repository() { # NAME TEXT
    case $manager in
    dnf5 | dnf | yum) dir=/etc/yum.repos.d ;;
    zypper) dir=/etc/zypp/repos.d ;;
    *) fail "$manager takes no repositories in this form" ;;
    esac
    mkdir -p "$dir" && printf '%s' "$2" >"$dir/.$1.new" && chmod 644 "$dir/.$1.new" &&
        mv -f "$dir/.$1.new" "$dir/$1.repo" || fail "$dir/$1.repo cannot be written"
}

module() { # NAME STREAM PROFILE
    case $manager in
    dnf5 | dnf | yum) ;;
    *) fail "$manager knows no modules" ;;
    esac
    # Of a module that has another stream no other can be enabled.
    "$manager" -y module reset "$1" && "$manager" -y module enable "$2" || exit 1
    [ -z "$3" ] || "$manager" -y module install "$3" || exit 1
}
