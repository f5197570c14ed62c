"""What schemathesis has to know of the HTTP port and OpenAPI cannot say. Loaded by scripts/check-openapi.

How lines, native batches and packed bodies are made, what is counted in bytes, and what bad events are answered.
"""

import gzip
import itertools
import json
import pathlib
import zlib

import schemathesis
from hypothesis import strategies as st

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "schemas"
KINDS = [kind["name"] for kind in json.loads((SCHEMAS / "kinds.json").read_text())["kinds"]]
EVENTS = "POST /v1/events"
# The names of an event that are bounded in bytes of UTF-8, and by how many.
BYTES = {"product": 128, "device": 128, "customer": 64, "subject": 64, "id": 64, "source": 128}
NUMBERS = itertools.count(1)


def native_batches():
    """The bodies of the golden frames that are not packed: a type, a length as a varint, the body, a checksum."""
    for path in sorted((SCHEMAS / "wire/v1/golden").glob("batch-*.hex")):
        frame = bytes.fromhex("".join(line for line in path.read_text().splitlines() if line[:1] != "#"))
        start, length = (2, frame[1]) if frame[1] < 128 else (3, frame[1] & 127 | frame[2] << 7)
        if frame[0] == 3 and len(frame) == start + length + 4:
            yield frame[start:-4]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=16)
lines = st.fixed_dictionaries(
    {"product": names, "device": names, "type": st.sampled_from(KINDS) | names},
    optional={
        "id": st.integers(0, 2**53 - 1) | names,
        "aspect": st.sampled_from(["boil", "door.sound", "Door"]),
        "value": st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | names,
        "time": st.integers(0, 2**53 - 1) | st.just("2026-01-01T00:00:00Z"),
    },
).map(json.dumps)
schemathesis.openapi.format("ndjson", st.lists(lines | st.just(""), max_size=40).map("\n".join))
schemathesis.openapi.media_type("application/x-protobuf", st.sampled_from(list(native_batches())))


@schemathesis.serializer("application/x-ndjson")
def write_lines(context, value):
    """Text as it is; anything else as one line."""
    return (value if isinstance(value, str) else json.dumps(value)).encode(errors="surrogatepass")


@schemathesis.serializer("application/cloudevents+json", "application/cloudevents-batch+json")
def write_cloudevents(context, value):
    return json.dumps(value).encode()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Leaves out what `data` says of each kind: schemathesis makes nothing up for if and then."""
    parts = raw_schema["components"]["schemas"]["CloudEvent"]["allOf"]
    parts[:] = [part for part in parts if part.get("$ref") != "#/components/" "schemas/DataOfKinds"]


@schemathesis.hook
def filter_body(context, body):
    """Leaves out names that have few enough characters and too many bytes."""
    for event in body if isinstance(body, list) else [body]:
        for name, limit in BYTES.items() if isinstance(event, dict) else ():
            text = event.get(name)
            if isinstance(text, str) and len(text) <= limit < len(text.encode(errors="surrogatepass")):
                return False
    return True


def is_negative(case):
    """Whether the body was made to break its schema."""
    components = case.meta.components.items() if case.meta else ()
    return any(name.value == "body" and component.mode.is_negative for name, component in components)


def fresh(event):
    """A good id and a good device become others: what came before is a duplicate, whatever else is wrong with it."""
    if not isinstance(event, dict):
        return event
    number = next(NUMBERS)
    for name, limit, other in (("id", 64, f"9-{number}"), ("device", 128, f"k-{number}")):
        if isinstance(event.get(name), str) and 0 < len(event[name]) <= limit:
            event = {**event, name: other}
    return event


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives bad events new ids, and packs the body as the field says."""
    if case.operation.label != EVENTS:
        return
    if is_negative(case) and case.media_type != "application/x-ndjson":
        case.body = [fresh(event) for event in case.body] if isinstance(case.body, list) else fresh(case.body)
    coding = next((value for name, value in (case.headers or {}).items() if name.lower() == "content-encoding"), None)
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding)
    if pack is None:
        return
    sent = case.as_transport_kwargs()
    body = sent["data"] if "data" in sent else json.dumps(sent["json"]) if "json" in sent else None
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes):
        kwargs["data"] = pack(body)


def is_taken_though_bad(event):
    """The schemas say what to send; these the daemon takes although they do not allow it, and misses nothing by it."""
    said, identity, data = event.get, event.get("id"), event.get("data")
    texts = {name: said(name) for name in ("product", "dataschema", "datacontenttype") if isinstance(said(name), str)}
    return (
        # With a source it can only be a CloudEvent, the source names the product, and its id may be a number.
        "source" in event and ("specversion" not in event or not 0 < len(texts.get("product", "p")) <= 128)
        or "source" in event and isinstance(identity, int)
        # As if it were not there.
        or None in event.values()
        # Nobody reads them.
        or len(texts.get("dataschema", "")) > 256 or len(texts.get("datacontenttype", "")) > 64
        # Of the 64 properties that `data` may have, those count that no schema knows.
        or isinstance(data, dict) and len(data) > 64
        # Numbers that not every JSON parser holds exactly: the daemon does.
        or any(isinstance(said(name), int) and said(name) >= 2**53 for name in ("id", "seq"))
        # They only mean something beside a number, or in its place.
        or not isinstance(identity, int) and ("epoch" in event or identity is not None and "seq" in event)
    )


@schemathesis.check
def bad_events_are_told(ctx, response, case):
    """A body that breaks its schema is refused as a whole, or its answer names an event that is not simply stored."""
    if case.operation.label != EVENTS or not is_negative(case) or response.status_code >= 400:
        return
    events = case.body if isinstance(case.body, list) else [case.body]
    if any(is_taken_though_bad(event) for event in events if isinstance(event, dict)):
        return
    report = response.json()
    # No lines are none that could be bad.
    if isinstance(case.body, str) and not case.body.strip() and report["received"] == 0:
        return
    assert report["stale"] or report["quarantined"] or report["refused"], f"taken as if it were good: {case.body!r}"
