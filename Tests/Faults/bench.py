"""What the cases of docs/reliability.md work with: a folder of their own, daemons, and a few words of each protocol."""

import json
import pathlib
import random
import re
import socket
import struct
import time
import zlib

import rig

CASES = {}      # name -> (number, function)


class Broken(Exception):
    """What happened is not what was promised."""


class NotHere(Exception):
    """This machine or this release cannot do it; says why."""


def case(number, name):
    def note(function):
        CASES[name] = (number, function)
        return function
    return note


# Before a command, when root runs the tests: the command belongs to somebody without any right.
AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def expect(is_so, text):
    if not is_so:
        raise Broken(text)


class Bench:
    """What a case works with: a folder of its own, and daemons that are stopped and checked behind it."""

    def __init__(self, folder, seed):
        self.folder, self.seed = pathlib.Path(folder), seed
        self.rng = random.Random(seed)
        self.daemons = []

    def daemon(self, settings=None, **options):
        daemon = rig.Daemon(self.folder, settings or {}, **options)
        self.daemons.append(daemon)
        return daemon

    def finish(self):
        """A daemon that a case leaves behind must stop cleanly, with counts that balance and a log that verifies."""
        for daemon in self.daemons:
            if daemon.alive:
                expect(daemon.status()["is_balanced"], "the counts do not balance")
                expect(daemon.term() == 0, "the daemon did not stop cleanly")
                expect(not rig.verify(self.folder), "the log does not verify")

    def close(self):
        for daemon in self.daemons:
            if daemon.alive:
                daemon.kill9()

    def events(self):
        return rig.read_log(self.folder)


def event(number=None, device="d", product="kettle", **more):
    found = {"product": product, "device": device, "type": "feature.used", "aspect": "boil", **more}
    if number is not None:
        found["id"] = number
    return json.dumps(found).encode() + b"\n"


def talk(daemon, text, wait=5.0, host="127.0.0.1"):
    """Sends, closes the sending side, and returns everything that is answered."""
    with socket.create_connection((host, daemon.tcp_port), timeout=wait) as link:
        try:
            link.sendall(text)
            link.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return read_all(link)


def read_all(link):
    answer = b""
    try:
        while True:
            more = link.recv(65536)
            if not more:
                return answer
            answer += more
    except OSError:
        return answer


def codes(answer):
    """The codes of refusals and quarantines in an answer of JSON lines."""
    return [int(code) for code in re.findall(rb'"code":(\d+)', answer)]


def counts(daemon, transport):
    return daemon.status()["transports"][transport]


HELLO = b"TDG1" + rig.frame(1, rig.field(1, 1) + rig.field(2, "kettle/n"))


def batch_body(first, count, name="n", product="kettle"):
    window = [(number, {"type": "feature.used", "aspect": "boil", "time": int(time.time() * 1000), "customer": "cu"})
              for number in range(first, first + count)]
    return rig.native_batch(rig.Device(product, name), window, {})


def frames(answer):
    """Type and body of each frame in an answer."""
    found = []
    while answer:
        size, used = rig.read_varint(answer, 1)
        if not used or len(answer) < used + size + 4:
            break
        body = answer[used:used + size]
        found.append((answer[0] & 15, zlib.decompress(body) if answer[0] >> 4 else body))
        answer = answer[used + size + 4:]
    return found


def error_codes(answer):
    return [rig.parse(body).get(2) for kind, body in frames(answer) if kind == 5]


def udp_ask(daemon, datagram, wait=0.3):
    with rig.Link.udp(daemon) as link:
        link.settimeout(wait)
        link.send(datagram)
        try:
            return link.recv(65536)
        except socket.timeout:
            return b""


def datagram(number, counter=None, kind=3, key=0):
    body = rig.native_batch(rig.Device("kettle", "u"), [
        (number, {"type": "feature.used", "aspect": "boil", "time": int(time.time() * 1000), "customer": "cu"})], {},
        "kettle/u")
    head = struct.pack(">BBIII", 0xC1, kind, key, 0, counter or number) + body
    return head + struct.pack("<II", zlib.crc32(head), 0)
