"""Devices that send events over each protocol, and remember every one that was acked.

A `Device` makes and numbers its events; a `Link` sends them one way; `start` runs links in threads. The native frames
are made here with a few lines of Protobuf, by docs/wire.md, without the daemon's code.
"""

import collections
import json
import os
import pathlib
import random
import socket
import struct
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KINDS = {kind["name"]: kind["number"] for kind in json.loads((ROOT / "schemas/kinds.json").read_text())["kinds"]}
# Seconds that anything may take; a machine that stands still now and then needs more.
DEADLINE = float(os.environ.get("TIDINGS_DEADLINE", "60"))


class Device:
    """A device that numbers its events, keeps them until they are acked, and forgets nothing for the ledger.

    big: the share of events with 3 KB of text that does not compress, to fill segments quickly.
    """

    def __init__(self, product, name, seed=1, big=0.0, epoch=0):
        self.product, self.name, self.epoch, self.big = product, name, epoch, big
        self.rng = random.Random(f"{seed} {product} {name}")
        self.events = {}                            # number -> event as JSON, short form
        self.pending = collections.OrderedDict()    # made, not acked
        self.acked = set()
        self.fresh = []                             # acked since somebody emptied this
        self.refused = {}                           # number -> code

    def make(self):
        rng, number = self.rng, len(self.events) + 1
        event = {"product": self.product, "device": self.name, "customer": f"cu-{rng.randrange(40)}",
                 "id": f"{self.epoch}-{number}", "time": int(time.time() * 1000) - rng.randrange(3 * 86_400_000)}
        kind = rng.randrange(10)
        if rng.random() < self.big:
            text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", k=3000))
            event.update(type="feedback.text", aspect="lid", text=text)
        elif kind < 3:
            event.update(type="preference.set", aspect="temperature", value=rng.randrange(60, 100))
        elif kind < 5:
            event.update(type="preference.set", aspect="mode", value=rng.choice(["green", "black", "white"]))
        elif kind < 7:
            event.update(type="rating.given", aspect="sound", value=rng.randrange(1, 6))
        elif kind < 9:
            event.update(type="feature.used", aspect="boil", count=rng.randrange(1, 5))
        else:
            event.update(type="fault.seen", aspect="heater", value=rng.choice(["E13", "E7"]), severity=17)
        self.events[number] = self.pending[number] = event
        return event

    def sent(self, epoch, number):
        """The event of that name; None when there is none."""
        return self.events.get(number) if epoch == self.epoch else None

    def window(self, count):
        """The next `count` events to send, the oldest first; new ones are made as needed."""
        while len(self.pending) < count:
            self.make()
        return list(self.pending.items())[:count]

    def ack(self, numbers):
        for number in numbers:
            if self.pending.pop(number, None) is not None:
                self.acked.add(number)
                self.fresh.append(number)

    def again(self, count):
        """Puts some of what was acked back, to be sent again. Returns how many."""
        chosen = {self.rng.randrange(len(self.events)) + 1 for _ in range(count)} & self.acked
        merged = dict(self.pending) | {number: self.events[number] for number in chosen}
        self.pending = collections.OrderedDict(sorted(merged.items()))
        return len(chosen)


class Link:
    """One device on one way into the daemon. `run` sends until told to stop or until the daemon is gone."""

    batch = 32          # below the 64 numbers that the daemon remembers
    total = None        # stop after so many acks; None = never
    pause = 0.0         # between batches

    def __init__(self, device, **options):
        self.device = device
        self.stopping = threading.Event()
        self.acks = 0
        self.failure = None # why it ended, if not because of the daemon's end
        self.note = None    # called after each ack that was read, with its numbers
        for name, value in options.items():
            setattr(self, name, value)

    def run(self, daemon):
        try:
            with self.open(daemon) as self.socket:
                while not self.stopping.is_set() and (self.total is None or self.acks < self.total):
                    rest = self.batch if self.total is None else min(self.batch, self.total - self.acks)
                    self.exchange(self.device.window(rest))
                    if self.pause:
                        time.sleep(self.pause)
        except (OSError, EOFError):
            pass    # the daemon is gone, or asked to stop: what has no ack stays pending
        except Exception as error:
            self.failure = f"{type(self).__name__}: {error!r}"
            raise

    def close(self):
        """The link is used no more."""

    def got(self, numbers):
        before = len(self.device.acked)
        self.device.ack(numbers)
        self.acks += len(numbers)
        if self.note:
            self.note(self.device, numbers, len(self.device.acked) - before)

    def receive(self, count=65536):
        """Waits for bytes, but not for ever, and notices a stop."""
        for _ in range(200):
            try:
                found = self.socket.recv(count)
            except socket.timeout:
                if self.stopping.is_set():
                    raise EOFError
                continue
            if not found:
                raise EOFError
            return found
        raise EOFError

    @staticmethod
    def tcp(daemon):
        link = socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=5)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(0.05)
        return link

    @staticmethod
    def udp(daemon):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.connect(("127.0.0.1", daemon.udp_port))
        link.settimeout(0.1)
        return link


class LinesTCP(Link):
    """JSON lines; {"ack":N} counts the lines of the connection."""

    def open(self, daemon):
        self.sent, self.read, self.buffer = [], 0, b""
        return self.tcp(daemon)

    def exchange(self, window):
        self.sent += [number for number, _ in window]
        self.socket.sendall(b"".join(json.dumps(event).encode() + b"\n" for _, event in window))
        while self.read < len(self.sent):
            self.buffer += self.receive()
            *lines, self.buffer = self.buffer.split(b"\n")
            for line in lines:
                self.take(json.loads(line))

    def take(self, answer):
        if "error" in answer and "line" not in answer["error"]:
            raise EOFError      # of the connection: shutting down
        if "error" in answer:
            number = self.sent[answer["error"]["line"] - 1]
            self.device.refused[number] = answer["error"]["code"]
            self.device.pending.pop(number, None)
        if "ack" in answer:
            numbers = self.sent[self.read:answer["ack"]]
            self.read = max(self.read, answer["ack"])
            self.got([number for number in numbers if number not in self.device.refused])


class LinesUDP(Link):
    """JSON datagrams, one at a time. A socket for each, so that a late ack is never taken for that of another."""

    batch = 4

    def open(self, daemon):
        self.daemon = daemon
        return self.udp(daemon)

    def exchange(self, window):
        datagram = b"\n".join(json.dumps(event).encode() for _, event in window)
        with self.udp(self.daemon) as link:
            link.send(datagram)
            try:
                # The ack is the first line; verdicts on single lines follow it.
                answer = json.loads(link.recv(65536).split(b"\n")[0])
            except socket.timeout:
                return
            if answer.get("ack") == len(window):
                self.got([number for number, _ in window])


class NativeTCP(Link):
    """Native frames over TCP."""

    def open(self, daemon):
        self.buffer = b""
        link = self.tcp(daemon)
        link.sendall(b"TDG1" + frame(1, field(1, 1) + field(2, f"{self.device.product}/{self.device.name}")
                                     + field(4, self.device.epoch)))
        self.words = {}
        return link

    def exchange(self, window):
        self.socket.sendall(frame(3, native_batch(self.device, window, self.words)))
        waiting = {number for number, _ in window}
        while waiting:
            kind, body = self.next_frame()
            if kind == 4:
                numbers = [number for number in sorted(waiting) if is_acked(parse(body), number)]
                waiting.difference_update(numbers)
                self.got(numbers)
            elif kind in (5, 10):
                raise EOFError

    def next_frame(self):
        while True:
            size, used = read_varint(self.buffer, 1)
            if used and len(self.buffer) >= used + size + 4:
                kind, body = self.buffer[0] & 15, self.buffer[used:used + size]
                if self.buffer[0] >> 4 & 1:
                    body = zlib.decompress(body)
                self.buffer = self.buffer[used + size + 4:]
                return kind, body
            self.buffer += self.receive()


class NativeUDP(Link):
    """Native datagrams, one at a time; the counter tells which one an ack answers."""

    batch = 12
    counter = 0

    def open(self, daemon):
        return self.udp(daemon)

    def exchange(self, window):
        NativeUDP.counter += 1
        body = native_batch(self.device, window, {}, f"{self.device.product}/{self.device.name}")
        head = struct.pack(">BBIII", 0xC1, 3, 0, self.device.epoch, NativeUDP.counter) + body
        self.counter_sent = NativeUDP.counter
        self.socket.send(head + struct.pack("<II", zlib.crc32(head), 0))
        try:
            answer = self.socket.recv(65536)
        except socket.timeout:
            return
        if answer[1] & 15 == 4 and struct.unpack(">I", answer[10:14])[0] == self.counter_sent:
            self.got([number for number, _ in window if is_acked(parse(answer[14:-8]), number)])


# A few lines of Protobuf: enough for Hello, Batch and Ack.

def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def zigzag(value):
    return value << 1 if value >= 0 else (-value << 1) - 1


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_varint(data, at):
    """The value and where it ends; 0 as the end when there are too few bytes."""
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
    return 0, 0


def parse(message):
    """Field number -> the last value."""
    at, found = 0, {}
    while at < len(message):
        key, at = read_varint(message, at)
        value, at = read_varint(message, at)
        if key & 7 == 2:
            value, at = message[at:at + value], at + value
        found[key >> 3] = value
    return found


def is_acked(ack, number):
    """Whether an Ack says that the number is durable."""
    if number <= ack.get(1, 0):
        return True
    upto, ranges, at = ack.get(1, 0), ack.get(2, b""), 0
    while at < len(ranges):
        missing, at = read_varint(ranges, at)
        durable, at = read_varint(ranges, at)
        if upto + missing < number <= upto + missing + durable:
            return True
        upto += missing + durable
    return False


def frame(kind, body):
    whole = bytes([kind]) + varint(len(body)) + body
    return whole + struct.pack("<I", zlib.crc32(whole))


def native_batch(device, window, words, source=None):
    """The body of a BATCH. `words` is the connection's string table, which grows."""
    fresh = []

    def ref(word):
        if word not in words:
            words[word] = len(words) + 1
            fresh.append(word)
        return words[word]

    base, expected, events = window[0][1]["time"], window[0][0], b""
    out = field(5, ref(source)) if source else b""
    for number, event in window:
        body = field(1, KINDS[event["type"]])
        if number != expected:
            body += field(2, number - expected + 1)
        expected = number + 1
        body += field(3, zigzag(event["time"] - base)) + field(4, ref(event["aspect"]))
        value = event.get("value")
        if isinstance(value, int):
            body += field(5, zigzag(value))
        elif value is not None:
            body += field(7, ref(value))
        for key, place in (("text", 8), ("severity", 10), ("count", 11)):
            if key in event:
                body += field(place, event[key])
        events += field(7, body + field(17, ref(event["customer"])))
    head = field(1, device.epoch) + field(2, window[0][0]) + field(3, base)
    return head + b"".join(field(4, word) for word in fresh) + out + events


class start:
    """Runs links, each in a thread."""

    def __init__(self, links, daemon):
        self.links = links
        self.threads = [threading.Thread(target=link.run, args=(daemon,), daemon=True) for link in links]
        for link, thread in zip(links, self.threads):
            link.stopping.clear()
            link.acks = 0
            thread.start()

    def stop(self):
        for link in self.links:
            link.stopping.set()
        self.join()

    def join(self, timeout=DEADLINE):
        until = time.monotonic() + timeout
        for thread in self.threads:
            thread.join(timeout=max(0, until - time.monotonic()))
