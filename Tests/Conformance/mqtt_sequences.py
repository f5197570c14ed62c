"""The packet sequences of mosquitto's own tests: send these bytes, expect those, then closed or alive.

The corpus is folders of JSON: groups of tests, each a list of messages. A payload is words: hexadecimal bytes; `rN` and
`vN` a variable byte integer (remaining length, properties); `sN`, `kN`, `mN`, `HN` a 16-bit number (length of a string,
keep-alive, packet id, other); `LN` 32 bits; `iN` 8 bits; `'text'` its UTF-8. Before a test stands a CONNECT and its
CONNACK, unless the test brings its own. At its end the connection must be closed without another byte, or answer a
PINGREQ.

Nothing is relayed between clients here, so what needs a message that is delivered is skipped, and counted. A server
that runs already (--port) is asked for its usual CONNACK of MQTT 5 first, and gets what needs a relay, too; older ones
close without a word where the corpus wants the reason, which is counted apart.
"""

import collections
import concurrent.futures
import json
import re
import socket
import time

from harness import Daemon
from packets import string, variable

WORDS = re.compile(r"'([^']*)'|(\S+)")
NUMBERS = {"i": 1, "H": 2, "k": 2, "m": 2, "s": 2, "L": 4}
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
# Topic alias maximum 10, maximum packet size 2,000,000, receive maximum 20.
USUAL_CONNACK = bytes.fromhex("200e00000b22000a27001e8480210014")
SILENCE = "nothing, and closed,"
LANES, PATIENCE = 8, 5.0


def packed(text):
    """The bytes of a payload."""
    made = b""
    for quoted, word in WORDS.findall(text):
        if not word:
            made += quoted.encode()
        elif word[0] in "rv":
            made += variable(int(word[1:]))
        elif word[0] in NUMBERS:
            made += int(word[1:]).to_bytes(NUMBERS[word[0]], "big")
        else:
            made += bytes.fromhex(word)
    return made


def usual_connect(client, version):
    """A clean session, keep-alive 60; in MQTT 5 a receive maximum of 20."""
    rest = string("MQIsdp" if version == 3 else "MQTT") + bytes([version, 2, 0, 60])
    rest += (b"\x03\x21\x00\x14" if version == 5 else b"") + string(client)
    return b"\x10" + variable(len(rest)) + rest


class Sequence:
    def __init__(self, file, group, test):
        self.file, self.name = file, f"{' '.join(group['group'].split())}: {test['name'].strip()}"
        self.version = test.get("ver", group.get("ver", 4))
        self.is_closed = test.get("expect_disconnect", group.get("expect_disconnect", True))
        self.messages = test["msgs"]
        self.has_usual_start = test.get("connect", group.get("connect", True))

    def needs(self):
        """What the server would have to do that Tidings does not; None when nothing."""
        if any(message["type"] == "external_publish" for message in self.messages):
            return "needs a message of a second client"
        if any(message["type"] == "recv" and message["payload"].startswith("3") for message in self.messages):
            return "needs its own message back"
        return None

    def steps(self, usual_connack):
        """The bytes to send and to expect, in their order; a dictionary for a message of a second client."""
        if self.has_usual_start:
            yield "send", usual_connect(self.name, self.version)
            yield "recv", usual_connack if self.version == 5 else b"\x20\x02\x00\x00"
        for message in self.messages:
            if message["type"] == "external_publish":
                yield "publish", message
            else:
                made = packed(message["payload"])
                yield message["type"], usual_connack if made == USUAL_CONNACK else made

    def play(self, port, usual_connack):
        """Returns what was sent, and what is wrong; None when nothing is."""
        sent = b""
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for kind, what in self.steps(usual_connack):
                if kind == "send":
                    sent += what
                    try:
                        link.sendall(what)
                    except OSError:
                        pass        # closed too early: what is expected next does not come
                elif kind == "publish":
                    publish(port, what)
                else:
                    came, has_ended = received(link, len(what))
                    if came != what:
                        silent = self.is_closed and has_ended and not came
                        return sent, f"{SILENCE if silent else shown(came)} instead of {shown(what)}"
            return sent, closed(link) if self.is_closed else alive(link)


def shown(came):
    return came.hex(" ") or "nothing"


def receive(link, count):
    """So many bytes, or fewer when no more come."""
    return received(link, count)[0]


def received(link, count):
    """The same, and whether the connection has ended before."""
    came = b""
    try:
        while len(came) < count:
            more = link.recv(count - len(came))
            if not more:
                return came, True
            came += more
    except TimeoutError:
        pass
    except OSError:
        return came, True
    return came, False


def closed(link):
    try:
        more = link.recv(256)
    except TimeoutError:
        return "the connection is still open, and must be closed"
    except ConnectionError:
        return None
    return f"{shown(more)} instead of the end of the connection" if more else None


def alive(link):
    try:
        link.sendall(PINGREQ)
    except OSError:
        pass
    came = receive(link, 2)
    if came != PINGRESP:
        return f"{shown(came)} instead of a PINGRESP: the connection must stay open"
    # The next client with the same id comes only when this one is gone for the server, too.
    try:
        link.shutdown(socket.SHUT_WR)
        while link.recv(4_096):
            pass
    except OSError:
        pass
    return None


def publish(port, message):
    """A second client publishes something, and goes."""
    start = bytes([0x30 | message["qos"] << 1])
    rest = string(message["topic"]) + (b"\x00\x01" if message["qos"] else b"") + message["payload"].encode()
    turns = [(usual_connect("helper", 4), 4), (start + variable(len(rest)) + rest, 4 if message["qos"] else 0)]
    turns += [(b"\x62\x02\x00\x01", 4)] if message["qos"] == 2 else []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as link:
        for said, count in turns:
            link.sendall(said)
            receive(link, count)


def sequences(folder):
    for path in sorted(folder.glob("*.json")):
        for group in json.loads(path.read_text()):
            for test in group["tests"]:
                yield Sequence(path.name, group, test)


def asked_connack(port):
    """What the server says to a client of MQTT 5 that asks for nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as link:
        link.sendall(usual_connect("asking", 5))
        head = receive(link, 2)
        return head + receive(link, head[1] if len(head) == 2 else 0)


def lanes(chosen):
    """Those with a usual start have names of their own and are played side by side. The others are all called p, and a
    relay would mix up what they get: one after the other."""
    alone = [one for one in chosen if not one.has_usual_start or one.needs()]
    rest = [one for one in chosen if one.has_usual_start and not one.needs()]
    return [lane for lane in (rest[first::LANES] for first in range(LANES)) if lane], alone


def run(tally, folder, corpora, port=None):
    place = corpora and corpora / "mqtt/sequences"
    if not place or not place.is_dir():
        tally.skip(1, "mqtt", "no corpora: give --corpora a folder that holds mqtt/sequences")
        return
    every = list(sequences(place))
    if port:
        play_all(tally, every, port, asked_connack(port), is_foreign=True)
        return
    skipped = collections.Counter(one.needs() for one in every if one.needs())
    for why, count in skipped.items():
        tally.skip(count, f"{count} sequences", why)
    settings = {"listen.mqtt.port": 0, "mqtt.foreign_topics": "accept", "listen.max_connections": 2_000}
    daemon = Daemon(folder, settings)
    play_all(tally, [one for one in every if not one.needs()], daemon.mqtt_port, USUAL_CONNACK)
    problems, stored = daemon.stop()
    if stored:
        problems.append(f"{len(stored)} events are in the log, though all topics were foreign")
    for problem in problems:
        tally.check("the daemon after all sequences", "mqtt", b"", problem)


def play_all(tally, chosen, port, usual_connack, is_foreign=False):
    began = time.monotonic()

    def play(lane):
        return [(one, *outcome(one, port, usual_connack)) for one in lane]

    beside, alone = lanes(chosen)
    results = play(alone)
    with concurrent.futures.ThreadPoolExecutor(len(beside) or 1) as pool:
        for played in pool.map(play, beside):
            results += played
    if is_foreign:
        silent = [result for result in results if result[2] and result[2].startswith(SILENCE)]
        results = [result for result in results if result not in silent]
        tally.skip(len(silent), f"{len(silent)} sequences", "closed as expected, without the reason that is expected")
    for one, sent, problem in results:
        tally.check(f"{one.file}: {one.name}", f"{len(sent)} bytes", sent.hex(" ").encode(), problem)
    print(f"mqtt: {len(chosen)} sequences in {time.monotonic() - began:.1f} s", flush=True)


def outcome(one, port, usual_connack):
    try:
        return one.play(port, usual_connack)
    except OSError as error:
        return b"", f"{type(error).__name__}: {error}"
