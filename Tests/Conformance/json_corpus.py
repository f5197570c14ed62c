"""JSONTestSuite through every way in that takes JSON: what is no JSON is refused with a code, what is JSON is kept.

A file of the corpus is any JSON value, and an event is an object; so the file becomes a property of an event (in the
binary form of CloudEvents: its data, byte by byte). The event's type is one that the daemon does not know. Such an
event is kept whole, so that the log shows the value that our reader has read.
"""

import http.client
import json
import pathlib
import re
import socket

from harness import Answer, Daemon

# Refused on purpose: which of the two values counts cannot be known (docs/wire.md).
KEYS_TWICE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
# An event without data is one (CloudEvents 1.0.2): in the binary form these are no bad data, but none.
NO_DATA = {"n_structure_no_data.json", "n_single_space.json"}

HEAD = b'{"product":"p","device":"%s","type":"com.example.value",'
CLOUD = b'{"specversion":"1.0","id":"1","source":"p/%s","type":"com.example.value",'


def short(device, value):
    return HEAD % device + b'"unknown":' + value + b"}"


def cloud(device, value):
    return CLOUD % device + b'"data":' + value + b"}"


# Way in -> its media type, its event, the key of the value in it.
WAYS = {
    "json": ("application/json", short, "unknown"),
    "array": ("application/json", lambda *event: b"[" + short(*event) + b"]", "unknown"),
    "lines": ("application/x-ndjson", lambda *event: b"\n" + short(*event) + b"\n", "unknown"),
    "structured": ("application/cloudevents+json", cloud, "data"),
    "batch": ("application/cloudevents-batch+json", lambda *event: b"[ " + cloud(*event) + b" ]", "data"),
    "binary": ("application/json", lambda _, value: value, "data"),
    "tcp": (None, lambda *event: short(*event) + b"\n", "unknown"),
}


def is_json(name, way):
    """Whether a file must be taken.

    Of what everybody may decide (`i_`), numbers beyond all ranges are JSON, for they stand in the log as text; half
    surrogates, other encodings, marks of byte order and 500 nested arrays are refused.
    """
    if way == "binary" and name in NO_DATA:
        return True
    return name not in KEYS_TWICE and (name.startswith("y_") or name.startswith("i_number_"))


def run(tally, scratch, corpora):
    folder = corpora and corpora / "json/test_parsing"
    if not folder or not folder.is_dir():
        return tally.skip(318 * len(WAYS), "json", f"no {folder}" if folder else "no --corpora")
    files = sorted(folder.glob("*.json"))
    daemon = Daemon(scratch)
    problems, sent = {}, {}
    for way in WAYS:
        link = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=10)
        for number, file in enumerate(files):
            body = sent[way, number] = text(way, number, file)
            answer = over_tcp(daemon, body) if way == "tcp" else post(link, way, number, body)
            problems[way, number] = judge(answer, is_json(file.name, way), way)
        link.close()
    wrong, events = daemon.stop()
    found = {}
    for event in events:
        found.setdefault(event["device"], []).append(event)
    for (way, number), problem in problems.items():
        file = files[number]
        there = found.pop(device(way, number), [])
        problem = problem or kept(there, file, way)
        tally.check(f"{file.name} as {way}", "RFC 8259", sent[way, number], problem)
    tally.check("the daemon lives on", "json", b"", "; ".join(wrong + [f"not sent: {name}" for name in found]))


def device(way, number):
    return f"{way}-{number}"


def text(way, number, file):
    value = file.read_bytes()
    if way in ("lines", "tcp") and is_json(file.name, way):
        value = value.replace(b"\n", b" ").replace(b"\r", b" ")     # white space, as no string holds them
    return WAYS[way][1](device(way, number).encode(), value)


def post(link, way, number, body):
    fields = {"Content-Type": WAYS[way][0]}
    if way == "binary":
        fields |= {"ce-specversion": "1.0", "ce-id": "1", "ce-type": "com.example.value",
                   "ce-source": f"p/{device(way, number)}"}
    try:
        link.request("POST", "/v1/events", body, fields)
        answer = link.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    except (http.client.HTTPException, OSError) as error:
        link.close()
        return Answer(0, {}, repr(error).encode())


def over_tcp(daemon, body):
    """The answer to lines, as if it were one over HTTP."""
    with socket.create_connection(("127.0.0.1", daemon.tcp_port), timeout=10) as link:
        try:
            link.sendall(body)
            link.shutdown(socket.SHUT_WR)
        except OSError:
            pass    # refused before all was sent
        came = b""
        try:
            while more := link.recv(65_536):
                came += more
        except OSError:
            pass
    quarantined, refused = (
        [{"code": int(code)} for code in re.findall(rb'"%s":\{"line":\d+,"code":(\d+)' % name, came)]
        for name in (b"quarantined", b"error"))
    body = json.dumps({"quarantined": quarantined, "refused": refused}).encode()
    return Answer(400 if refused else 200, {}, body if came else b"")


def judge(answer, is_taken, way):
    """What is wrong with an answer."""
    said = answer.json
    if is_taken:
        good = answer.status == 200 and [one["code"] for one in said.get("quarantined", [])] == [4221]
        return "" if good else f"not taken: {answer}"
    refused = said.get("refused", [])
    good = answer.status in (400, 413) and refused and not said.get("stored") and not said.get("quarantined")
    good = good and all(one["code"] in (4005, 4006, 4007, 4008, 4130, 4012, 4011) for one in refused)
    return "" if good else f"not refused: {answer}"


def kept(events, file, way):
    """What the log does not say as the file did."""
    if not is_json(file.name, way):
        return f"in the log: {events}" if events else ""
    if len(events) != 1:
        return f"{len(events)} events in the log"
    if way == "binary" and file.name in NO_DATA:
        return ""
    as_text = {"parse_int": str, "parse_float": str}
    found = json.loads(events[0]["raw"], **as_text).get(WAYS[way][2])
    expected = json.loads(file.read_bytes(), **as_text)
    return "" if nameless(expected) == found else f"in the log: {found!r}"


def nameless(value):
    """A value as it is kept: what names somebody is taken out."""
    names = {"device", "source", "customer", "subject", "id"}
    if isinstance(value, dict):
        return {key: None if key.lower() in names else nameless(inner) for key, inner in value.items()}
    return [nameless(inner) for inner in value] if isinstance(value, list) else value
