"""Devices with keys on each way in, and one who has recorded them and sends it all again.

Token, proof and signature are made here by what schemas/wire/v1/tidings.proto says of them, without the daemon's code.
"""

import base64
import collections
import hashlib
import hmac
import json
import os
import random
import socket
import struct
import time

from rig import tidings
from senders import Device, LinesTCP, Link, NativeTCP, NativeUDP, field, frame, native_batch, parse

# The epoch of now: seconds since 2000.
NOW = int(time.time()) - 946_684_800


class Key:
    """A device's key, as `tidings device add` has printed it."""

    def __init__(self, printed):
        self.id = printed["key_id"]
        self.bytes = base64.urlsafe_b64decode(printed["key"] + "=")

    def secret(self, label):
        return hmac.digest(self.bytes, label + b"\x01", hashlib.sha256)

    @property
    def token(self):
        return f"{self.id}.{base64.urlsafe_b64encode(self.secret(b'tidings token')).decode().rstrip('=')}"

    def proof(self, nonce, own_nonce, hello):
        return hmac.digest(self.secret(b"tidings tcp proof"), nonce + own_nonce + hello, hashlib.sha256)

    def mac(self, datagram):
        return hmac.digest(self.secret(b"tidings udp mac"), datagram, hashlib.sha256)[:8]

    def datagram(self, epoch, counter, body):
        head = struct.pack(">BBIII", 0xC1, 3, self.id, epoch, counter) + body
        return head + self.mac(head)

    def has_signed(self, answer):
        return len(answer) > 22 and answer[2:6] == struct.pack(">I", self.id) and self.mac(answer[:-8]) == answer[-8:]


def add_keys(folder, sources):
    """Gives devices keys, also without a daemon."""
    done = tidings(folder, "device", "add", *sources, "--format", "json")
    if done.returncode != 0:
        raise RuntimeError(f"tidings device add: exit code {done.returncode}: {done.stderr}")
    return [Key(printed) for printed in json.loads(done.stdout)["keys"]]


class KeyedLines(LinesTCP):
    """JSON lines behind one with the token, which is line 1 and acknowledged as such."""

    def open(self, daemon):
        link = super().open(daemon)
        link.sendall(json.dumps({"hello": "", "token": self.key.token}).encode() + b"\n")
        self.socket = link
        while b"\n" not in self.buffer:
            self.buffer += self.receive()
        line, self.buffer = self.buffer.split(b"\n", 1)
        if json.loads(line) != {"ack": 1}:
            raise ValueError(f"the token was answered {line}")
        return link

    def exchange(self, window):
        if not self.sent:
            self.sent, self.read = [0], 1   # the line with the token
        super().exchange(window)


class KeyedFrames(NativeTCP):
    """Frames behind a proof. Keeps what it has said, for whoever plays it again."""

    said = b""

    def open(self, daemon):
        self.buffer, self.words = b"", {}
        self.socket = link = self.tcp(daemon)
        nonce = os.urandom(32)
        hello = (field(1, 1) + field(2, f"{self.device.product}/{self.device.name}") + field(3, self.key.id)
                 + field(4, self.device.epoch) + field(7, nonce))
        begin = b"TDG1" + frame(1, hello)
        link.sendall(begin)
        kind, body = self.next_frame()
        if kind != 2 or set(parse(body)) != {1}:
            raise ValueError(f"the HELLO was answered by frame {kind}")
        proof = frame(7, self.key.proof(parse(body)[1], nonce, hello))
        link.sendall(proof)
        self.begin = begin + proof
        return link

    def exchange(self, window):
        words = dict(self.words)
        said = self.begin + frame(3, native_batch(self.device, window, words)) if not self.words else self.said
        super().exchange(window)
        self.said = said


class KeyedDatagrams(NativeUDP):
    """Signed datagrams; an answer that is not signed is not believed."""

    def open(self, daemon):
        link = self.udp(daemon)
        return Signing(link, self.key)


class Signing:
    """A socket that puts a signature in the place of the checksum, and looks at that of an answer."""

    def __init__(self, link, key):
        self.link, self.key = link, key

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def send(self, datagram):
        _, _, _, epoch, counter = struct.unpack(">BBIII", datagram[:14])
        self.link.send(self.key.datagram(epoch, counter, datagram[14:-8]))

    def recv(self, count):
        answer = self.link.recv(count)
        if not self.key.has_signed(answer):
            raise ValueError("an answer is not signed")
        if answer[1] & 15 == 5:
            raise ValueError(f"refused: {parse(answer[14:-8])}")
        return answer


class Recorded(Device):
    """A device that takes a new epoch all the time, as one that is reset; each event says which was its own."""

    def made(self, epoch):
        self.epoch = epoch
        event = self.make()
        return len(self.events), event

    def sent(self, epoch, number):
        event = self.events.get(number)
        return event if event and event["id"] == f"{epoch}-{number}" else None


class Recorder(Link):
    """Sends signed datagrams, each under an epoch of its own, and all that it has recorded again and again: its own
    datagrams, some that it has held back when they were new, and the connections of others. None of it may be stored a
    second time, and what was held back not at all."""

    kept = 200
    sample = 4

    def __init__(self, device, victims, seed, **options):
        super().__init__(device, **options)
        self.victims, self.epoch, self.counter = victims, NOW, 0
        self.recorded, self.held = collections.deque(maxlen=self.kept), collections.deque(maxlen=self.kept)
        self.said = []
        self.answers = collections.Counter()
        self.chance = random.Random(seed)

    def open(self, daemon):
        self.daemon = daemon
        # What was said to the daemons before this one.
        self.said = [victim.said for victim in self.victims if victim.said]
        return self.udp(daemon)

    def exchange(self, window):
        self.epoch += 2
        number, event = self.device.made(self.epoch)
        datagram, held = self.signed(self.epoch, number, event), self.signed(self.epoch - 1, number, event)
        answer = self.ask(datagram)
        if answer and answer[1] & 15 == 4:
            self.got([number])
            self.recorded.append(datagram)
            self.held.append(held)
        elif answer:
            raise ValueError(f"a new epoch is refused: {parse(answer[14:-8])}")
        for all_of, kind in ((self.recorded, "repeated"), (self.held, "late")):
            for old in self.chance.sample(all_of, min(self.sample, len(all_of))):
                told = self.told(self.ask(old))
                self.answers[f"{kind} datagrams {told}"] += 1
                if kind == "late" and told not in ("refused with 4013", "without an answer"):
                    raise ValueError(f"a datagram that was held back is {told}")
        if self.said:
            self.play(self.said.pop())

    @staticmethod
    def told(answer):
        """What was answered to a datagram that is no new one."""
        if answer is None:
            return "without an answer"
        said = parse(answer[14:-8])
        if answer[1] & 15 == 4:
            return "told as stale" if said.get(10) else "known as stored"
        if said.get(2) != 4013:
            raise ValueError(f"a datagram that is not new: {said}")
        return "refused with 4013"

    def signed(self, epoch, number, event):
        self.counter += 1
        self.device.epoch = epoch
        body = native_batch(self.device, [(number, event)], {}, f"{self.device.product}/{self.device.name}")
        return self.key.datagram(epoch, self.counter, body)

    def ask(self, datagram):
        self.socket.send(datagram)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            try:
                answer = self.socket.recv(65536)
            except socket.timeout:
                if self.stopping.is_set():
                    raise EOFError
                continue
            if not self.key.has_signed(answer):
                raise ValueError("an answer is not signed")
            if answer[10:14] == datagram[10:14]:
                return answer
        return None

    def play(self, said):
        """A connection from its first byte on; the daemon's nonce is another one, so the proof is wrong."""
        reader = NativeTCP(self.device)
        reader.buffer = b""
        with self.tcp(self.daemon) as reader.socket:
            reader.socket.sendall(said)
            if reader.next_frame()[0] != 2:
                raise ValueError("a HELLO was not answered by WELCOME")
            kind, body = reader.next_frame()
            if kind != 5 or parse(body).get(2) != 4010:
                raise ValueError(f"a repeated proof was answered by frame {kind}: {parse(body)}")
        self.answers["connections refused with 4010"] += 1


def keyed_links(folder, seed):
    """Two devices on each way in that a key has, and one that records."""
    kinds = ((KeyedFrames, 0.4), (KeyedLines, 0.4), (KeyedDatagrams, 0))
    links = [kind(Device("kettle" if index else "oven", f"{kind.__name__}-{index}", seed=seed, big=big, epoch=NOW),
                  pause=0.04)
             for kind, big in kinds for index in range(2)]
    links.append(Recorder(Recorded("oven", "Recorder", seed=seed), links[:2], seed, pause=0.02))
    keys = add_keys(folder, [f"{link.device.product}/{link.device.name}" for link in links])
    for link, key in zip(links, keys):
        link.key = key
    return links
