"""More than the daemon can take, and clients that behave badly: memory stays bounded, nothing acked is lost.

Phases, all on one daemon unless said otherwise:

flood       Greedy senders push as much as they can over TCP and UDP, without waiting for acks, while an honest device
            sends one event at a time. The daemon's peak memory stays under the cap; TCP is held back; UDP is answered
            with `busy` or its drops are counted; every acked event is stored; the counts balance; the honest device is
            served all the while.
slow disk   The same with a disk on which each write takes 20 ms longer (iofault.c): far more than capacity.
mute        Clients that never read their answers are closed; their answers do not fill the memory.
slow        1,000 connections that send one byte at a time, 1,000 that send nothing, 500 half-closed ones: the honest
            device is served.
attempts    50,000 connection attempts against a cap of 500 connections: the refused are told, the daemon serves on.
answers     Every kind of datagram, malformed ones too: no answer is longer than what it answers.

Latencies are printed, not judged: they depend on the machine.

Usage: scripts/overload [--seconds N] [--attempts N] [--seed S] [--cap-mib N] [--only PHASE[,PHASE]]
Example: scripts/overload --seconds 10 --attempts 5000
"""

import argparse
import collections
import contextlib
import json
import pathlib
import random
import re
import resource
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import faults
import rig

GREEDY_TCP, GREEDY_UDP = 8, 4


class Honest:
    """One device that sends one event, waits for its ack, and counts how long that took."""

    def __init__(self, daemon, seed, name="honest", pause=0.01, way=rig.LinesTCP):
        self.device = rig.Device("kettle", name, seed=seed)
        self.daemon, self.pause, self.latencies, self.failures = daemon, pause, [], 0
        self.way = way
        self.started = time.monotonic()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        link = self.way(self.device)
        while not self.stopping.is_set():
            try:
                with link.open(self.daemon) as link.socket:
                    link.socket.settimeout(0.5)
                    while not self.stopping.is_set():
                        self.started = time.monotonic()
                        link.exchange(self.device.window(1))
                        self.latencies.append((self.started, time.monotonic() - self.started))
                        time.sleep(self.pause)
            except (OSError, EOFError):
                self.failures += 1
                time.sleep(0.05)

    def stop(self):
        self.stopping.set()
        self.thread.join(timeout=rig.DEADLINE)

    def served(self, start, end=None):
        return [took for when, took in list(self.latencies) if when >= start and (end is None or when + took <= end)]


    def longest(self, start, end):
        """The longest wait for an ack that began in a span, the one that has not ended included."""
        waits = [took for when, took in list(self.latencies) if start <= when < end]
        return max(waits + [end - self.started] if self.started < end else waits or [0])


def quantiles(values):
    if not values:
        return "not served"
    values = sorted(values)
    return (f"p50 {values[len(values) // 2] * 1000:.1f} ms, p99 {values[int(len(values) * 0.99)] * 1000:.1f} ms, "
            f"{len(values)} served")


class Pusher:
    """A greedy sender over TCP: JSON lines as fast as the socket takes them; a second thread counts the acks."""

    def __init__(self, daemon, number, seed):
        self.product, self.name = "oven", f"greedy-{number}"
        self.link = socket.create_connection(("127.0.0.1", daemon.tcp_port))
        self.link.settimeout(0.2)
        self.sent = self.acked = self.refused = 0
        self.held_back = 0.0
        self.stopping = False
        rng = random.Random(f"{seed} {number}")
        self.values = [rng.randrange(60, 100) for _ in range(997)]
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.push, self.listen)]
        for thread in self.threads:
            thread.start()

    def push(self):
        number = 0
        while not self.stopping:
            lines = "".join(
                f'{{"product":"oven","device":"{self.name}","id":"0-{n}","type":"preference.set","aspect":"heat",'
                f'"value":{self.values[n % 997]}}}\n' for n in range(number + 1, number + 401)).encode()
            number += 400
            at = 0
            while at < len(lines):
                started = time.monotonic()
                try:
                    at += self.link.send(lines[at:])
                except socket.timeout:
                    pass
                except OSError:
                    return
                self.held_back += time.monotonic() - started
                if self.stopping and at == 0:
                    break
            else:
                self.sent = number

    def listen(self):
        buffer = b""
        while True:
            try:
                found = self.link.recv(65536)
            except socket.timeout:
                if self.stopping and self.acked >= self.sent:
                    return
                continue
            except OSError:
                return
            if not found:
                return
            *lines, buffer = (buffer + found).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                self.acked = max(self.acked, answer.get("ack", 0))
                self.refused += "error" in answer

    def stop(self):
        self.stopping = True
        until = time.monotonic() + 20
        while self.acked < self.sent and time.monotonic() < until:
            time.sleep(0.05)
        self.link.close()


class Spray:
    """A greedy sender of native datagrams. Each is one event; an ack of its counter makes it an acked event."""

    def __init__(self, daemon, number, seed):
        self.device = rig.Device("oven", f"spray-{number}", seed=seed)
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.connect(("127.0.0.1", daemon.udp_port))
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sent, self.acked, self.answers, self.longer = 0, set(), collections.Counter(), 0
        self.stopping = False
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.push, self.listen)]
        for thread in self.threads:
            thread.start()

    def push(self):
        body = native_event(self.device, 1)
        while not self.stopping:
            # One event with its own device name for each datagram: number and counter are the same.
            for _ in range(50):
                self.sent += 1
                body = native_event(self.device, self.sent)
                try:
                    self.link.send(datagram(body, self.sent))
                except OSError:
                    pass

    def listen(self):
        self.link.settimeout(0.3)
        while not self.stopping:
            try:
                answer = self.link.recv(65536)
            except OSError:
                continue
            kind = answer[1] & 15
            self.answers[kind] += 1
            if kind == 4:
                counter = struct.unpack(">I", answer[10:14])[0]
                if rig.is_acked(rig.parse(answer[14:-8]), counter):
                    self.acked.add(counter)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(timeout=5)
        self.link.close()


def native_event(device, number):
    event = {"type": "preference.set", "aspect": "heat", "value": 60 + number % 40, "time": 1_790_000_000_000,
             "customer": "cu-1"}
    return rig.native_batch(device, [(number, event)], {}, f"{device.product}/{device.name}")


def datagram(body, counter, kind=3, flags=0, key=0, epoch=0, magic=0xC1):
    head = struct.pack(">BBIII", magic, kind | flags << 4, key, epoch, counter & 0xFFFFFFFF) + body
    return head + struct.pack("<II", zlib.crc32(head), 0)


class Report:
    def __init__(self, name="overload"):
        self.name, self.broken = name, []

    def line(self, phase, text, problems):
        print(f"{self.name}: {'BROKEN' if problems else 'ok'}: {phase}: {text}", flush=True)
        for problem in problems:
            print(f"{self.name}:   {phase}: {problem}", flush=True)
        self.broken += [phase] * bool(problems)


class Watch(threading.Thread):
    """Samples the daemon's memory."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.watched, self.stopping, self.peak = daemon, False, 0
        self.start()

    def run(self):
        while not self.stopping and self.watched.alive:
            try:
                self.peak = max(self.peak, self.watched.rss())
            except OSError:
                return
            time.sleep(0.05)

    def stop(self):
        self.stopping = True
        self.join()
        return self.peak


class Stored:
    """Which numbers of which device are in the log; a byte for each number, for there are millions."""

    PATTERN = re.compile(rb'"device":"([^"]+)".*?"id":"0-(\d+)"')

    def __init__(self, folder):
        self.seen, self.count, self.doubled = collections.defaultdict(bytearray), 0, 0
        with subprocess.Popen([rig.BINARY, "log", "export", "--format", "ndjson", "--data", str(rig.data(folder))],
                              stdout=subprocess.PIPE, env=rig.environment()) as reader:
            for line in reader.stdout:
                if b'"type":"audited"' in line:
                    continue
                device, number = self.PATTERN.search(line).groups()
                seen, number = self.seen[device], int(number)
                if number >= len(seen):
                    seen.extend(bytes(number + 100_000 - len(seen)))
                self.doubled += seen[number]
                seen[number] = 1
                self.count += 1

    def missing(self, device, numbers):
        seen = self.seen[device.encode()]
        return sum(1 for number in numbers if number >= len(seen) or not seen[number])


def flood(options, folder, report, name, extra=None, arm=None):
    daemon = rig.Daemon(folder, {}, extra=extra)
    watch = Watch(daemon)
    honest = Honest(daemon, options.seed)
    time.sleep(1.0)
    before = time.monotonic()
    if arm:
        arm()
    pushers = [Pusher(daemon, number, options.seed) for number in range(GREEDY_TCP)]
    sprays = [Spray(daemon, number, options.seed) for number in range(GREEDY_UDP)]
    time.sleep(options.seconds)
    during = time.monotonic()
    longest = honest.longest(before, during)
    for spray in sprays:
        spray.stop()
    if arm:
        arm(False)
    for pusher in pushers:
        pusher.stopping = True
    for pusher in pushers:
        pusher.stop()
    honest.stop()
    time.sleep(1.2)     # the kernel's drops are read once a second
    problems = []
    status = daemon.status()
    peak = watch.stop()
    code = daemon.term()
    if code != 0:
        problems.append(f"exit code {code}")
    counts = status["transports"]
    udp = counts["udp"]
    if not status["is_balanced"]:
        problems.append(f"the counts do not balance: {counts}")
    sent = sum(spray.sent for spray in sprays)
    told = udp["received"]
    if peak > options.cap_mib << 20:
        problems.append(f"peak memory {peak >> 20} MiB, the cap is {options.cap_mib} MiB")
    stored = Stored(folder)
    lost = sum(stored.missing(pusher.name, range(1, min(pusher.acked, pusher.sent) + 1)) for pusher in pushers)
    lost += sum(stored.missing(spray.device.name, spray.acked) for spray in sprays)
    lost += stored.missing(honest.device.name, honest.device.acked)
    if lost:
        problems.append(f"{lost} acked events are not stored")
    if stored.doubled:
        problems.append(f"{stored.doubled} events stored twice")
    quiet, busy = honest.served(before - 1, before), honest.served(before, during)
    # Not a matter of speed: who waits that long is passed over again and again.
    if not busy or longest > max(20, options.seconds / 2):
        problems.append(f"the honest device was served {len(busy)} times; it waited {longest:.1f} s for one ack")
    if honest.failures:
        problems.append(f"the honest device was cut off {honest.failures} times")
    # What left the senders is received, or the kernel counted it as dropped. Loopback has no other way to lose.
    if told < sent:
        problems.append(f"{sent} datagrams sent, {told} accounted for")
    problems += rig.verify(folder)
    held = sum(pusher.held_back for pusher in pushers) / max(1, len(pushers)) / options.seconds
    answers = sum((spray.answers for spray in sprays), collections.Counter())
    report.line(
        name, f"{stored.count} events stored, {lost} acked and missing, peak memory "
        f"{peak >> 20} MiB (cap {options.cap_mib}); TCP senders blocked {held:.0%} of the time; UDP: {sent} sent, "
        f"{udp['committed']} committed, {udp['stale']} stale, {udp['duplicate']} duplicate, busy "
        f"{udp['refused'].get('busy', 0)} (told {answers[5]}), kernel dropped {udp['dropped'].get('kernel', 0)}; "
        f"honest device before: {quantiles(quiet)}; during: {quantiles(busy)}, longest wait "
        f"{longest:.1f} s", problems)


def slow_disk(options, folder, report):
    with tempfile.TemporaryDirectory() as scratch:
        shim = faults.build_shim(scratch)
        rig.data(folder).mkdir(parents=True)
        rules = faults.Rules(folder)
        extra = {"LD_PRELOAD": str(shim), "IOFAULT_FOLDER": str(rig.data(folder)), "IOFAULT_CONTROL": str(rules.path)}

        def arm(on=True):
            if on:
                rules.set(0, faults.WRITE | faults.SYNC, delay_us=20_000)
            else:
                rules.clear()

        flood(options, folder, report, "slow disk", extra, arm)


def check_honest(honest, start, end, problems, at_least):
    served = honest.served(start, end)
    if len(served) < at_least:
        problems.append(f"the honest device was served {len(served)} times")
    if honest.failures:
        problems.append(f"the honest device was cut off {honest.failures} times")
    return quantiles(served)


def mute(options, folder, report):
    """Clients that send what gets many answers and never read one; and clients that push rubbish."""
    daemon = rig.Daemon(folder, {})
    watch, honest = Watch(daemon), Honest(daemon, options.seed)
    start, problems, closed = time.monotonic(), [], 0
    few, many = b'{"product":"oven"}\n' * 60, b'{"product":"oven"}\n' * 4000
    mutes, pushers, sent = [], [], 0
    for links, count in ((mutes, 6), (pushers, 6)):
        for _ in range(count):
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", daemon.tcp_port))
            link.setblocking(False)
            links.append(link)
    until = time.monotonic() + 30
    while mutes and time.monotonic() < until:
        _, ready, _ = select.select([], mutes, [], 0.1)
        for link in ready:
            try:
                link.send(few)
            except BlockingIOError:
                pass
            except OSError:
                closed += 1
                mutes.remove(link)
                link.close()
        # A pause, so that each of these is a read of its own and gets all its answers.
        time.sleep(0.002)
    middle = time.monotonic()
    text = check_honest(honest, start, middle, problems, 1)
    until = middle + max(3, options.seconds / 4)
    while time.monotonic() < until:
        _, ready, _ = select.select([], pushers, [], 0.1)
        for link in ready:
            try:
                sent += link.send(many)
            except OSError:
                pass
    ended = time.monotonic()
    for link in mutes + pushers:
        link.close()
    text += f", while rubbish is pushed: {check_honest(honest, middle, ended + 10, problems, 1)}"
    honest.stop()
    peak = watch.stop()
    if closed < 6:
        problems.append(f"{6 - closed} of 6 clients that never read are still connected")
    if peak > options.cap_mib << 20:
        problems.append(f"peak memory {peak >> 20} MiB, the cap is {options.cap_mib} MiB")
    if not daemon.status()["is_balanced"]:
        problems.append("the counts do not balance")
    if daemon.term() != 0:
        problems.append("the daemon did not stop cleanly")
    report.line("mute", f"{closed} of 6 clients that never read are closed after {middle - start:.1f} s; "
                f"{sent >> 20} MiB of rubbish pushed; peak memory {peak >> 20} MiB (cap {options.cap_mib}); honest "
                f"device: {text}", problems)


def slow(options, folder, report):
    """Slow-loris, silence, and half-closed connections."""
    daemon = rig.Daemon(folder, {"listen.idle_timeout_seconds": 5, "listen.frame_timeout_seconds": 5})
    watch, honest = Watch(daemon), Honest(daemon, options.seed)
    time.sleep(0.5)
    problems, start = [], time.monotonic()
    slow_ones, silent, halves, answered = [], [], [], 0
    for _ in range(1000):
        slow_ones.append(socket.create_connection(("127.0.0.1", daemon.tcp_port)))
        silent.append(socket.create_connection(("127.0.0.1", daemon.tcp_port)))
    for number in range(500):
        link = socket.create_connection(("127.0.0.1", daemon.tcp_port))
        event = b'{"product":"oven","device":"half","id":"0-%d","type":"feature.used","aspect":"door"}'
        link.sendall(event % (number + 1))
        link.shutdown(socket.SHUT_WR)
        halves.append(link)
    line = b'{"product":"oven","device":"slow","type":"feature.used","aspect":"door"' + b" " * 400
    seconds = max(8, int(options.seconds / 2))
    for at in range(seconds):
        for link in slow_ones:
            try:
                link.send(line[at:at + 1])
            except OSError:
                pass
        time.sleep(max(0.0, start + 1.5 + at - time.monotonic()))
    ended = time.monotonic()
    for link in halves:
        link.settimeout(2)
        try:
            answered += b'"ack":1' in link.recv(200)
        except OSError:
            pass
    text = check_honest(honest, start, ended, problems, 1)
    honest.stop()
    closed = sum(1 for link in silent if is_closed(link))
    slow_closed = sum(1 for link in slow_ones if is_closed(link))
    if closed < len(silent):
        problems.append(f"{len(silent) - closed} of {len(silent)} silent connections are open after "
                        f"{ended - start:.0f} s; the idle time is 5 s")
    if slow_closed < len(slow_ones):
        problems.append(f"{len(slow_ones) - slow_closed} of {len(slow_ones)} slow connections are open after "
                        f"{ended - start:.0f} s; a line must be whole after 5 s")
    if answered < len(halves):
        problems.append(f"{len(halves) - answered} of {len(halves)} half-closed connections got no ack")
    for link in slow_ones + silent + halves:
        link.close()
    peak = watch.stop()
    if peak > options.cap_mib << 20:
        problems.append(f"peak memory {peak >> 20} MiB, the cap is {options.cap_mib} MiB")
    if daemon.term() != 0:
        problems.append("the daemon did not stop cleanly")
    report.line("slow", f"1000 connections at 1 byte a second ({slow_closed} closed by the daemon), 1000 silent "
                f"({closed} closed), 500 half-closed ({answered} acknowledged); peak memory {peak >> 20} MiB (cap "
                f"{options.cap_mib}); honest device: {text}", problems)


def is_closed(link):
    """Whether the other side has closed; answers that wait are read first."""
    link.setblocking(False)
    try:
        while True:
            if not link.recv(4096):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def attempts(options, folder, report):
    daemon = rig.Daemon(folder, {"listen.max_connections": 500})
    watch, honest = Watch(daemon), Honest(daemon, options.seed)
    time.sleep(0.3)
    problems, start = [], time.monotonic()
    held, told, closed, failed, made = [], 0, 0, 0, 0
    while made < options.attempts:
        made += 1
        link = socket.socket()
        link.settimeout(2)
        try:
            link.connect(("127.0.0.1", daemon.tcp_port))
        except OSError:
            failed += 1
            link.close()
            continue
        held.append(link)
        if made <= 600:
            # The first ones fill the cap, and stay: those that have never sent anything would give way to others.
            with contextlib.suppress(OSError):
                link.sendall(b'{"product":"oven","device":"held","type":"feature.used","aspect":"door"}\n')
        if len(held) > 900:
            # The rest come and go.
            for link in held[600:]:
                link.settimeout(1)
                try:
                    answer = link.recv(400)
                    told += b"too_many_connections" in answer or b"4290" in answer
                    closed += not answer
                except OSError:
                    closed += 1
                # A reset, so that no TIME_WAIT uses up the ports.
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                link.close()
            del held[600:]
    ended = time.monotonic()
    text = check_honest(honest, start, ended, problems, 1)
    honest.stop()
    status = daemon.status()
    if status["connections"] > 500 + 256 + 1:
        problems.append(f"{status['connections']} connections, the cap is 500")
    if not told:
        problems.append("none of the refused was told why")
    for link in held:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
    time.sleep(0.5)
    late = Honest(daemon, options.seed, name="late")
    time.sleep(1)
    late.stop()
    if not late.latencies:
        problems.append("after the flood a new connection is not served")
    peak = watch.stop()
    if peak > options.cap_mib << 20:
        problems.append(f"peak memory {peak >> 20} MiB, the cap is {options.cap_mib} MiB")
    if daemon.term() != 0:
        problems.append("the daemon did not stop cleanly")
    report.line("attempts", f"{made} connection attempts against a cap of 500: {told} told that there is no room, "
                f"{closed} closed without words, {failed} not accepted; peak memory {peak >> 20} MiB (cap "
                f"{options.cap_mib}); honest device: {text}", problems)


def answers(options, folder, report):
    """No datagram is answered with more bytes than it has."""
    daemon = rig.Daemon(folder, {})
    rng = random.Random(options.seed)
    device = rig.Device("k", "a", seed=options.seed)
    kinds = collections.defaultdict(lambda: [0, 0, 0.0, 0])     # tries, answers, worst ratio, longer
    good = datagram(native_event(device, 1), 1)
    short = b'{"product":"k","device":"a","type":"feature.used","aspect":"x"}'

    def native(number):
        return native_event(device, number)

    def gap(number):
        # Far apart, so that the ack has as many ranges as it can.
        return native_event(device, number * 2 % 60 + 1)

    makers = {
        "native, one event": lambda n: datagram(native(n), n),
        "native, with gaps": lambda n: datagram(gap(n), n),
        "native, the same again": lambda n: good,
        "native, empty body": lambda n: datagram(b"", n),
        "native, only a table": lambda n: datagram(rig.field(4, "x"), n),
        "native, one byte body": lambda n: datagram(bytes([rng.randrange(256)]), n),
        "native, unknown reference": lambda n: datagram(rig.field(5, 9) + rig.field(7, rig.field(1, 1)), n),
        "native, no device": lambda n: datagram(rig.field(7, rig.field(1, 1)), n),
        "native, every frame type": lambda n: datagram(native(n), n, kind=n % 16),
        "native, every flag": lambda n: datagram(native(n), n, flags=n % 16),
        "native, compressed": lambda n: datagram(zlib.compress(native(n)), n, flags=1),
        "native, compressed rubbish": lambda n: datagram(b"\x78\x9c" + rng.randbytes(20), n, flags=1),
        "native, a bomb": lambda n: datagram(zlib.compress(bytes(4 << 20), 9)[:8000], n, flags=1),
        "native, unknown key": lambda n: datagram(native(n), n, key=n),
        "native, bad checksum": lambda n: datagram(native(n), n)[:-9] + b"\0" * 9,
        "native, cut": lambda n: datagram(native(n), n)[:rng.randrange(1, 40)],
        "native, a flipped bit": lambda n: flipped(datagram(native(n), n), rng),
        "native, too long": lambda n: datagram(native(n) + rig.field(7, b"x" * 9000), n),
        "JSON, one event": lambda n: short,
        "JSON, ten events": lambda n: b"\n".join([short] * 10),
        "JSON, {": lambda n: b"{",
        "JSON, {}": lambda n: b"{}",
        "JSON, braces and newlines": lambda n: b"{\n" * (1 + n % 40),
        "JSON, newlines behind": lambda n: short + b"\n" * (n % 30),
        "JSON, no product": lambda n: b'{"device":"a"}',
        "JSON, cut": lambda n: short[:1 + n % len(short)],
        "JSON, quarantined": lambda n: b'{"product":"k","device":"a","type":"rating.given","aspect":"x","value":77}',
        "JSON, unknown type": lambda n: b'{"product":"k","device":"a","type":"x"}',
        "JSON, a flipped bit": lambda n: flipped(short, rng),
        "HELLO of TCP": lambda n: b"TDG1" + rig.frame(1, rig.field(1, 1)),
        "nothing": lambda n: b"",
        "one byte": lambda n: bytes([n % 256]),
        "random bytes": lambda n: rng.randbytes(rng.randrange(1, 200)),
        "random behind the magic": lambda n: b"\xc1" + rng.randbytes(rng.randrange(1, 80)),
    }
    for name, make in makers.items():
        found, asked = kinds[name], []
        for number in range(1, 41):
            message = make(number)
            # A socket for each, so that an answer which comes late is not taken for that of another datagram.
            link = rig.Link.udp(daemon)
            try:
                link.send(message)
            except OSError:
                link.close()
                continue
            found[0] += 1
            asked.append((link, message, collect(link, 0.02 if found[1] or number < 4 else 0.003)))
        time.sleep(0.1)
        for link, message, got in asked:
            got += collect(link, 0)
            link.close()
            total = sum(len(answer) for answer in got)
            found[1] += len(got)
            found[2] = max(found[2], total / max(1, len(message)))
            found[3] += total > len(message)
    problems = [f"{name}: an answer {worst:.2f} times as long as the request ({longer} of {tries})"
                for name, (tries, _, worst, longer) in kinds.items() if longer]
    if not any(answered for _, answered, _, _ in kinds.values()):
        problems.append("nothing at all was answered: the test sees nothing")
    status = daemon.status()
    if not status["is_balanced"]:
        problems.append("the counts do not balance")
    if daemon.term() != 0:
        problems.append("the daemon did not stop cleanly")
    worst = max((found[2], name) for name, found in kinds.items())
    report.line("answers", f"{sum(found[0] for found in kinds.values())} datagrams of {len(kinds)} kinds, "
                f"{sum(found[1] for found in kinds.values())} answered; the longest answer is {worst[0]:.2f} times its "
                f"request ({worst[1]})", problems)


def flipped(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]


def collect(link, seconds):
    got, until = [], time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([link], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return got
        try:
            got.append(link.recv(65536))
        except OSError:
            return got


PHASES = {
    "flood": lambda options, folder, report: flood(options, folder, report, "flood"),
    "slow-disk": slow_disk, "mute": mute, "slow": slow, "attempts": attempts, "answers": answers,
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/overload", description=__doc__.splitlines()[0],
                                     epilog="Example: scripts/overload --seconds 10 --attempts 5000")
    parser.add_argument("--seconds", type=int, default=60, help="how long each flood lasts")
    parser.add_argument("--attempts", type=int, default=50_000, help="connection attempts")
    parser.add_argument("--cap-mib", type=int, default=256, help="what the daemon's memory must stay under")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", help=f"some of: {', '.join(PHASES)}")
    try:
        options = parser.parse_args()
    except SystemExit as stop:
        sys.exit(64 if stop.code else 0)
    names = options.only.split(",") if options.only else list(PHASES)
    if set(names) - set(PHASES):
        print(f"overload: the phases are {', '.join(PHASES)}", file=sys.stderr)
        sys.exit(64)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"overload: seed {options.seed}", flush=True)
    report = Report()
    for name in names:
        folder = rig.scratch_folder()
        try:
            PHASES[name](options, pathlib.Path(folder), report)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            log = pathlib.Path(folder, "daemon.log")
            said = log.read_text(errors="replace")[-600:] if log.exists() else ""
            report.line(name, "ended early", [f"{type(error).__name__}: {error}", f"the daemon's last words: {said}"])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"overload: {len(names)} phases, {len(report.broken)} with a broken promise")
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    main()
