"""For tests in Python: results, files, time and reboots, wherever the test runs. Copy this file into your tree.

    import atex_test

    with atex_test.subtest("ipv4"):
        assert ping("127.0.0.1")
    atex_test.report("fail", "ipv6", note="address in use", files=["server.log"])
    atex_test.end()

Under ATEX (this one and the one in Python) that is said over test control, see atex-control(7). Elsewhere, under
tmt, Beaker or by hand, results are printed, and the exit status of `end` says how the test went. So it is the
same test everywhere.

Python 3.6 and later, nothing else.
"""

import atexit
import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

STATUSES = ("pass", "fail", "info", "warn", "skip", "error")


# ---- What a test calls

def report(status, name=None, note=None, files=(), **extra):
    """Reports a result: of a subtest, or without a name of the test itself.

    A file is a path, or a pair of the name that it is to have and its path or its bytes. What else is given is kept with
    the result as it is.
    """
    if status not in STATUSES:
        raise ValueError("{!r}: expected one of {}".format(status, ", ".join(STATUSES)))
    # What child processes report counts, too; so this is a file.
    with open(_state, "a") as state:
        state.write("{} {}\n".format("subtest" if name else "test", status))
    result = dict(extra, status=status)
    if name:
        result["name"] = name
    if note:
        result["note"] = note
    if _control is not None:
        _send_result(result, files)
    else:
        print("{}{}{}".format(status, " " + name if name else "", ": " + note if note else ""), flush=True)
        _keep(files)


@contextlib.contextmanager
def subtest(name, files=()):
    """Reports a subtest: `fail` for an AssertionError in the block, `error` for any other Exception, otherwise `pass`.

    The test goes on behind the block.
    """
    try:
        yield
    except Exception as exception:  # Not what ends a process, such as KeyboardInterrupt.
        traceback.print_exc()
        status = "fail" if isinstance(exception, AssertionError) else "error"
        report(status, name, note=str(exception) or type(exception).__name__, files=files)
    else:
        report("pass", name, files=files)


def file(*files):
    """Keeps files with the result of the test itself."""
    if _control is not None:
        _send_result({"partial": True}, files)
    else:
        _keep(files)


def duration(time):
    """Says how long the test may run: a new limit from now on ("15m"), more or less of the old one ("+10m", "-10m"),
    or "save" and "restore", between which time does not count.

    Elsewhere the limit cannot be moved: there this does nothing.
    """
    if _control is not None:
        _put("duration {}\n".format(time).encode())


def note(text):
    """Shows how far the test is."""
    if _control is not None and "ATEX_RUN_ID" in os.environ:
        line = "".join(c if c.isprintable() else " " for c in text)
        # A line of test control may hold 4096 bytes.
        _put(b"note " + _utf8(line)[:4000].decode(errors="ignore").encode() + b"\n")
    else:
        print(text, flush=True)


def reboot(command=None):
    """Reboots the machine, by a command of the shell if there is one, and does not return: the test is started again
    from its beginning, and `reboots` is one higher. Where nobody would do that it raises OSError.
    """
    for helper in filter(shutil.which, ("tmt-reboot", "rstrnt-reboot", "rhts-reboot")):
        # Python would close test control, which the helper speaks over.
        if subprocess.call([helper] + (["-c", command] if command else []), close_fds=False) != 0:
            raise OSError("{} has failed".format(helper))
        # Not all of them wait.
        _wait_for_the_end()
    if _control is None:
        raise OSError("nothing here would start the test again")
    _put(b"disconnect\n")
    # The machine must not go down before this has been heard.
    with contextlib.suppress(BrokenPipeError):
        while True:
            _put(b"noop\n")
            time.sleep(0.1)
    os.sync()
    subprocess.check_call(command or "reboot", shell=True)
    _wait_for_the_end()


def reboots():
    """How often the test has been started again after a reboot."""
    names = ("TMT_REBOOT_COUNT", "RSTRNT_REBOOTCOUNT", "REBOOTCOUNT")
    return int(next(filter(None, map(os.environ.get, names)), 0))


def end():
    """Ends the test. Its status is 1 if the test has reported `fail` or `error` for itself, or, if it has reported
    nothing for itself, for a subtest.
    """
    with open(_state) as state:
        reports = [line.split() for line in state]
    os.unlink(_state)
    kind = "test" if any(word == "test" for word, _ in reports) else "subtest"
    sys.exit(int(any(word == kind and status in ("fail", "error") for word, status in reports)))


# ---- How it is done

def _send_result(result, files):
    """Sends a result and its files."""
    with contextlib.ExitStack() as stack:
        opened = []
        for name, content in map(_named, files):
            try:
                opened.append((name,) + _opened(content, stack))
            except OSError as error:
                # A result is worth more than a file.
                print("atex: {}; it is not kept".format(error), file=sys.stderr)
        if opened:
            result = dict(result, files=[{"name": name, "length": length} for name, length, _ in opened])
        # What is not Unicode has a place in Python's text and in JSON, but not in UTF-8.
        data = _utf8(json.dumps(result, ensure_ascii=False, allow_nan=False))
        _put(b"result %d\n" % len(data), data, *[(length, stream) for _, length, stream in opened])


def _named(file):
    """A file's name and content."""
    return file if isinstance(file, tuple) else (os.path.basename(os.fspath(file)), file)


def _opened(content, stack):
    """How long a file is, and a stream of what is in it."""
    if isinstance(content, (bytes, bytearray)):
        stream = stack.enter_context(tempfile.TemporaryFile())
        stream.write(content)
    else:
        stream = stack.enter_context(open(os.fspath(content), "rb"))
        if not stream.seekable() or os.fstat(stream.fileno()).st_size == 0:
            # A pipe, or a file in /proc: how much there is shows only when it has been read.
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, copy)
            stream = copy
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return length, stream


def _put(*parts):
    """Writes a message to test control, while no other process of the test does. Parts are bytes, or as many of a file
    as were announced, whether it grows or shrinks meanwhile.
    """
    with contextlib.ExitStack() as stack:
        if _lock:
            fcntl.flock(stack.enter_context(open(_lock)), fcntl.LOCK_EX)
        for part in parts:
            if isinstance(part, bytes):
                _write(part)
                continue
            left, stream = part
            while left:
                block = stream.read(min(left, 1 << 16)) or bytes(min(left, 1 << 16))
                _write(block)
                left -= len(block)


def _write(data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(_control, view):]
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise BrokenPipeError(
                    errno.EPIPE, "test control is closed: a reboot was asked for, or the test was ended")
            raise


def _utf8(text):
    return text.encode(errors="replace")


def _keep(files):
    """Where there is no test control: keeps files where tmt collects them."""
    for name, content in map(_named, files):
        data = os.environ.get("TMT_TEST_DATA")
        if not data:
            print("file: {}".format(name), flush=True)
        elif isinstance(content, (bytes, bytearray)):
            with open(os.path.join(data, os.path.basename(name)), "wb") as kept:
                kept.write(content)
        else:
            try:
                shutil.copyfile(os.fspath(content), os.path.join(data, os.path.basename(name)))
            except OSError as error:
                print("atex: {}; it is not kept".format(error), file=sys.stderr)


def _wait_for_the_end():
    while True:
        signal.pause()


def _find_control():
    """The descriptor of test control, if this runs under ATEX."""
    number = os.environ.get("ATEX_TEST_CONTROL", "")
    try:
        os.fstat(int(number))
    except (ValueError, OSError):
        return None
    return int(number)


def _find_lock():
    """The lock that the commands take which atex-exec puts on the PATH."""
    helper = shutil.which("rhts-report-result")
    lock = helper and os.path.join(os.path.dirname(os.path.dirname(helper)), "lock")
    return lock if _control is not None and lock and os.access(lock, os.R_OK) else None


def _find_state():
    """A file of what has been reported. It has to outlive a reboot."""
    for name in ("BEAKERLIB_DIR", "TMT_TEST_DATA"):
        if os.path.isdir(os.environ.get(name, "")):
            return os.path.join(os.environ[name], ".atex-reports")
    handle, path = tempfile.mkstemp(prefix="atex-reports.")
    os.close(handle)
    atexit.register(_forget, path, os.getpid())
    return path


def _forget(path, owner):
    if os.getpid() == owner:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


_control = _find_control()
_lock = _find_lock()
_state = _find_state()
open(_state, "a").close()
