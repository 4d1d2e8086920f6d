# What zsh offers behind each line of standard input, a word a line, and a dot behind the last.
#
#   sh zsh.sh DIR          DIR: the files that are installed for zsh
#
# zsh completes at a terminal only, so it gets one from script(1); zsh/.zshrc does the work when the first prompt comes.
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/lines"
export COMPLETIONS="$1" WORK="$work" ZDOTDIR="$here/zsh" TERM=vt100
script -qefc 'zsh -d -i' /dev/null </dev/null >"$work/terminal" 2>&1
[ -e "$work/done" ] || {
    cat "$work/terminal" >&2
    exit 1
}
cat "$work/offered"
