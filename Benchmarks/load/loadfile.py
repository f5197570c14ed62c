"""Loads for load/loadsend.c that are made of the workload's NDJSON and not by the generator."""
import os, struct
import harness as h


def write(data, name, kind, connections, records, prelude=b"", epilogue=b""):
    """A file of the format that Sources/Workload/Recorder.swift describes, made when it is missing or older than the
    events. `records` makes connection, number of events and bytes of each record."""
    path = f"{data.folder}/{name}.load"
    source = data.file("ndjson")
    if os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(source):
        return path
    h.note(f"generating {name}")
    with open(source, "rb") as events, open(path + ".part", "wb") as out:
        out.write(b"TIDLOAD1" + struct.pack("<4I", kind, connections, len(prelude), len(epilogue)) + prelude + epilogue)
        for connection, count, body in records(line[:-1] for line in events):
            out.write(struct.pack("<3I", connection, count, len(body)) + body)
    os.replace(path + ".part", path)
    return path


def value_of(line, key):
    """A string of the workload's NDJSON, which has no escapes."""
    start = line.index(b'"%s":"' % key) + len(key) + 4
    return line[start:line.index(b'"', start)]


def on_connections(lines, connections):
    """Connection and line: the devices are dealt out to the connections, as in tcp-1.load."""
    connection_of = {}
    for line in lines:
        device = value_of(line, b"device")
        yield connection_of.setdefault(device, len(connection_of) % connections), line
