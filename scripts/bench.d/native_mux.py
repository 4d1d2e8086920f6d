"""Runs /bin/true COUNT times over each ssh master's control socket, without an ssh process for each.

usage: native_mux.py COUNT SOCKET... The protocol is OpenSSH's PROTOCOL.mux: what atex-exec speaks too.
"""

import os
import socket
import struct
import sys
import threading

HELLO, NEW_SESSION, EXIT_MESSAGE, SESSION_OPENED = 1, 0x10000002, 0x80000004, 0x80000006


def string(data):
    return struct.pack(">I", len(data)) + data


def send(mux, kind, body):
    mux.sendall(string(struct.pack(">I", kind) + body))


def exactly(mux, size):
    data = b""
    while len(data) < size:
        more = mux.recv(size - len(data))
        if not more:
            raise EOFError("the master hung up")
        data += more
    return data


def receive(mux, expected):
    (size,) = struct.unpack(">I", exactly(mux, 4))
    packet = exactly(mux, size)
    (kind,) = struct.unpack(">I", packet[:4])
    if kind != expected:
        raise ValueError(f"message {kind:#x} instead of {expected:#x}")
    return packet[4:]


def run(path, command, null):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mux:
        mux.connect(path)
        send(mux, HELLO, struct.pack(">I", 4))
        receive(mux, HELLO)
        # Request number; a reserved text; no terminal, X11, agent, subsystem; no escape character; no TERM.
        send(mux, NEW_SESSION, struct.pack(">I", 0) + string(b"") + struct.pack(">5I", 0, 0, 0, 0, 0xFFFFFFFF)
             + string(b"") + string(command))
        for _ in range(3):
            socket.send_fds(mux, [b"\0"], [null])
        receive(mux, SESSION_OPENED)
        return struct.unpack(">II", receive(mux, EXIT_MESSAGE))[1]


def loop(path, count, null):
    for _ in range(count):
        if run(path, b"/bin/true", null) == 0:
            print("done")


opened = os.open("/dev/null", os.O_RDWR)
for socket_path in sys.argv[2:]:
    threading.Thread(target=loop, args=(socket_path, int(sys.argv[1]), opened)).start()
