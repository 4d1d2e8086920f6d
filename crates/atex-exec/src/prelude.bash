# What comes before and after every test, in the bash that runs it; its current directory is test/ of the run's
# directory on the host. Nothing but variables of the test's environment is left in that shell.
#
#   work/               the test's own directory: kept when it is started again after a reboot, empty for the next
#     metadata.yaml       TMT_TEST_METADATA
#     .leader             the number of this process, whose process group is the test
#     data/               TMT_TEST_DATA; what is in it when the test ends is sent to atex-exec
#     …                   BEAKERLIB_DIR is work/ itself, so this and more is beakerlib's
#
# $1: `fresh` or `again`, with $2: the directory of the set-up; `tty`; `end`.

# As good as new: most tests leave nothing, and then no program has to be started for the next.
atex_is_unused() {
    local file
    [[ -d ../work/data && ! -L ../work && ! -L ../work/data && ! -L ../work/metadata.yaml && ! -L ../work/.leader ]] || return
    for file in ../work/* ../work/.[!.]* ../work/..?* ../work/data/* ../work/data/.[!.]* ../work/data/..?*; do
        case $file in
        ../work/metadata.yaml | ../work/.leader | ../work/data) ;;
        *) [[ ! -e $file && ! -L $file ]] || return ;;
        esac
    done
}

# Tells the agent who leads the test's session.
atex_sign() { # WORD
    local line word=$1
    read -r line </proc/self/stat
    set -- ${line##*) }
    echo "$$ ${20} $word" 1<>session
}

case $1 in
fresh | again)
    if [[ $1 == fresh ]] && ! atex_is_unused; then
        rm -rf ../work && mkdir -m 1777 ../work ../work/data || exit 125
    fi
    # Written over in place: ext4 writes a file that has been cut at once.
    echo "$$" 1<>../work/.leader || exit 125
    [[ -d ../$2/plan-data ]] || mkdir -m 1777 "../$2/plan-data" || exit 125
    [[ ! -e ../work/.rebooting ]] || rm -f ../work/.rebooting
    if [[ -n ${ATEX_TTY-} ]]; then
        unset ATEX_TTY
        # A terminal has a session of its own, and that is the test's now.
        if read -r _ _ REPLY 2>/dev/null <session; then
            atex_sign "$REPLY"
        fi
        stty rows 24 cols 80 2>/dev/null
        export TERM=vt100
    fi
    export TMT_PLAN_ENVIRONMENT_FILE=${PWD%/*}/$2/environment TMT_PLAN_DATA=${PWD%/*}/$2/plan-data
    export TMT_TEST_METADATA=${PWD%/*}/work/metadata.yaml TMT_TEST_DATA=${PWD%/*}/work/data
    export BEAKERLIB_DIR=${PWD%/*}/work BEAKERLIB_JOURNAL=0
    export BEAKERLIB_COMMAND_REPORT_RESULT=${PWD%/*}/bin/rhts-report-result
    export BEAKERLIB_COMMAND_SUBMIT_LOG=${PWD%/*}/bin/rhts-submit-log
    if [[ $PWD == *[!A-Za-z0-9/._-]* ]]; then
        # beakerlib splits these at blanks, so that the way to them cannot stand there.
        BEAKERLIB_COMMAND_REPORT_RESULT=rhts-report-result
        BEAKERLIB_COMMAND_SUBMIT_LOG=rhts-submit-log
    fi
    printf -v REPLY %q "${PWD%/*}"
    # The test may have set anything, and nothing comes after this. Most tests leave no data, so look first.
    trap "{ set +efux; } 2>/dev/null; shopt -u failglob nullglob
        for REPLY in $REPLY/work/data/* $REPLY/work/data/.[!.]*; do
            [[ ! -e \$REPLY ]] || { . $REPLY/prelude end $REPLY; break; }
        done" EXIT
    ;;
end)
    # A test that has asked for a reboot is not over.
    [[ -e $2/work/.rebooting ]] || "$2/bin/.submit-data"
    ;;
esac
unset -f atex_is_unused atex_sign
unset REPLY
# What follows is not even read for most tests.
[[ $1 == tty ]] || return 0

# Runs the test's script again, in a terminal of its own. Reading from it gives one end of file; the size and the
# rest are set up from inside.
atex_in_terminal() {
    export ATEX_TTY=1
    if command -v script >/dev/null; then
        script -q -e -c 'exec bash run' /dev/null
    elif command -v python3 >/dev/null; then
        python3 -c '
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    # Python ignores these, and tests must not.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execvp("bash", ["bash", "run"])
os.write(terminal, b"\4")
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    while data:
        data = data[os.write(1, data):]
status = os.waitpid(pid, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
'
    elif perl -MIO::Pty -e 1 2>/dev/null; then
        perl -MIO::Pty -e '
my $terminal = IO::Pty->new or exit 125;
my $pid = fork;
exit 125 unless defined $pid;
if (!$pid) {
    $terminal->make_slave_controlling_terminal;
    my $slave = $terminal->slave;
    close $terminal;
    open STDIN, "<&", $slave or exit 125;
    open STDOUT, ">&", $slave or exit 125;
    open STDERR, ">&", $slave or exit 125;
    close $slave;
    exec "bash", "run" or exit 127;
}
$terminal->close_slave;
syswrite $terminal, "\4";
while (sysread $terminal, my $data, 65536) {
    while (length $data) {
        my $written = syswrite STDOUT, $data;
        exit 125 unless defined $written;
        substr($data, 0, $written) = "";
    }
}
waitpid $pid, 0;
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
'
    else
        echo 'tty: true needs script(1)' >&2
        exit 125
    fi
}

atex_in_terminal
exit
