"""Packets that no good client sends, and too many that are good: what is answered, and what the daemon needs for it.

A case is a function that gets a Trial and returns what is wrong, or nothing; its first comment is its name in print.
"""

import json
import random
import struct
import time

import packets
import rig
from packets import connect, publish, string

MEMORY = 48 << 20
TOPICS, IDS = 1_000_000, 65_535
ALIAS, USER_PROPERTY = 0x23, 0x26
TOPIC = "tidings/v1/kettle/k-1/event"
# Words of answers.
MALFORMED, PROTOCOL = "DISCONNECT 0x81, end", "DISCONNECT 0x82, end"


def event(number, **more):
    said = {"product": "kettle", "device": "k-1", "id": number, "type": "feature.used", "aspect": "boil"} | more
    return json.dumps(said).encode()


class Trial:
    """What the cases have: a daemon, and ways to ask it."""

    def __init__(self, site, options, accepts_foreign=False):
        self.site, self.options, self.accepts_foreign = site, options, accepts_foreign
        self.before = 0

    def open(self, **options):
        """A connection that is accepted."""
        link = packets.Connection(self.site.port, 10, self.site.target.ca)
        code = link.open(user="kettle/k-1", password=self.site.target.tokens.get("kettle/k-1"), **options)
        if code != 0:
            raise ValueError(f"CONNECT is answered 0x{code:02x}")
        return link

    def ask(self, said, timeout=5.0, **options):
        """What is answered to bytes on an open connection."""
        with self.open(**options) as link:
            link.link.settimeout(timeout)
            link.send(said)
            return link.rest()

    def first(self, said, timeout=5.0):
        """What is answered to the first bytes of a connection."""
        with packets.Connection(self.site.port, timeout, self.site.target.ca) as link:
            link.send(said)
            return link.rest()

    def is_bounded(self, limit=MEMORY):
        """Whether the daemon needs little more than before the case."""
        more = self.site.daemon.rss() - self.before
        return None if more < limit else f"{more >> 20} MiB more than before"


def one_of(came, *wanted):
    return None if came in wanted else f"{came} instead of {' or '.join(wanted)}"


def five_bytes_of_length(trial):
    """a remaining length of five bytes"""
    said = b"\x30\xff\xff\xff\xff\x01"
    return (one_of(trial.first(b"\x10\xff\xff\xff\xff\x01"), "end", MALFORMED, "CONNACK 0x81, end")
            or one_of(trial.ask(said), MALFORMED) or one_of(trial.ask(said, version=4), "end"))


def cut_length(trial):
    """a remaining length that says more than the largest packet"""
    came = trial.ask(b"\x30\xff\xff\xff\x7f" + string(TOPIC))
    return one_of(came, "DISCONNECT 0x95, end") or one_of(trial.ask(b"\x30\xff\xff\xff\x7f", version=4), "end")


def letters_of_topics(trial):
    """U+0000, control characters, surrogates and wildcards in topics"""
    for topic in (b"tidings/v1/a\x00/b/event", b"tidings/v1/a\x01/b/event", b"tidings/v1/a\xed\xa0\x80/b/event",
                  b"tidings/v1/a/b\xff/event", b"tidings/v1/+/b/event", b"tidings/v1/a/#", b"#", b"+"):
        for qos in range(3):
            came = trial.ask(publish(topic, event(1), qos))
            if came not in (MALFORMED, PROTOCOL, "DISCONNECT 0x90, end"):
                return f"{topic} with QoS {qos}: {came}"
            came = trial.ask(publish(topic, event(1), qos, version=4), version=4)
            if came != "end":
                return f"{topic} with QoS {qos}, MQTT 3.1.1: {came}"
    return None


def names_of_topics(trial):
    """topics that are almost right"""
    for topic in ("tidings/v1/kettle/k-1", "tidings/v1/kettle/k-1/event/", "/tidings/v1/kettle/k-1/event",
                  "tidings/v2/kettle/k-1/event", "tidings/v1//k-1/event", "tidings/v1/kettle//event", "t/x",
                  "$SYS/broker", "tidings/v1/" + "x" * 60_000 + "/k-1/event"):
        with trial.open() as link:
            link.send(publish(topic, event(1), 1))
            name, _, rest = link.packet()
            if name not in ("PUBACK", "DISCONNECT") or len(rest) < 1 or rest[-1 if name == "DISCONNECT" else 2] < 0x80:
                return f"{topic[:60]}: {name} {rest.hex()}"
    return None


def million_topics(trial):
    """a million topics: memory is bounded"""
    # Of devices that say nothing, and where foreign topics are accepted, of nobody: nothing is kept of those.
    topic = "x/{}" if trial.accepts_foreign else "tidings/v1/kettle/{}/batch"
    with trial.open() as link:
        link.link.settimeout(30)
        for start in range(0, TOPICS, 10_000):
            link.send(b"".join(publish(topic.format(start + number), b"[]") for number in range(10_000)))
        alive = link.answers_ping()
    # What has been kept of them is written with the next event.
    trial.ask(publish(TOPIC, event(90_003), 1) + packets.DISCONNECT)
    return trial.is_bounded() or (None if alive else "the connection is closed")


def aliases(trial):
    """aliases that are 0, beyond the maximum, or never said"""
    for number, wanted in ((0, ("DISCONNECT 0x94, end",)), (11, ("DISCONNECT 0x94, end",)),
                           (65_535, ("DISCONNECT 0x94, end",))):
        said = publish(TOPIC, event(1), properties=bytes([ALIAS]) + struct.pack(">H", number))
        problem = one_of(trial.ask(said), *wanted, MALFORMED, PROTOCOL)
        if problem:
            return f"alias {number}: {problem}"
    said = publish("", event(1), properties=bytes([ALIAS]) + struct.pack(">H", 5))
    return one_of(trial.ask(said), PROTOCOL, MALFORMED, "DISCONNECT 0x94, end")


def every_alias(trial):
    """ten aliases with topics of 65,535 bytes each, on 20 connections"""
    links = [trial.open() for _ in range(20)]
    topic = "x" * 65_535 if trial.accepts_foreign else "tidings/v1/x/" + "y" * 65_516 + "/event"
    for link in links:
        for number in range(1, 11):
            link.send(publish(topic, b"", properties=bytes([ALIAS]) + struct.pack(">H", number)))
    alive = [link.answers_ping() for link in links]
    problem = trial.is_bounded()
    for link in links:
        link.link.close()
    return problem or (None if all(alive) else "the connections are closed")


def open_ids(trial):
    """65,535 packet ids open, none released: memory is bounded; in MQTT 5 the 21st is too many (0x93)"""
    answers = {}
    with trial.open(version=4) as link:
        link.link.settimeout(20)
        try:
            for start in range(1, IDS + 1, 500):
                numbers = range(start, min(start + 500, IDS + 1))
                if not link.send(b"".join(publish(TOPIC, event(number), 2, number, 4) for number in numbers)):
                    break
                for _ in numbers:
                    name, _, _ = link.packet()
                    answers[name] = answers.get(name, 0) + 1
            last = "open"
        except (packets.Closed, TimeoutError) as error:
            last = type(error).__name__
    print(f"    65,535 ids in MQTT 3.1.1: {answers}, then {last}")
    if answers.get("PUBREC", 0) < IDS and last != "Closed":
        return f"{answers}, then {last}"
    # Their number is announced in MQTT 5.
    came = trial.ask(b"".join(publish(TOPIC, event(number), 2, number) for number in range(1, 2_000)))
    return trial.is_bounded() or (None if came.endswith("DISCONNECT 0x93, end") else f"MQTT 5: {came[-200:]}")


def large_will(trial):
    """a will of 65,535 bytes, the most there can be, and one with a megabyte of properties"""
    will = (TOPIC, b"x" * 65_535)
    links = []
    for index in range(40):
        link = packets.Connection(trial.site.port, 10, trial.site.target.ca)
        links.append(link)
        user = {"user": "kettle/k-1", "password": trial.site.target.tokens.get("kettle/k-1")}
        link.send(connect(f"will {index}", will=will, **user))
        link.packet()
    problem = trial.is_bounded()
    for link in links:
        link.link.close()
    if problem:
        return problem
    properties = (bytes([USER_PROPERTY]) + string("k") + string("v" * 60_000)) * 17
    rest = string("MQTT") + b"\x05\x06\x00\x3c\x00" + string("will") + packets.variable(len(properties)) + properties
    came = [trial.first(packets.packet(0x10, rest + string(TOPIC) + string("x")), 0.3) for _ in range(10)]
    return trial.is_bounded() or (None if all(len(one.split(",")) <= 2 for one in came) else str(came))


def never_reads(trial):
    """a client that sends and never reads: it is no longer read, or closed, and costs no memory"""
    links = [trial.open(version=4) for _ in range(20)]
    flood = packets.PINGREQ * 20_000
    for link in links:
        link.link.settimeout(0.5)
    sent, until = 0, time.monotonic() + 5
    while links and time.monotonic() < until:
        for link in list(links):
            try:
                link.link.sendall(flood)
                sent += len(flood)
            except OSError:
                links.remove(link)
                link.link.close()
    print(f"    {sent >> 20} MiB of PINGREQ were taken of 20 that never read; {len(links)} still send after 5 s")
    for link in links:
        link.link.close()
    return trial.is_bounded() or (None if sent < 1 << 30 else f"{sent >> 20} MiB were taken")


def connect_twice(trial):
    """CONNECT twice"""
    return (one_of(trial.ask(connect("again")), PROTOCOL)
            or one_of(trial.ask(connect("again", version=4), version=4), "end"))


def something_before_connect(trial):
    """anything before CONNECT"""
    for said in (publish(TOPIC, event(1)), packets.PINGREQ, packets.DISCONNECT, b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00"):
        came = trial.first(said)
        if not came.endswith("end") or "CONNACK 0x00" in came:
            return f"{said[:20]}: {came}"
    return None


def keep_alives(trial):
    """keep-alive 0 and 65,535 stay open; 1 is closed soon after 1.5 s"""
    with trial.open(client="0", keep_alive=0) as none, trial.open(client="long", keep_alive=65_535) as long:
        began = time.monotonic()
        came = trial.ask(b"", timeout=8, client="short", keep_alive=1)
        seconds = time.monotonic() - began
        # "As if the network had failed" (MQTT-3.1.2-22): with a word or without.
        if came not in ("end", "DISCONNECT 0x8d, end") or not 1.3 < seconds < 4:
            return f"{came} after {seconds:.1f} s"
        came = trial.ask(b"", timeout=8, client="short", keep_alive=1, version=4)
        if came != "end":
            return f"MQTT 3.1.1: {came}"
        return None if none.answers_ping() and long.answers_ping() else "an idle connection was closed"


def foreign_topics(trial):
    """other topics are accepted, and nothing of them is stored"""
    with trial.open() as link:
        link.send(publish("homeassistant/sensor/state", b"21.5", 1))
        name, _, rest = link.packet()
        return None if name == "PUBACK" and (len(rest) == 2 or rest[2] < 0x80) else f"{name} {rest.hex()}"


def bad_payloads(trial):
    """payloads that are no event: refused with 0x99, and the connection stays; MQTT 3.1.1 has no word for it"""
    for payload in (b"", b"{", b"null", b"[]]", b"\xff\xfe", b'{"product":"kettle"', b"[" * 60_000, b"{}" * 500):
        with trial.open() as link:
            link.send(publish(TOPIC, payload, 1))
            name, _, rest = link.packet()
            if name != "PUBACK" or len(rest) < 3 or rest[2] < 0x80 or not link.answers_ping():
                return f"{payload[:20]}: {name} {rest.hex()}"
    with trial.open() as link:
        link.link.settimeout(10)
        link.send(publish(TOPIC, b" " * 1_500_000 + event(1), 1))
        name, _, rest = link.packet()
        is_refused = name == "PUBACK" and len(rest) > 2 and rest[2] in (0x95, 0x99)
        return None if is_refused else f"1.5 MB: {name} {rest.hex()}"


def others(trial):
    """an event of another device in one's own topic is refused"""
    with trial.open() as link:
        link.send(publish(TOPIC, event(1, device="k-9"), 1))
        name, _, rest = link.packet()
        return None if name == "PUBACK" and len(rest) > 2 and rest[2] >= 0x80 else f"{name} {rest.hex()}"


def noise(trial):
    """random bytes, on 300 connections"""
    rng = random.Random(trial.options.seed)
    for _ in range(300):
        with trial.open() as link:
            link.link.settimeout(0.01)
            link.send(rng.randbytes(rng.randrange(1, 2_000)))
            link.rest()
    return trial.is_bounded()


def subscriptions(trial):
    """one's own topics may be subscribed to; nothing is delivered from one client to another"""
    with trial.open() as link:
        def ask(filter):
            link.send(packets.packet(0x82, b"\x00\x01\x00" + string(filter) + b"\x01"))
            # How the device is to stand may come in between.
            while (found := link.packet())[0] == "PUBLISH":
                pass
            return found[2][-1]
        for filter, is_own in (("tidings/v1/kettle/k-1/down/#", True), ("tidings/v1/kettle/k-1/state", True),
                               ("tidings/v1/kettle/k-2/down/#", not trial.site.is_secure)):
            if (ask(filter) < 0x80) != is_own:
                return f"{filter} is {'refused' if is_own else 'granted'}"
        with trial.open(client="other") as other:
            other.send(publish("tidings/v1/kettle/k-1/state", b'{"from":"other"}', 0))
            other.answers_ping()
        link.link.settimeout(0.3)
        try:
            while True:
                name, _, rest = link.packet()
                if name != "PUBLISH" or b"from" in rest:
                    return f"{name} came, with {rest[:80]}"
        except TimeoutError:
            return None
        except packets.Closed:
            return "the connection is closed"


def wills(trial):
    """a will is stored once when its client is gone without a word, and not at all after DISCONNECT"""
    for number, is_polite in ((90_001, False), (90_002, True)):
        with trial.open(client="will", version=4, will=("t/e", event(number))) as link:
            if is_polite:
                link.send(packets.DISCONNECT)
    def stored():
        return [one["id"] for one in rig.read_log(trial.site.folder) if one["id"] in ("0-90001", "0-90002")]

    # Who is gone is looked for once a second.
    until = time.monotonic() + 10
    while not stored() and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(1.5)
    with trial.open(client="will", version=4):
        pass
    found = stored()
    return None if found == ["0-90001"] else f"stored: {found}"


def credentials(trial):
    """no token, a wrong one, another's: 0x86 or 0x87 (MQTT 3.1.1: 4 or 5); and nobody may send for others"""
    token = trial.site.target.tokens["kettle/k-1"]
    refusals = {5: ("CONNACK 0x86, end", "CONNACK 0x87, end"), 4: ("CONNACK 0x04, end", "CONNACK 0x05, end")}
    for who in ({}, {"user": "kettle/k-1"}, {"user": "kettle/k-1", "password": token[:-2]},
                {"user": "kettle/k-1", "password": "x"}, {"user": "", "password": token[:5]}):
        for version, wanted in refusals.items():
            problem = one_of(trial.first(connect("who", version, **who)), *wanted)
            if problem:
                return f"{ {name: value[:6] for name, value in who.items()} }: {problem}"
    # Whatever name stands beside it, it is the token that says who speaks.
    for user, topic in (("kettle/k-1", "tidings/v1/kettle/k-2/event"), ("kettle/k-2", "t/e")):
        with packets.Connection(trial.site.port, 10, trial.site.target.ca) as link:
            if link.open(client="who", user=user, password=token) != 0:
                continue
            link.send(publish(topic, event(1, device="k-2"), 1))
            name, _, rest = link.packet()
            if (name, rest[2]) != ("PUBACK", 0x87):
                return f"an event of another: {name} {rest.hex()}"
    return None


def drain(trial):
    """a daemon that stops says so: 0x8b"""
    with trial.open() as link:
        link.link.settimeout(15)
        trial.site.daemon.signal()
        return one_of(link.rest(), "DISCONNECT 0x8b, end")


# Without keys anybody may say anything of any device.
KEYED = [letters_of_topics, names_of_topics, credentials, others, subscriptions, wills]
CASES = [five_bytes_of_length, cut_length, letters_of_topics, names_of_topics, aliases, every_alias, open_ids,
         large_will, never_reads, connect_twice, something_before_connect, keep_alives, bad_payloads, noise,
         subscriptions, wills, million_topics]


def run(site, options, folder):
    """What stays the same with keys is asked without them only, where it takes long."""
    problems = []
    cases = KEYED if site.is_secure else CASES
    site.start(folder / "refuse", ["kettle/k-1", "kettle/k-2"], {"listen.max_connections": 4_000})
    trial = Trial(site, options)
    for case in cases:
        problems += asked(trial, case)
        if not site.daemon.alive:
            return problems + [f"the daemon is gone: {site.daemon.log()[-1_000:]}"]
    memory = site.daemon.rss(peak=True) >> 20
    problems += [] if memory < 256 else [f"the daemon took {memory} MiB"]
    problems += site.stop()
    site.start(folder / "accept", ["kettle/k-1", "kettle/k-2"], {"mqtt.foreign_topics": "accept"})
    trial = Trial(site, options, accepts_foreign=True)
    for case in [foreign_topics] + ([] if site.is_secure else [million_topics, every_alias]) + [drain]:
        problems += asked(trial, case)
    code = site.daemon.wait()
    problems += [] if code == 0 else [f"the daemon's exit code is {code}"]
    stored = [one["id"] for one in rig.read_log(folder / "accept") if one["id"] != "0-90003"]
    return problems + ([f"{len(stored)} events of foreign topics are in the log"] if stored else [])


def asked(trial, case):
    began, trial.before = time.monotonic(), trial.site.daemon.rss()
    try:
        problem = case(trial)
    except (ValueError, OSError, packets.Closed, struct.error, IndexError) as error:
        problem = f"{type(error).__name__}: {error}"
    what, seconds = f"{case.__doc__}{trial.site.title}", time.monotonic() - began
    print(f"check-mqtt: {'FAILED' if problem else 'ok'}: {what}, {seconds:.1f} s{f': {problem}' if problem else ''}",
          flush=True)
    return [f"{what}: {problem}"] if problem else []
