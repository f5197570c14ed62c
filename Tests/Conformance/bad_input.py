"""Bodies that are too large, half good, packed into each other, cut, or followed by something else.

Each case is posted to the shipped daemon and must be answered with the status that it names, within two seconds; the
log must then hold as many of its events as were answered.
"""

import collections
import gzip
import pathlib
import threading
import time
import zlib

from harness import Daemon, answers, exchange

JSON, LINES, BATCH = b"application/json", b"application/x-ndjson", b"application/cloudevents-batch+json"
# What a body may cost of a processor, and how long others may wait meanwhile.
SECONDS, OTHERS_SECONDS = 2, 1


def event(device, number):
    return b'{"product":"p","device":"%s","id":"1-%d","type":"feature.used","aspect":"a"}' % (device, number)


def many(device, count, joint=b"\n"):
    return joint.join(event(device, number) for number in range(1, count + 1))


def half(device, joint):
    """Every second event names no product."""
    return joint.join(event(device, number) if number % 2 else b'{"device":"x"}' for number in range(1, 1_001))


def deflated(data):
    return zlib.compress(data)


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def array(events):
    return b"[" + events + b"]"


def damaged(packed):
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1:]


BOMB = gzip.compress(bytes(256 << 20), compresslevel=9)
SPACES = gzip.compress(b" " * (80 << 20), compresslevel=9)
NEWLINES = gzip.compress(b"\n" * (80 << 20), compresslevel=9)

# Name, media type, coding, body of a device, status, events stored.
CASES = [
    ("1,000 events", JSON, b"", lambda d: array(many(d, 1_000, b",")), 200, 1_000),
    ("1,001 events", JSON, b"", lambda d: array(many(d, 1_001, b",")), 413, 0),
    ("1,001 CloudEvents", BATCH, b"", lambda d: array(b",".join([b'{"specversion":"1.0"}'] * 1_001)), 413, 0),
    ("1,001 lines", LINES, b"", lambda d: many(d, 1_001), 200, 1_001),
    ("array of a million numbers", JSON, b"", lambda d: array(b",".join([b"1"] * 500_000)), 400, 0),
    ("array of a million objects", JSON, b"", lambda d: array(b",".join([b"{}"] * 1_000_000)), 413, 0),
    ("array of a million objects, packed", JSON, b"gzip",
     lambda d: gzip.compress(array(b",".join([b"{}"] * 1_000_000))), 413, 0),
    ("array of a million opened arrays", JSON, b"", lambda d: b"[" * 1_000_000, 400, 0),
    ("an event with a million opened arrays", JSON, b"",
     lambda d: event(d, 1)[:-1] + b',"x":' + b"[" * 1_000_000, 413, 0),
    ("half of an array is good", JSON, b"", lambda d: array(half(d, b",")), 200, 500),
    ("half of the lines are good", LINES, b"", lambda d: half(d, b"\n"), 200, 500),
    ("the last of an array is no JSON", JSON, b"", lambda d: array(many(d, 9, b",") + b",{]}"), 400, 0),
    ("the last of the lines is no JSON", LINES, b"", lambda d: many(d, 9) + b"\n{]}", 200, 9),
    ("something behind an array", JSON, b"", lambda d: array(many(d, 9, b",")) + b"]", 400, 0),
    ("something behind an event", JSON, b"", lambda d: event(d, 1) + event(d, 2), 400, 0),
    ("an array in lines", LINES, b"", lambda d: array(event(d, 1)) + b"\n" + event(d, 2), 200, 1),
    ("a line of a mebibyte", LINES, b"",
     lambda d: event(d, 1) + b"\n{" + b" " * (1 << 20) + b"}\n" + event(d, 2), 200, 2),
    ("nothing", JSON, b"", lambda d: b"", 400, 0),
    ("an empty array", JSON, b"", lambda d: b"[]", 200, 0),
    ("no lines", LINES, b"", lambda d: b"\n\r\n \n", 200, 0),
    ("NUL bytes, which are blank between lines", LINES, b"", lambda d: bytes(1_000), 200, 0),
    ("a native frame", b"application/x-protobuf", b"", lambda d: b"TDG1\1\2\3", 400, 0),
    ("gzip", JSON, b"gzip", lambda d: gzip.compress(array(many(d, 100, b","))), 200, 100),
    ("gzip of several members", LINES, b"gzip",
     lambda d: b"".join(gzip.compress(event(d, number) + b"\n") for number in range(1, 101)), 200, 100),
    ("gzip of an empty member in the middle", LINES, b"gzip",
     lambda d: gzip.compress(event(d, 1)[:20]) + gzip.compress(b"") + gzip.compress(event(d, 1)[20:]), 200, 1),
    ("gzip of 2,000 members", LINES, b"gzip", lambda d: gzip.compress(b"") * 2_000, 413, 0),
    ("gzip bomb", JSON, b"gzip", lambda d: BOMB, 413, 0),
    ("gzip bomb of a line", LINES, b"gzip", lambda d: BOMB, 413, 0),
    ("gzip bomb of spaces", LINES, b"gzip", lambda d: SPACES, 413, 0),
    ("gzip bomb of line ends", LINES, b"gzip", lambda d: NEWLINES, 413, 0),
    ("gzip bomb of lines that are no good", LINES, b"gzip",
     lambda d: gzip.compress(event(d, 1) + b"\nx" * (1 << 24)), 413, 1),
    ("gzip bomb of empty objects", LINES, b"gzip", lambda d: gzip.compress(b"{}\n" * (1 << 23)), 413, 0),
    ("gzip bomb of CloudEvents", BATCH, b"gzip", lambda d: SPACES, 413, 0),
    ("gzip in gzip", JSON, b"gzip", lambda d: gzip.compress(gzip.compress(event(d, 1))), 400, 0),
    ("gzip in gzip, as the head says", JSON, b"gzip, gzip",
     lambda d: gzip.compress(gzip.compress(event(d, 1))), 415, 0),
    ("gzip, something behind it", JSON, b"gzip", lambda d: gzip.compress(event(d, 1)) + b"rubbish", 400, 0),
    ("gzip, zeros behind it", JSON, b"gzip", lambda d: gzip.compress(event(d, 1)) + bytes(512), 400, 0),
    ("gzip, cut", JSON, b"gzip", lambda d: gzip.compress(event(d, 1))[:-9], 400, 0),
    ("gzip, cut in its checksum", JSON, b"gzip", lambda d: gzip.compress(event(d, 1))[:-1], 400, 0),
    ("gzip, damaged", JSON, b"gzip", lambda d: damaged(gzip.compress(array(many(d, 100, b",")))), 400, 0),
    ("gzip, of another checksum", JSON, b"gzip", lambda d: gzip.compress(event(d, 1))[:-8] + bytes(8), 400, 0),
    ("gzip that is none", JSON, b"gzip", lambda d: event(d, 1), 400, 0),
    ("gzip of nothing at all", JSON, b"gzip", lambda d: b"", 400, 0),
    ("deflate", JSON, b"deflate", lambda d: deflated(event(d, 1)), 200, 1),
    ("deflate, something behind it", JSON, b"deflate", lambda d: deflated(event(d, 1)) + b"x", 400, 0),
    ("deflate without its frame", JSON, b"deflate", lambda d: raw_deflate(event(d, 1)), 400, 0),
    ("deflate as gzip", JSON, b"gzip", lambda d: deflated(event(d, 1)), 400, 0),
]


def run(tally, scratch, corpora):
    daemon = Daemon(pathlib.Path(scratch))
    port, problems, sent = daemon.http_port, {}, {}
    for number, (_, media, coding, body, status, _) in enumerate(CASES):
        sent[number] = body(b"d%03d" % number)
        begun = daemon.cpu_seconds()
        came, has_ended = post(port, media, coding, sent[number])
        seconds = daemon.cpu_seconds() - begun
        problems[number] = judge(answers(came), status)
        if not has_ended:
            problems[number].append("the connection stays open")
        if seconds > SECONDS:
            problems[number].append(f"it took {seconds:.1f} s of a processor")
    slow = others_are_served(port)
    wrong, events = daemon.stop()
    stored = collections.Counter(found["device"] for found in events)
    for number, (name, _, _, _, _, expected) in enumerate(CASES):
        found = stored.pop(f"d{number:03d}", 0)
        if found != expected:
            problems[number].append(f"{found} events in the log, not {expected}")
        tally.check(name, "bad input", sent[number], "; ".join(problems[number]))
    tally.check("others are served while bombs are read", "bad input", b"", slow)
    del stored["honest"]
    tally.check("the daemon lives on", "bad input", b"", "; ".join(wrong + [f"not sent: {name}" for name in stored]))


def post(port, media, coding, body):
    head = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: " + media + b"\r\n"
    head += b"Content-Encoding: " + coding + b"\r\n" if coding else b""
    return exchange(port, head + b"Content-Length: %d\r\n\r\n" % len(body) + body, 20)


def others_are_served(port):
    """An honest client beside four that send bombs: what is wrong."""
    bombs = [threading.Thread(target=post, args=(port, LINES, b"gzip", body)) for body in (SPACES, NEWLINES) * 2]
    for bomb in bombs:
        bomb.start()
    longest, number = 0, 0
    while number < 20 or any(bomb.is_alive() for bomb in bombs):
        number += 1
        begun = time.monotonic()
        came, _ = post(port, JSON, b"", event(b"honest", number))
        if [answer.json.get("stored") for answer in answers(came)] != [1]:
            return f"{came!r}"
        longest = max(longest, time.monotonic() - begun)
    return f"an answer took {longest:.1f} s" if longest > OTHERS_SECONDS else ""


def judge(found, status):
    if [answer.status for answer in found] != [status]:
        return [f"{found}, not {status}"]
    said = found[0].json
    refused = said.get("refused", [])
    if status != 200 and not (refused and all({"code", "reason", "text"} <= set(one) for one in refused)):
        return [f"no code, reason and text: {found}"]
    return []
