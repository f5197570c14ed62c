"""The feature file of CloudEvents' HTTP binding: its requests are sent, and the log must hold the events that it names.

Two things are not as in the file, since an event here is posted to one path and belongs to a product: the path, and one
extension attribute, `product`.
"""

import json
import pathlib
import re
import textwrap

from harness import Daemon, answers, exchange

CASES = 4


def run(tally, scratch, corpora):
    file = corpora and corpora / "cloudevents/features/http-protocol-binding.feature"
    if not file or not file.is_file():
        return tally.skip(CASES, "cloudevents", f"no {file}" if file else "no --corpora")
    cases = list(scenarios(file.read_text()))
    for number, case in enumerate(cases):
        name, request, attributes, data = case
        # The four events have the same id and source: each needs a log of its own.
        daemon = Daemon(pathlib.Path(scratch, str(number)))
        came, _ = exchange(daemon.http_port, request)
        found = answers(came)
        problems, events = daemon.stop()
        if [answer.status for answer in found] != [200]:
            problems.append(f"{found}")
        elif len(events) != 1:
            problems.append(f"{len(events)} events in the log")
        else:
            problems += differences(events[0], attributes, data)
        tally.check(name, "CloudEvents 1.0.2, HTTP binding", request, "; ".join(problems))
    if len(cases) != CASES:
        tally.check("the feature file", "-", b"", f"{len(cases)} cases, not {CASES}")


def scenarios(text):
    """Each example of each outline: its name, the request, the attributes and the data that are expected."""
    for outline in text.split("Scenario Outline: ")[1:]:
        name = outline.splitlines()[0]
        request, data = [textwrap.dedent(text) for text in re.findall(r'"""\n(.*?)\n *"""', outline, re.DOTALL)]
        steps, examples = outline.split("Examples:")
        rows = table(steps)
        for (value,) in table(examples)[1:]:
            attributes = {key: given.replace("<contentType>", value) for key, given in rows[1:]}
            yield name.replace("<contentType>", value), bytes_of(request, value), attributes, json.loads(data)


def table(text):
    return [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in text.splitlines() if line.strip().startswith("|")]


def bytes_of(request, value):
    """The request as it goes over the wire: to our path, with a product, and closed behind its answer."""
    head, body = request.replace("<contentType>", value).split("\n\n", 1)
    length = int(re.search(r"Content-Length: (\d+)", head)[1])
    assert len(body) <= length, f"the body has {len(body)} bytes, not {length}"
    body += "\n" * (length - len(body))
    lines = head.replace("/someresource", "/v1/events").split("\n") + ["Connection: close"]
    if "ce-id" in head:
        lines.append("ce-product: kettle")
    else:
        body = body.replace("{", '{"product":"kettle",', 1)
        lines = [f"Content-Length: {len(body)}" if line.startswith("Content-Length") else line for line in lines]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def differences(event, attributes, data):
    """What the log does not say as the file does. The names in an event are not kept with it but beside it: its id as a
    hash, its source as a device."""
    kept = json.loads(event["raw"])
    found = {**kept, "source": event["device"], "id": event["id"]}
    for key, value in attributes.items():
        value = hashed(value) if key == "id" else value
        if found.get(key) != value:
            yield f"{key} is {found.get(key)!r}, not {value!r}"
    if kept.get("data") != data:
        yield f"the data is {kept.get('data')!r}"
    if event["time"] != attributes["time"].replace("Z", ".000Z"):
        yield f"the time is {event['time']}"


def hashed(text):
    """FNV-1a 64, as docs/wire.md has it for an id that is no number."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return f"#{value:016x}"
