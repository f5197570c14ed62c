"""The forms in which web clients say the same events (docs/wire.md, HTTP).

A form makes of some events, as `senders.Device` makes them, the requests that say them: each a dictionary with the
`count` of its events and what a client of `clients.py` posts.
"""

import base64
import gzip
import itertools
import json
import time
import zlib
from urllib.parse import quote

from senders import native_batch

LINES, JSON = "application/x-ndjson", "application/json"
STRUCTURED, BATCH, PROTOBUF = (
    "application/cloudevents+json", "application/cloudevents-batch+json", "application/x-protobuf")


def rfc3339(milliseconds):
    moment = time.gmtime(milliseconds // 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S.", moment) + f"{milliseconds % 1000:03d}Z"


def source(event):
    return f"{event['product']}/{event['device']}"


def attributes(event):
    """What is said of an event by CloudEvents' own attributes."""
    said = {"id": event["id"], "source": source(event), "type": f"org.tidings.{event['type']}.v1",
            "time": rfc3339(event["time"])}
    return said | ({"subject": event["customer"]} if "customer" in event else {})


def data(event):
    """The rest of it."""
    outside = ("product", "device", "customer", "id", "time", "type")
    return {key: value for key, value in event.items() if key not in outside}


def cloud_event(event):
    return {"specversion": "1.0", **attributes(event), "data": data(event)}


def lines(events):
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def with_number(event):
    """The id as a number, as small devices count."""
    epoch, _, number = event["id"].partition("-")
    return event | {"id": int(number)} if epoch == "0" else event


def request(count, content_type, body, **headers):
    headers = {"Content-Type": content_type} | headers
    return {"count": count, "body": base64.b64encode(body).decode(), "headers": headers}


def each(made):
    """A form that takes one event a request."""
    return lambda events: [made(event) for event in events]


def binary(event):
    said = {f"ce-{name}": quote(value, safe="/:") for name, value in attributes(event).items()}
    return request(1, JSON, json.dumps(data(event)).encode(), **{"ce-specversion": "1.0"}, **said)


def protobuf(events):
    """A batch is of one epoch of one device."""
    made = []
    for key, group in itertools.groupby(events, lambda event: (source(event), event["id"].partition("-")[0])):
        window = [(int(event["id"].partition("-")[2]), event) for event in group]
        body = native_batch(Epoch(int(key[1])), window, {}, key[0])
        made.append(request(len(window), PROTOBUF, body))
    return made


class Epoch:
    """As much of a device as `native_batch` asks for."""

    def __init__(self, epoch):
        self.epoch = epoch


FORMS = {
    "structured": each(lambda event: request(1, STRUCTURED, json.dumps(cloud_event(event)).encode())),
    "batch": lambda events: [request(len(events), BATCH, json.dumps(list(map(cloud_event, events))).encode())],
    "binary": each(binary),
    "lines": lambda events: [request(len(events), LINES, lines(events))],
    "lines-gzip": lambda events: [
        request(len(events), LINES, gzip.compress(lines(events)), **{"Content-Encoding": "gzip"})],
    "one": each(lambda event: request(1, JSON, json.dumps(with_number(event)).encode())),
    "array": lambda events: [request(len(events), JSON, json.dumps(events).encode())],
    "array-deflate": lambda events: [
        request(len(events), JSON, zlib.compress(json.dumps(events).encode()), **{"Content-Encoding": "deflate"})],
    "protobuf": protobuf,
}
# Bodies that the client's own library makes.
JSON_FORMS = {
    "one": each(lambda event: {"count": 1, "json": with_number(event)}),
    "array": lambda events: [{"count": len(events), "json": events}],
}
CLOUDEVENTS_FORMS = {
    name: each(lambda event, name=name: {
        "count": 1, "events": name, "attributes": attributes(event), "data": data(event)})
    for name in ("structured", "binary")
}
# Of each form, how many events in turn.
SHARE = {"structured": 4, "binary": 4, "one": 4, "protobuf": 20}


def requests(events, forms, first=0):
    """All events in their order, in each of the forms by turns, beginning with the form of index `first`."""
    names = itertools.islice(itertools.cycle(forms), first, None)
    at = 0
    while at < len(events):
        name = next(names)
        end = at + SHARE.get(name, 40)
        for made in forms[name](events[at:end]):
            yield made | {"form": name}
        at = end
