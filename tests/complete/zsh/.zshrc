# See ../zsh.sh: asks for the completion of each line of $WORK/lines, and ends the shell.
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit && compinit -D -u

# What is offered goes through here.
compadd() {
    local -a these
    # With these options nothing is offered: the matches are wanted in an array.
    if ((!${argv[(I)-[OAD]]})); then
        builtin compadd -O these "$@"
        offered+=($these)
    fi
    builtin compadd "$@"
}

neither-list-nor-insert() { compstate[list]= compstate[insert]=; }

zle-line-init() {
    local line
    while IFS= read -r line <&3; do
        BUFFER=$line CURSOR=$#line offered=()
        comppostfuncs=(neither-list-nor-insert)
        zle complete-word
        print -rl -- $offered . >>$WORK/offered
    done 3<$WORK/lines
    : >$WORK/done
    exit
}
zle -N zle-line-init
