"""The table of faults and bad inputs in docs/reliability.md: each case that can be tried cheaply is tried here.

Every case is a function with its number and name; it raises `Broken` when what happens is not what the table expects,
and returns in a few words what it saw. Those words are the column "observed" of the table: `--write` puts them there.

Usage: scripts/cases [NAME ...] [--list] [--large] [--write] [--seed S]
Example: scripts/cases half-close zlib-bodies
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import faults
import rig
import told  # noqa: F401  its cases are noted in CASES
from bench import (AS_NOBODY, CASES, HELLO, Bench, Broken, NotHere, batch_body, case, codes, counts, datagram, error_codes, event,
                   expect, frames, read_all, talk, udp_ask)

DOCUMENT = rig.ROOT / "docs/reliability.md"


# Storage.

@case(11, "readonly-log")
def readonly_log(bench):
    if os.geteuid() != 0:
        for path in [rig.data(bench.folder)]:
            path.mkdir(parents=True)
            path.chmod(0o555)
        other_user = []
    else:
        daemon = bench.daemon()
        talk(daemon, event(1))
        daemon.term()
        bench.folder.chmod(0o777)
        (bench.folder / "daemon.log").chmod(0o666)
        for path in [rig.data(bench.folder), *rig.data(bench.folder).rglob("*")]:
            os.chown(path, 65534, 65534)
            path.chmod(0o500 if path.is_dir() else 0o400)
        other_user = AS_NOBODY
    done = subprocess.run([*other_user, rig.BINARY, "serve", "--data", str(rig.data(bench.folder)), "--tcp-port", "0",
                           "--udp-port", "0"], capture_output=True, text=True, timeout=20, env=rig.environment())
    lines = [line for line in done.stderr.splitlines() if line]
    expect(done.returncode == 74, f"exit code {done.returncode}: {done.stderr[-300:]}")
    expect(len(lines) == 1, f"{len(lines)} lines: {done.stderr[-300:]}")
    return "refused to start in one line, exit code 74"


@case(14, "wal-removed")
def wal_removed(bench):
    daemon = bench.daemon()
    for number in range(1, 40):
        talk(daemon, event(number))
    until = time.monotonic() + 5
    while daemon.status()["projected"] < 39 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.6)     # a checkpoint of the summaries
    daemon.kill9()
    for path in rig.data(bench.folder).glob("log/*-wal"):
        path.unlink()
    later = bench.daemon()
    said = [line for line in later.lines() if line.get("level") in ("warning", "error")]
    later.term()
    found = len(bench.events())
    expect(said, f"39 events acked, {found} left, and the daemon says nothing")
    return f"{39 - found} acked events are gone with the file; the daemon says so at its start"


@case(15, "stuck-reader")
def stuck_reader(bench):
    daemon = bench.daemon()
    talk(daemon, event(1))
    segment = next(rig.data(bench.folder).glob("log/*.tidings"))
    reader = sqlite3.connect(f"file:{segment}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM block").fetchone()
    device = rig.Device("kettle", "big", seed=bench.seed, big=1.0)
    link = rig.LinesTCP(device, total=12_000, batch=48)
    rig.start([link], daemon).join()
    wal = pathlib.Path(f"{segment}-wal").stat().st_size >> 20
    reader.close()
    expect(link.acks == 12_000, f"{link.acks} acks")
    link = rig.LinesTCP(device, total=8_000, batch=48)
    rig.start([link], daemon).join()
    after = pathlib.Path(f"{segment}-wal").stat().st_size >> 20
    expect(after <= wal + 17, f"the WAL grows on after the reader has gone: {after} MiB, before {wal} MiB")
    return "the log goes on, its WAL grows until the reader goes and is used again from its start; no warning"


@case(16, "second-daemon")
def second_daemon(bench):
    bench.daemon()
    done = rig.tidings(bench.folder, "serve", "--tcp-port", "0", "--udp-port", "0", timeout=10)
    expect(done.returncode == 74 or done.returncode == 69 or done.returncode == 65, f"exit code {done.returncode}")
    expect("the log is in use" in done.stderr and done.stderr.count("\n") == 1, done.stderr[-300:])
    return f"refused in one line, exit code {done.returncode}"


@case(17, "versions")
def versions(bench):
    daemon = bench.daemon()
    talk(daemon, event(1))
    daemon.term()
    segment = next(rig.data(bench.folder).glob("log/*.tidings"))
    seen = []
    for version in (0, 1, 4, 99):
        database = sqlite3.connect(segment)
        # The format stands in the file twice, so that a flipped bit is not taken for another format.
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'segment'")
        for (trigger,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE segment SET format = ?", (version,))
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()
        database.close()
        done = rig.tidings(bench.folder, "serve", "--tcp-port", "0", "--udp-port", "0", timeout=20)
        expect(done.returncode == 65, f"format {version}: exit code {done.returncode}: {done.stderr[-200:]}")
        expect(f"format {version}" in done.stderr, f"the version is not named: {done.stderr[-200:]}")
        seen.append(version)
    return "formats 0, 1, 4 and 99 refused with the version named, exit code 65"


@case(18, "clock-steps")
def clock_steps(bench):
    with tempfile.TemporaryDirectory() as scratch:
        shim = faults.build_shim(scratch)
        rig.data(bench.folder).mkdir(parents=True)
        rules = faults.Rules(bench.folder)
        extra = {"LD_PRELOAD": str(shim), "IOFAULT_FOLDER": str(rig.data(bench.folder)),
                 "IOFAULT_CONTROL": str(rules.path)}
        daemon = bench.daemon(extra=extra)
        number = 0
        steps = (0, 3600 * 24 * 3650, -3600, 3600 * 24 * 365 * 13, 0)    # 10 years on, 1 h back, past 2038, home
        for step in steps:
            rules.move_clock(step)
            for _ in range(3):
                number += 1
                answer = talk(daemon, event(number))
                expect(b'"ack":1' in answer, f"clock {step:+d} s: {answer!r}")
        expect(daemon.term() == 0, "the daemon did not stop cleanly")
        events = bench.events()
    expect([found["id"] for found in events] == [f"0-{n}" for n in range(1, number + 1)], "another order")
    years = sorted({int(found["arrival"][:4]) for found in events})
    expect(years[-1] >= 2038, f"the clock did not move: {years}")
    expect(not rig.verify(bench.folder) and not rig.rebuild_equal(bench.folder), "the log or the summaries differ")
    return "acked and kept in the order of arrival; arrival times are those of the clock, not corrected"


@case(20, "large-segment")
def large_segment(bench):
    """A segment beyond 1 GiB, where SQLite leaves one page out."""
    daemon = bench.daemon({"log.segment_max_bytes": 3 << 30})
    pool = bench.rng.randbytes(6 << 20)
    text = "".join("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[byte & 63] for byte in pool)
    segment, number = None, 0
    # A long time: a slow disk may take minutes to copy a write-ahead log into the file.
    with socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=300) as link:
        size = 0
        while size < 2_200 << 20:
            lines = []
            for _ in range(400):
                number += 1
                at = bench.rng.randrange(len(text) - 4096)
                lines.append(event(number, type="feedback.text", text=text[at:at + 4000]))
            link.sendall(b"".join(lines))
            answer = b""
            while b'"ack":%d}' % number not in answer:
                answer += link.recv(65536)
            segment = segment or next(rig.data(bench.folder).glob("log/*.tidings"))
            size = segment.stat().st_size
    daemon.kill9()
    later = bench.daemon()
    talk(later, event(number + 1))
    later.term()
    expect(not rig.verify(bench.folder), "the log does not verify")
    last = rig.read_log(bench.folder, since=number)
    expect([found["id"] for found in last] == [f"0-{number + 1}"], "the end of the log differs")
    return "a segment of more than 2^31 bytes verifies after kill -9 and takes more"


# Projection.

@case(22, "rebuild-during-ingest")
def rebuild_during_ingest(bench):
    daemon = bench.daemon()
    talk(daemon, b"".join(event(number) for number in range(1, 60)))
    done = rig.tidings(bench.folder, "rebuild", timeout=20)
    expect(done.returncode != 0 and "in use" in done.stderr, f"exit code {done.returncode}: {done.stderr}")
    daemon.term()
    problems = rig.rebuild_equal(bench.folder)
    expect(not problems, str(problems))
    return "refused in one line while the daemon runs; equal afterwards"


@case(23, "two-projectors")
def two_projectors(bench):
    daemon = bench.daemon()
    talk(daemon, event(1))
    second = rig.tidings(bench.folder, "serve", "--tcp-port", "0", "--udp-port", "0", timeout=20)
    rebuild = rig.tidings(bench.folder, "rebuild", timeout=20)
    expect(second.returncode and rebuild.returncode, "the second one is not refused")
    return "daemon and rebuild refuse while another daemon has the folder"


@case(24, "poison-event")
def poison_event(bench):
    daemon = bench.daemon()
    answer = talk(daemon, event(1, type="rating.given", aspect="boil", value=77) + event(2))
    expect(codes(answer) == [4226] and b'"ack":2' in answer, answer)
    shown = rig.tidings(bench.folder, "log", "tail", "--quarantined", "--format", "json").stdout
    expect("out_of_range" in shown, shown)
    return "stored, acknowledged, quarantined (4226), shown by `tidings log tail --quarantined`"


@case(25, "unknown-type")
def unknown_type(bench):
    daemon = bench.daemon()
    answer = talk(daemon, event(1, type="com.example.new", value={"a": 1}))
    expect(codes(answer) == [4221], answer)
    expect(counts(daemon, "tcp_json")["quarantined"] == {"unknown_type": 1}, "not counted")
    shown = rig.tidings(bench.folder, "log", "tail", "--quarantined", "--format", "json").stdout
    expect("com.example.new" in shown and r'{\"a\":1}' in shown, shown)
    return "kept whole but for the names in it, quarantined (4221), counted"


@case(26, "summaries-removed")
def summaries_removed(bench):
    daemon = bench.daemon()
    device = rig.Device("kettle", "d", seed=bench.seed)
    rig.start([rig.LinesTCP(device, total=300)], daemon).join()
    daemon.term()
    before = rig.tables(bench.folder)
    for path in rig.data(bench.folder).glob("summaries.sqlite*"):
        path.unlink()
    bench.daemon().term()
    expect(rig.tables(bench.folder) == before, "the new summaries differ")
    return "made anew at the start, the same row by row"


@case(27, "summaries-ahead")
def summaries_ahead(bench):
    daemon = bench.daemon()
    device = rig.Device("kettle", "d", seed=bench.seed)
    rig.start([rig.LinesTCP(device, total=64)], daemon).join()
    daemon.term()
    early = bench.folder / "early"
    shutil.copytree(rig.data(bench.folder) / "log", early)
    daemon = bench.daemon()
    rig.start([rig.LinesTCP(device, total=64)], daemon).join()
    daemon.term()
    shutil.rmtree(rig.data(bench.folder) / "log")
    shutil.copytree(early, rig.data(bench.folder) / "log")
    later = bench.daemon()
    said = [line for line in later.lines() if line.get("level") in ("warning", "error")]
    later.term()
    events = len(bench.events())
    problems = rig.rebuild_equal(bench.folder)
    expect(events == 64 and not problems, f"{events} events, {problems}")
    expect(said, "the summaries are made anew from 64 events though they had counted 128, and the daemon says nothing")
    return "made anew from the log; the daemon says that the log is shorter than the summaries knew"


@case(29, "many-products")
def many_products(bench):
    daemon = bench.daemon()
    talk(daemon, event(1))
    before = daemon.rss()
    many = b"".join(event(1, product=f"p-{number}", device=f"d-{number}") for number in range(10_000))
    expect(b'"ack":10000}' in talk(daemon, many, 30), "not all acknowledged")
    grown = daemon.rss() - before
    one = b"".join(event(number, device="one") for number in range(1, 100_001))
    expect(b'"ack":100000}' in talk(daemon, one, 60), "not all acknowledged")
    again = daemon.rss() - before - grown
    expect(grown < 128 << 20, f"10,000 products take {grown >> 20} MiB")
    expect(again < 32 << 20, f"100,000 events of one product take {again >> 20} MiB")
    return "10,000 products take less than 128 MiB, 100,000 events of one product less than 32 MiB"


@case(30, "numbers-that-are-none")
def numbers_that_are_none(bench):
    daemon = bench.daemon()

    def value(text):
        line = b'{"product":"p","device":"d","type":"preference.set","aspect":"a","value":%s}\n' % text
        return codes(talk(daemon, line))

    for text, expected in ((b"NaN", [4005]), (b"Infinity", [4005]), (b"-Infinity", [4005]), (b"1e999", [4228]),
                           (b"1e308", []), (b"-0", []), (b"-0.0", [])):
        expect(value(text) == expected, f"{text.decode()}: {value(text)}")
    rating = talk(daemon, event(None, type="rating.given", value=6) + event(None, type="rating.given", value=0))
    expect(codes(rating) == [4226, 4226], rating)
    return "NaN and infinity refused (4005), 1e999 (4228) and ratings off the scale (4226) quarantined, the rest exact"


# Network.

@case(31, "split-everywhere")
def split_everywhere(bench):
    daemon = bench.daemon()
    whole = HELLO + rig.frame(3, batch_body(1, 3, name="n"))
    for at in range(1, len(whole)):
        with socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=5) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.sendall(whole[:at])
            time.sleep(0.001)
            link.sendall(whole[at:])
            link.shutdown(socket.SHUT_WR)
            answer = read_all(link)
        kinds = [kind for kind, _ in frames(answer)]
        expect(kinds[:2] == [2, 4] or kinds == [2, 4], f"split at {at}: {kinds}")
    found = counts(daemon, "tcp")
    expect(found["committed"] == 3 and found["duplicate"] == 3 * (len(whole) - 2), str(found))
    return "the same at every byte: stored once, then recognised"


@case(32, "lengths")
def lengths(bench):
    daemon = bench.daemon()
    before = daemon.rss()
    seen = {}
    for length in (0, 1, 1 << 20, (1 << 20) + 1, 0xFFFFFFFF, (1 << 64) - 1):
        with socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=3) as link:
            link.sendall(HELLO + bytes([3]) + rig.varint(length))
            link.settimeout(0.5)
            answer = read_all(link)
            link.settimeout(0.2)
            seen[length] = error_codes(answer)
    for length in ((1 << 20) + 1, 0xFFFFFFFF, (1 << 64) - 1):
        expect(seen[length] and seen[length][0] in (4130, 4000), f"length {length}: {seen[length]}")
    expect(not seen[1 << 20], f"the largest length is refused: {seen[1 << 20]}")
    expect(daemon.rss() - before < 8 << 20, f"memory grew by {(daemon.rss() - before) >> 20} MiB")
    return "beyond 1 MiB: answered (4130 or 4000) and closed before anything is allocated; 0, 1 and the maximum wait"


@case(33, "promised-and-silent")
def promised_and_silent(bench):
    daemon = bench.daemon({"listen.frame_timeout_seconds": 2})
    with socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=15) as link:
        link.sendall(HELLO + bytes([3]) + rig.varint(5000) + b"x" * 100)
        started = time.monotonic()
        answer = read_all(link)
        took = time.monotonic() - started
    expect(b"not ended in time" in answer, f"not told: {answer!r}")
    expect(1 < took < 10, f"closed after {took:.1f} s; a frame must be whole after 2 s")
    expect(daemon.status()["connections_ended"].get("slow") == 1, "not counted")
    return "told (4080) and closed after `listen.frame_timeout_seconds` (default 10), counted"


@case(36, "half-close")
def half_close(bench):
    daemon = bench.daemon()
    answer = talk(daemon, b"".join(event(number) for number in range(1, 51)))
    expect(b'{"ack":50}' in answer, answer[-100:])
    expect(b'{"ack":1}' in talk(daemon, event(51).rstrip()), "the last line without a newline is not acknowledged")
    return "stored and acknowledged, the last line without a newline too"


@case(37, "reset")
def reset(bench):
    daemon = bench.daemon()
    link = socket.create_connection(("127.0.0.1", daemon.tcp_port))
    link.sendall(b"".join(event(number) for number in range(1, 11)) + event(11)[:30])
    until = time.monotonic() + 5
    while daemon.status()["head"] < 10 and time.monotonic() < until:
        time.sleep(0.02)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()
    expect(b'"ack":1' in talk(daemon, event(99)), "not served after the reset")
    daemon.term()
    expect(len(bench.events()) == 11, f"{len(bench.events())} events")
    return "the complete lines are stored, the rest is discarded, others are served"


@case(39, "pipelined-frames")
def pipelined_frames(bench):
    daemon = bench.daemon()
    words = {}
    device = rig.Device("kettle", "n")
    stream = [HELLO]
    for number in range(1, 10_001):
        window = [(number, {"type": "feature.used", "aspect": "boil", "time": 1_790_000_000_000, "customer": "cu"})]
        stream.append(rig.frame(3, rig.native_batch(device, window, words)))
    answer = talk(daemon, b"".join(stream), 30)
    acks = [rig.parse(body).get(1, 0) for kind, body in frames(answer) if kind == 4]
    expect(acks and acks == sorted(acks) and acks[-1] == 10_000, f"{len(acks)} acks, the last {acks[-1:]}")
    expect(not error_codes(answer), str(error_codes(answer)))
    return "10,000 frames in one go: acknowledged in order up to the last"


@case(40, "two-connections")
def two_connections(bench):
    daemon = bench.daemon()
    text = b"".join(event(number, device="same") for number in range(1, 1001))
    links = [socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=10) for _ in range(4)]
    for at in range(0, len(text), 4000):
        for link in links:
            link.sendall(text[at:at + 4000])
    for link in links:
        link.shutdown(socket.SHUT_WR)
    for link in links:
        expect(b'"ack":1000}' in read_all(link), "not all acknowledged")
        link.close()
    found = counts(daemon, "tcp_json")
    expect(found["committed"] == 1000, str(found))
    expect(found["duplicate"] + found["stale"] == 3000, str(found))
    return "stored once; the others are acknowledged as repetitions"


@case(42, "datagram-too-long")
def datagram_too_long(bench):
    daemon = bench.daemon()
    expect(udp_ask(daemon, datagram(1)[:20] + bytes(9000)) == b"", "it is answered")
    expect(udp_ask(daemon, b"{" + b" " * 9000) == b"", "it is answered")
    expect(counts(daemon, "udp")["refused"] == {"too_big": 1}, str(counts(daemon, "udp")))
    expect(counts(daemon, "udp_json")["refused"] == {"too_big": 1}, str(counts(daemon, "udp_json")))
    return "not parsed, not answered, counted as `too_big`"


@case(43, "bad-trailer")
def bad_trailer(bench):
    daemon = bench.daemon()
    good = datagram(1)
    for broken in (good[:-8] + bytes(8), good[:-1] + b"\1", good[:20] + bytes([good[20] ^ 1]) + good[21:],
                   datagram(1, key=7)):
        expect(udp_ask(daemon, broken, 0.1) == b"", "it is answered")
    refused = counts(daemon, "udp")["refused"]
    expect(sum(refused.values()) == 4, str(refused))
    return "silence; counted by reason. Without a key the trailer is a CRC"


@case(44, "replayed-datagram")
def replayed_datagram(bench):
    daemon = bench.daemon()
    good = datagram(1)
    for _ in range(20):
        expect(udp_ask(daemon, good, 1), "no ack")
    found = counts(daemon, "udp")
    expect(found["committed"] == 1 and found["duplicate"] == 19, str(found))
    return "acknowledged again, counted as duplicate, stored once"


@case(47, "ipv6")
def ipv6(bench):
    if not os.path.exists("/proc/net/if_inet6") or "00000000000000000000000000000001" not in open(
            "/proc/net/if_inet6").read():
        raise NotHere("this machine has no IPv6 loopback")
    daemon = bench.daemon({"listen.tcp.host": '"::"', "listen.udp.host": '"::"', "auth.mode": "off"})
    expect(b'"ack":1' in talk(daemon, event(1), host="::1"), "::1 over TCP")
    expect(b'"ack":1' in talk(daemon, event(2), host="127.0.0.1"), "IPv4-mapped over TCP")
    for family, host in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")):
        with socket.socket(family, socket.SOCK_DGRAM) as link:
            link.settimeout(2)
            link.sendto(event(3, device=host), (host, daemon.udp_port))
            expect(b'"ack":1' in link.recv(100), f"{host} over UDP")
    return "`::` takes IPv6 and IPv4 alike, TCP and UDP"


@case(48, "bad-address")
def bad_address(bench):
    daemon = bench.daemon()
    seen = []
    for what, arguments in (("port in use", ["--tcp-port", str(daemon.tcp_port), "--udp-port", "0"]),
                            ("UDP port in use", ["--tcp-port", "0", "--udp-port", str(daemon.udp_port)]),
                            ("not ours", ["--tcp-host", "192.0.2.1", "--tcp-port", "0", "--udp-port", "0"]),
                            ("no address", ["--tcp-host", "no.such.host.invalid", "--tcp-port", "0"])):
        with tempfile.TemporaryDirectory() as other:
            done = subprocess.run([rig.BINARY, "serve", "--data", other, *arguments], capture_output=True, text=True,
                                  env=rig.environment(), timeout=20)
        if "Unknown option" in done.stderr:
            done = serve_with_host(bench, arguments)
        expect(done.returncode not in (0, -4, -6, -11), f"{what}: exit code {done.returncode}")
        expect(done.stderr.strip().count("\n") == 0, f"{what}: {done.stderr[-400:]}")
        seen.append(done.returncode)
    return f"each refused in one line, exit codes {', '.join(map(str, sorted(set(seen))))}"


def serve_with_host(bench, arguments):
    """By the environment, where there is no flag for it."""
    host = arguments[arguments.index("--tcp-host") + 1]
    with tempfile.TemporaryDirectory() as other:
        return subprocess.run(
            [rig.BINARY, "serve", "--data", other, "--tcp-port", "0", "--udp-port", "0"], capture_output=True,
            text=True, env=rig.environment(TIDINGS_LISTEN_TCP_HOST=host), timeout=20)


# Payload.

@case(51, "bad-text")
def bad_text(bench):
    daemon = bench.daemon()
    head, tail = b'{"product":"p","type":"feature.used","aspect":"a","device":"x', b'"}\n'
    seen = {}
    for name, text in (("a stray byte", b"\xff"), ("overlong", b"\xc0\x80"), ("a surrogate", b"\xed\xa0\x80"),
                       ("beyond Unicode", b"\xf4\x90\x80\x80"), ("cut", b"\xe2\x82"), ("NUL", b"\0"),
                       ("a lone escape", b"\\ud800"), ("an escaped NUL", b"\\u0000")):
        answer = talk(daemon, head + text + tail)
        seen[name] = codes(answer)
    for name in ("a stray byte", "overlong", "a surrogate", "beyond Unicode", "cut", "NUL", "a lone escape"):
        expect(seen[name] and seen[name][0] in (4005, 4006), f"{name}: {seen[name]}")
    expect(b'"ack":1}' in talk(daemon, b"\xef\xbb\xbf" + event(1)), "a byte order mark is not passed over")
    escaped = "taken" if not seen["an escaped NUL"] else f"refused ({seen['an escaped NUL'][0]})"
    return f"refused (4005, 4006) with the byte's place, a BOM at the start passed over; an escaped NUL is {escaped}"


@case(52, "terminal-escapes")
def terminal_escapes(bench):
    daemon = bench.daemon()
    nasty = "\x1b[31mred\x1b]0;title\x07\x9b5m\u202e\x7f\r\n\x00"
    answer = talk(daemon, event(1, type="feedback.text", text=nasty) + event(2, product=nasty, device=nasty)
                  + event(3, type="preference.set", value=nasty))
    outputs = {"the daemon's log": daemon.log()}
    for arguments in (("log", "tail"), ("log", "tail", "--format", "json"), ("summary",), ("summary", "kettle"),
                      ("log", "export"), ("summary", "kettle", "--format", "json")):
        outputs["`" + " ".join(arguments) + "`"] = rig.tidings(bench.folder, *arguments).stdout
    expect(b'"ack":3' in answer, answer)
    for name, output in outputs.items():
        bad = [hex(ord(one)) for one in output if (ord(one) < 32 and one not in "\n\t") or 127 <= ord(one) < 160]
        expect(not bad, f"{name} prints control characters: {', '.join(sorted(set(bad)))}")
    return "stored as sent; shown escaped by `log tail`, `log export`, `summary` and the daemon's log"


@case(53, "code-in-names")
def code_in_names(bench):
    daemon = bench.daemon()
    names = ["<script>alert(1)</script>", "'; DROP TABLE product; --", 'a"b', "x' OR '1'='1", "../../etc/passwd",
             "%s%n"]
    answer = talk(daemon, b"".join(event(1, product=name, device="d") for name in names))
    expect(b'"ack":%d}' % len(names) in answer, answer)
    expect(daemon.term() == 0, "the daemon did not stop cleanly")
    listed = json.loads(rig.tidings(bench.folder, "summary", "--format", "json").stdout)
    text = json.dumps(listed)
    for name in names:
        expect(json.dumps(name)[1:-1] in text, f"{name!r} is not listed")
        done = rig.tidings(bench.folder, "summary", name, "--format", "json")
        expect(done.returncode == 0, f"{name!r}: {done.stderr}")
    problems = rig.rebuild_equal(bench.folder)
    expect(not problems, str(problems))
    return "inert: listed and queried as they are, the tables are whole. There is no page yet"


@case(54, "formulas-in-csv")
def formulas_in_csv(bench):
    daemon = bench.daemon()
    formulas = ["=1+1", "+1", "-1+1", "@SUM(A1)", '=cmd|"/c calc"!A1', "\t=1"]
    talk(daemon, b"".join(event(number, product=text, device=text, type="feedback.text", text=text)
                          for number, text in enumerate(formulas, 1)))
    done = [rig.tidings(bench.folder, "log", "export", "--format", "csv").stdout,
            rig.tidings(bench.folder, "log", "tail", "--format", "csv").stdout,
            rig.tidings(bench.folder, "summary", "--format", "csv").stdout]
    import csv
    cells = [cell for text in done for row in csv.reader(text.splitlines()) for cell in row]
    bad = [cell for cell in cells if cell[:1] in "=@\t" and cell or cell[:1] in "+-" and not is_number(cell)]
    bad = [cell for cell in bad if cell]
    expect(not bad, f"a spreadsheet would run {sorted(set(bad))}")
    return "cells that a spreadsheet would run are made inert"


def is_number(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


@case(55, "deep-json")
def deep_json(bench):
    daemon = bench.daemon()
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        line = '{"product":"p","x":' + opening * 8000 + "1" + closing * 8000 + "}\n"
        expect(codes(talk(daemon, line.encode())) == [4008], "not refused")
    return "refused (4008)"


@case(56, "duplicate-keys")
def duplicate_keys(bench):
    daemon = bench.daemon()
    for line in (b'{"product":"p","product":"q","device":"d"}\n', b'{"product":"p","x":{"a":1,"a":2},"device":"d"}\n',
                 b'{"product":"p","\\u0070roduct":"q","device":"d"}\n'):
        expect(codes(talk(daemon, line)) == [4007], f"{line!r}: {codes(talk(daemon, line))}")
    return "refused (4007), at every depth and when one is written with escapes"


@case(57, "large-numbers")
def large_numbers(bench):
    daemon = bench.daemon()
    lines = [(b"9007199254740991", []), (b"9007199254740993", [4228]), (b"12345678901234567890", [4228]),
             (b"1e999", [4228]), (b"-9007199254740991", []), (b"0.1", [])]
    for text, expected in lines:
        line = b'{"product":"p","device":"d","type":"preference.set","aspect":"a","value":%s}\n' % text
        expect(codes(talk(daemon, line)) == expected, f"{text}: {codes(talk(daemon, line))}")
    kept = [found["value"] for found in bench.events() if "quarantined" not in found]
    expect(9007199254740991 in kept and -9007199254740991 in kept and 0.1 in kept, str(kept))
    return "exact within 2^53; beyond it quarantined (4228), never rounded silently"


@case(58, "batch-sizes")
def batch_sizes(bench):
    daemon = bench.daemon()
    empty = talk(daemon, HELLO + rig.frame(3, b""))
    expect(not error_codes(empty), f"empty: {error_codes(empty)}")
    whole = talk(daemon, HELLO + rig.frame(3, batch_body(1, 1000)))
    expect(not error_codes(whole) and any(kind == 4 for kind, _ in frames(whole)), "1,000 events")
    more = talk(daemon, HELLO + rig.frame(3, batch_body(1001, 1001)))
    expect(error_codes(more) == [4131], f"1,001: {error_codes(more)}")
    million = rig.field(2, 1) + rig.field(7, b"") * 500_000
    many = talk(daemon, HELLO + rig.frame(3, million), 10)
    expect(error_codes(many) and error_codes(many)[0] in (4131, 4130), f"half a million: {error_codes(many)}")
    head = daemon.status()["head"]
    expect(head == 1000, f"{head} events stored")
    return "empty and 1,000 taken; 1,001 and half a million refused whole (4131)"


@case(59, "zlib-bodies")
def zlib_bodies(bench):
    daemon = bench.daemon()
    talk(daemon, event(1))
    before = daemon.rss()
    good = batch_body(1, 20)
    packed = zlib.compress(good)
    with_dictionary = zlib.compressobj(zdict=b"kettle boil")
    bodies = {
        "a bomb": zlib.compress(bytes(64 << 20), 9), "cut": packed[:-6], "rubbish behind": packed + b"xx",
        "wrong Adler-32": packed[:-1] + bytes([packed[-1] ^ 1]),
        "a preset dictionary": with_dictionary.compress(good) + with_dictionary.flush(),
        "gzip": subprocess.run(["gzip", "-c"], input=good, capture_output=True).stdout,
        "compressed twice": zlib.compress(packed), "nothing": b"",
    }
    for name, body in bodies.items():
        head = bytes([3 | 1 << 4]) + rig.varint(len(body)) + body
        answer = talk(daemon, HELLO + head + struct.pack("<I", zlib.crc32(head)))
        found = error_codes(answer)
        expect(found and found[0] in (4003, 4004, 4132), f"{name}: {found}")
    expect(daemon.status()["head"] == 1, "something was stored")
    expect(daemon.rss() - before < 8 << 20, f"memory grew by {(daemon.rss() - before) >> 20} MiB")
    return "all refused (4003, 4004, 4132), nothing stored, memory flat"


@case(60, "unknown-flags")
def unknown_flags(bench):
    daemon = bench.daemon()
    for flags in (2, 4, 8, 15):
        head = bytes([3 | flags << 4]) + rig.varint(0)
        answer = talk(daemon, HELLO + head + struct.pack("<I", zlib.crc32(head)))
        expect(error_codes(answer) == [4000], f"flags {flags}: {error_codes(answer)}")
    return "refused (4000), the connection closes"


@case(61, "names-of-all-sizes")
def names_of_all_sizes(bench):
    daemon = bench.daemon()
    seen = {}
    for size in (1, 64, 65, 128, 129, 255, 256, 60_000):
        answer = talk(daemon, event(1, product="x" * size))
        seen[size] = codes(answer)
        customer = codes(talk(daemon, event(2, customer="y" * size)))
        expect((customer == []) == (size <= 64), f"customer of {size} bytes: {customer}")
    expect(all((seen[size] == []) == (size <= 128) for size in seen), str(seen))
    expect(codes(talk(daemon, event(1, product=""))) != [], "an empty product is taken")
    twins = ["Kettle", "kettle", "caf\u00e9", "cafe\u0301"]
    talk(daemon, b"".join(event(1, product=name, device="twin") for name in twins))
    listed = rig.tidings(bench.folder, "summary", "--format", "json").stdout
    expect(all(name in listed for name in twins), listed)
    return "products to 128 bytes, customers to 64, longer ones refused; names that only look alike are different"


@case(62, "chosen-ids")
def chosen_ids(bench):
    daemon = bench.daemon()
    text = b"".join(event(f"id {number:x} of many") for number in range(50_000))
    expect(b'"ack":50000}' in talk(daemon, text, 60), "not all acknowledged")
    names = b"".join(event(None, product=f"{number:08x}" + "x" * 24) for number in range(20_000))
    expect(b'"ack":20000}' in talk(daemon, names, 60), "not all acknowledged")
    expect(counts(daemon, "tcp_json")["committed"] == 70_000, "not all stored")
    # Two strings with the same FNV-1a hash: another event, the same id as far as the daemon can tell.
    twins = event("8yn0iYCKYHlIj4-BwPqk", device="twin") + event("GReLUrM4wMqfg9yzV3KQ", device="twin")
    talk(daemon, twins)
    same = counts(daemon, "tcp_json")["duplicate"]
    return ("no slower: the table of names has a secret seed, the index of a device's 16,384 ids too; "
            + ("two ids made to have the same hash are one event to it" if same else "ids are told apart"))


@case(63, "strange-times")
def strange_times(bench):
    daemon = bench.daemon()
    now = int(time.time() * 1000)
    seen = {}
    for name, value in (("0", 0), ("negative", -1), ("9999", 253_402_300_799_000), ("seconds", now // 1000),
                        ("microseconds", now * 1000), ("nanoseconds", now * 1_000_000), ("2 days ahead",
                                                                                         now + 2 * 86_400_000)):
        seen[name] = codes(talk(daemon, event(None, time=value, aspect="odd")))
        expect(seen[name] == [4227], f"{name}: {seen[name]}")
    expect(codes(talk(daemon, event(None, time=now - 30_000))) == [], "a good time is quarantined")
    expect(all(found["arrival"] for found in bench.events()), "no arrival")
    return "quarantined (4227) with time and arrival kept"


@case(64, "many-new-names")
def many_new_names(bench):
    daemon = bench.daemon({"quota.loopback": "counted", "quota.new_names_per_minute_per_address": 5000})
    before = daemon.rss()
    expect(b'"ack":1}' in talk(daemon, event(1)), "an honest device is not served")
    for start in range(0, 100_000, 20_000):
        lines = b"".join(event(None, product=f"made-up-{number}", device="one")
                         for number in range(start, start + 20_000))
        expect(b'"ack":20000}' in talk(daemon, lines, 60), "not answered")
    expect(4292 in codes(talk(daemon, event(1, product="one-more"))), "not told")
    expect(b'"ack":1}' in talk(daemon, event(2)), "a known device is not served")
    counts = daemon.status()
    refused = counts["transports"]["tcp_json"]["refused"].get("too_many_new_names", 0)
    expect(refused > 90_000 and counts["is_balanced"], f"{refused} refused")
    grown = (daemon.rss() - before) >> 20
    expect(grown < 128, f"100,000 made-up products take {grown} MiB")
    return ("beyond `quota.new_names_per_minute_per_address` new names are refused (4292) and counted, known ones are "
            "served, memory is flat; `symbols` (1,048,576 words, then 4134) bounds the sum")


# Operations.

@case(66, "signals")
def signals(bench):
    seen = []
    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT"), (signal.SIGPIPE, "SIGPIPE"),
                         (signal.SIGHUP, "SIGHUP")):
        daemon = bench.daemon()
        devices = [rig.Device("kettle", f"{name}-{at}", seed=bench.seed) for at in range(3)]
        links = [rig.LinesTCP(devices[0]), rig.NativeTCP(devices[1]), rig.NativeTCP(devices[2])]
        load = rig.start(links, daemon)
        time.sleep(0.3)
        daemon.signal(number)
        if number == signal.SIGINT:
            time.sleep(0.02)
            with contextlib.suppress(ProcessLookupError):
                daemon.signal(number)
        if number in (signal.SIGPIPE, signal.SIGHUP):
            time.sleep(0.3)
            expect(daemon.alive, "SIGPIPE ended the daemon")
            daemon.signal(signal.SIGTERM)
        try:
            code = daemon.wait(20)
        except subprocess.TimeoutExpired:
            raise Broken(f"{name}: the daemon does not end")
        finally:
            load.stop()
        stored = {(found["device"], found["id"]) for found in bench.events()}
        lost = sum((device.name, f"0-{number}") not in stored for device in devices for number in device.acked)
        expect(not lost, f"{name}: {lost} acked events lost")
        seen.append((name, code))
    bad = [f"{name}: exit code {code}" for name, code in seen if code != 0]
    expect(not bad, f"nothing lost, but {', '.join(bad)}")
    return "SIGTERM, SIGINT (twice): clean stop, exit code 0; SIGPIPE: ignored, SIGHUP: reload; nothing lost"


@case(67, "closed-outputs")
def closed_outputs(bench):
    rig.data(bench.folder).mkdir(parents=True)
    config = bench.folder / "tidings.yaml"
    config.write_text(rig.yaml({}))
    reader, writer = os.pipe()
    port = free_port()
    process = subprocess.Popen(
        [rig.BINARY, "serve", "--config", config, "--data", rig.data(bench.folder), "--tcp-port", str(port),
         "--udp-port", "0"], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=rig.environment())
    os.close(writer)
    try:
        until, link = time.monotonic() + 20, None
        while not link and time.monotonic() < until:
            with contextlib.suppress(OSError):
                link = socket.create_connection(("127.0.0.1", port), timeout=5)
            time.sleep(0.02)
        os.read(reader, 1)
        os.close(reader)    # whoever read the log is gone
        # Each of these is worth a log line.
        link.sendall(b"{}\n" + event(None, type="rating.given", value=77) + event(1))
        time.sleep(1.2)
        link.sendall(b"{}\n" + event(2))
        link.shutdown(socket.SHUT_WR)
        answer = read_all(link)
        time.sleep(1.0)
        code = process.poll()
        expect(code is None, f"the daemon ended when nobody read its log: exit code {code}")
        expect(b'{"ack":5}' in answer, answer)
        process.terminate()
        expect(process.wait(20) == 0, f"exit code {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return "the daemon lives on when standard output and error are closed"


def free_port():
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return link.getsockname()[1]


@case(68, "config-typo")
def config_typo(bench):
    config = bench.folder / "tidings.yaml"
    seen = []
    for text in ("listen:\n  tcp:\n    prot: 7411\n", "log:\n  block_max_events: many\n", "listen:\n  tcp: [1\n",
                 "log:\n  segment_max_bytes: 1\n"):
        config.write_text("# a comment\n" + text)
        done = rig.tidings(bench.folder, "serve", "--config", str(config), timeout=20)
        expect(done.returncode == 78, f"{text!r}: exit code {done.returncode}: {done.stderr}")
        lines = done.stderr.strip().count("\n") + 1
        expect(lines == 1, f"exit code 78, but a mistake of syntax is answered with {lines} lines")
        seen.append(re.search(r"(line |:)(\d+)", done.stderr) is not None)
    expect(all(seen), f"the line is named for {sum(seen)} of {len(seen)} mistakes: {done.stderr.strip()}")
    return "refused in one line with the key and its line, exit code 78"


@case(70, "backup-during-ingest")
def backup_during_ingest(bench):
    if "backup" not in rig.tidings(bench.folder, "log", "--help").stdout:
        raise NotHere("not built yet: there is no `tidings log backup`")
    daemon = bench.daemon()
    device = rig.Device("kettle", "d", seed=bench.seed)
    link = rig.LinesTCP(device)
    load = rig.start([link], daemon)
    time.sleep(0.3)
    acked = set(device.acked)
    target = bench.folder / "copy"
    done = rig.tidings(bench.folder, "log", "backup", str(target / "data"))
    expect(done.returncode == 0, f"exit code {done.returncode}: {done.stderr}")
    time.sleep(0.1)
    load.stop()
    daemon.term()
    expect(not rig.verify(target), "the copy does not verify")
    kept = {int(found["id"].split("-")[1]) for found in rig.read_log(target)}
    expect(acked <= kept, f"{len(acked - kept)} events acked before the backup are not in it")
    problems = rig.whole_check(target)
    expect(not problems, str(problems))
    return "the copy verifies, holds all that was acked before, and its summaries equal a fold of it"


LARGE = {"large-segment"}


def run_case(name, seed):
    """Returns (verdict, text): ok, BROKEN, or skipped."""
    has_room = name not in LARGE or shutil.disk_usage(faults.PLACE).free > 6 << 30
    place = faults.PLACE if has_room else None
    folder = tempfile.mkdtemp(prefix=f"tidings-{name}-", dir=place)
    bench = Bench(folder, seed)
    try:
        text = CASES[name][1](bench)
        bench.finish()
        return "ok", text
    except NotHere as reason:
        return "skipped", str(reason)
    except Broken as problem:
        return "BROKEN", str(problem)
    except (OSError, RuntimeError, KeyError, ValueError, subprocess.SubprocessError) as error:
        return "BROKEN", f"{type(error).__name__}: {error}"
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)


def write_observed(results):
    """Puts what was seen into the table's column `observed`, behind the case's name."""
    lines = DOCUMENT.read_text(encoding="utf-8").split("\n")
    for at, line in enumerate(lines):
        name = re.search(r"`scripts/cases ([a-z0-9-]+)`", line)
        if line.startswith("| ") and name and name.group(1) in results:
            cells = line.split(" | ")
            verdict, text = results[name.group(1)]
            if len(cells) == 5:
                text = " ".join(text.split()).replace("|", "\\|")
                cells[3] = f"**{text}**" if verdict == "BROKEN" else text
                lines[at] = " | ".join(cells)
    DOCUMENT.write_text("\n".join(lines), encoding="utf-8")


def check_document():
    """The table has every number once, and names these cases and no others."""
    text = DOCUMENT.read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \| ", text, re.MULTILINE)]
    problems = [] if numbers == list(range(1, 99)) else [f"{DOCUMENT.name}: the numbers are {numbers}"]
    rows = {int(row.split(" | ")[0][2:]): row for row in text.split("\n") if re.match(r"\| \d+ \| ", row)}
    for name, (number, _) in CASES.items():
        if f"`scripts/cases {name}`" not in rows.get(number, ""):
            problems.append(f"{DOCUMENT.name}: row {number} does not name `scripts/cases {name}`")
    named = {name for names in re.findall(r"`scripts/cases ([a-z0-9 -]+)`", text) for name in names.split()}
    problems += [f"{DOCUMENT.name} names an unknown case {name}" for name in sorted(named - set(CASES) - {"--write"})]
    return problems


def main():
    parser = argparse.ArgumentParser(prog="scripts/cases", description=__doc__.splitlines()[0],
                                     epilog="Example: scripts/cases half-close zlib-bodies")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print numbers and names, and end")
    parser.add_argument("--large", action="store_true", help="also the cases that write gigabytes")
    parser.add_argument("--write", action="store_true", help="write what was observed into docs/reliability.md")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    try:
        options = parser.parse_args()
    except SystemExit as stop:
        sys.exit(64 if stop.code else 0)
    if options.list:
        for name, (number, _) in sorted(CASES.items(), key=lambda item: item[1][0]):
            print(f"{number:3} {name}")
        return
    unknown = set(options.names) - set(CASES)
    if unknown:
        print(f"cases: unknown: {', '.join(sorted(unknown))}; `scripts/cases --list` names them", file=sys.stderr)
        sys.exit(64)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"cases: seed {options.seed}", flush=True)
    results = {}
    for name, (number, _) in sorted(CASES.items(), key=lambda item: item[1][0]):
        if options.names and name not in options.names or name in LARGE and not (options.large or options.names):
            continue
        results[name] = run_case(name, options.seed)
        verdict, text = results[name]
        print(f"cases: {verdict}: {number} {name}: {' '.join(text.split())[:400]}", flush=True)
    if options.write:
        write_observed(results)
    wrong = check_document()
    for problem in wrong:
        print(f"cases: BROKEN: {problem}")
    broken = [name for name, (verdict, _) in results.items() if verdict == "BROKEN"]
    skipped = [name for name, (verdict, _) in results.items() if verdict == "skipped"]
    print(f"cases: {len(results)} tried, {len(broken)} broken, {len(skipped)} skipped"
          + (f"; broken: {', '.join(broken)}" if broken else ""))
    sys.exit(1 if broken or wrong else 0)


if __name__ == "__main__":
    main()
