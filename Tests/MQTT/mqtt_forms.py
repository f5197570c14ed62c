"""The forms in which the same events go over MQTT (docs/wire.md, MQTT).

A form makes of some events, as `senders.Device` makes them, the messages that say them: each a `Message`. Topics are
those of the device, or the short ones for the device that the connection's user name names.
"""

import dataclasses
import itertools
import json

import forms
from forms import Epoch, cloud_event, lines, source, with_number
from senders import native_batch

ESCAPED = {"%": "%25", "/": "%2F", "+": "%2B", "#": "%23"}


@dataclasses.dataclass
class Message:
    source: str
    kind: str               # event or batch: the last part of the topic
    payload: bytes
    count: int
    content_type: str | None = None     # said in MQTT 5 only, as these are
    attributes: dict | None = None      # user properties: those of a CloudEvent in binary mode
    is_short: bool = False
    qos: int = 0
    key: int = 0

    @property
    def topic(self):
        if self.is_short:
            return "t/" + self.kind[0]
        product, _, device = self.source.partition("/")
        return f"tidings/v1/{escaped(product)}/{escaped(device)}/{self.kind}"


def escaped(name):
    return "".join(ESCAPED.get(letter, letter) for letter in name)


def message(events, kind, payload, content_type=None):
    return Message(source(events[0]), kind, payload, len(events), content_type)


def native(events):
    """A batch is of one epoch."""
    for epoch, group in itertools.groupby(events, lambda event: event["id"].partition("-")[0]):
        group = list(group)
        window = [(int(event["id"].partition("-")[2]), event) for event in group]
        yield message(group, "batch", native_batch(Epoch(int(epoch)), window, {}, source(group[0])), forms.PROTOBUF)


def each(made):
    return lambda events: [made(event) for event in events]


# In one line, which is all that some clients can send.
LINES = {
    "event": each(lambda event: message([event], "event", json.dumps(with_number(event)).encode())),
    "cloudevent": each(
        lambda event: message([event], "event", json.dumps(cloud_event(event)).encode(), forms.STRUCTURED)),
    "array": lambda events: [message(events, "event", json.dumps(events).encode())],
}
FORMS = LINES | {
    "lines": lambda events: [message(events, "batch", lines(events))],
    "batch": lambda events: [message(events, "batch", json.dumps(events).encode(), forms.JSON)],
    "native": lambda events: list(native(events)),
}
# Of MQTT 5 only.
BINARY = {
    "binary": each(lambda event: dataclasses.replace(
        message([event], "event", json.dumps(forms.data(event)).encode(), forms.JSON),
        attributes={"specversion": "1.0", **forms.attributes(event)})),
}
# Of each form, how many events in turn.
SHARE = {"binary": 6, "event": 12, "cloudevent": 6, "array": 10, "lines": 30, "batch": 10, "native": 20}


def messages(events, chosen, first=0, is_short=False):
    """All events of one device in their order, in each of the forms by turns, from the form of index `first` on."""
    names = itertools.islice(itertools.cycle(chosen), first % len(chosen), None)
    at = 0
    while at < len(events):
        name = next(names)
        end = at + SHARE[name]
        for made in chosen[name](events[at:end]):
            made.is_short = is_short
            yield made
        at = end
