"""What the suites share: a daemon with an HTTP port, bytes to it and answers back, and the count of what passed."""

import json
import os
import pathlib
import re
import socket
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / folder) for folder in ("Faults", "MQTT")]

import rig  # noqa: E402


class Daemon(rig.Daemon):
    """A `tidings serve` in a folder of its own."""

    def cpu_seconds(self):
        """What it has computed so far: unlike a clock, this says the same on a busy machine."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Stops it, and returns what is wrong, and the events of its log."""
        problems = []
        status = self.status()
        if not status["is_balanced"]:
            problems.append(f"the counts do not balance: {status['transports']}")
        peak = self.rss(peak=True)
        if peak > 256 << 20:
            problems.append(f"the daemon took {peak >> 20} MiB of memory")
        code = self.term()
        if code != 0:
            problems.append(f"the daemon's exit code is {code}: {self.log()[-500:]}")
        return problems + rig.verify(self.folder), rig.read_log(self.folder)


class Tally:
    """Counts what passed, failed and was skipped; prints each failure, and what was skipped and why."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, section, sent, problem):
        """Notes a case: passed when there is no problem."""
        if not problem:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED {name} ({section})\n    sent: {shown(sent)}\n    came: {problem}", flush=True)

    def skip(self, count, what, why):
        self.skipped += count
        print(f"skipped: {what}: {why}", flush=True)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def shown(sent, limit=400):
    text = repr(sent if len(sent) <= limit else sent[:limit])[2:-1]
    return text if len(sent) <= limit else f"{text}... ({len(sent)} bytes)"


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def __repr__(self):
        return f"{self.status} {self.body[:200]!r}"


def exchange(port, sent, timeout=5.0, half_close=False, piece=None):
    """Sends on a new connection and reads to its end: what came, and whether the peer closed it.

    piece: how many bytes are sent at once; what is longer than a few KiB goes in one piece nevertheless.
    """
    step = piece if piece and len(sent) < 4_096 else max(len(sent), 1)
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as link:
        try:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(sent), step):
                link.sendall(sent[at:at + step])
            if half_close:
                link.shutdown(socket.SHUT_WR)
        except OSError:
            pass        # closed before all was sent; the answer says why
        until = time.monotonic() + timeout
        try:
            while time.monotonic() < until:
                more = link.recv(65_536)
                if not more:
                    return came, True
                came += more
        except TimeoutError:
            return came, False
        except ConnectionError:
            return came, True
    return came, False


HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


def answers(came):
    """All answers in what came; what is none is an answer with the status 0."""
    found, at = [], 0
    while at < len(came):
        head = HEAD.match(came, at)
        if not head:
            return found + [Answer(0, {}, came[at:])]
        status, at = int(head[1]), head.end()
        pairs = (line.split(b":", 1) for line in head[2].split(b"\r\n") if b":" in line)
        fields = {name.decode().lower(): value.strip().decode() for name, value in pairs}
        length = int(fields.get("content-length", 0))
        # An answer to HEAD has a length and no body.
        if status < 200 or status in (204, 304) or came[at:at + 7] in (b"HTTP/1.", b""):
            length = 0
        found.append(Answer(status, fields, came[at:at + length]))
        at += length
    return found
