"""Each client says the same events twice, and each event is there once: compared with the same events over TCP."""

import collections
import concurrent.futures
import json
import pathlib
import sys
import time

import forms
import mqtt_clients
import mqtt_forms
import rig
import mqtt_site
from senders import Device

# Devices other than the one that sends much, and what each of them sends.
DEVICES, EACH = 200, 100


def make(scale, seed):
    """The events of one device that sends much; of the others, each its own."""
    one = Device("kettle", "one/+#%", seed=seed)
    fleets = [[one.make() for _ in range(round(5_000 * scale))]]
    for number in range(max(6, round(DEVICES * scale))):
        device = Device(("kettle", "oven")[number % 2], f"d-{number}", seed=seed)
        fleets.append([device.make() for _ in range(max(30, min(EACH, round(EACH * scale * 10))))])
    return fleets


def with_qos(messages, first, run=200):
    """QoS 0, 1 and 2 by turns, a few hundred messages each."""
    for number, message in enumerate(messages):
        message.qos = (first + number // run) % 3
        yield message


def send_all(client, target, fleets, turn, folder):
    """Everything once. Returns how many messages there were of each QoS."""
    folder.mkdir()
    used = collections.Counter()

    def send(index):
        made = list(in_runs(client, fleets[index], turn + index, index % 2 == 1))
        used.update(f"QoS {message.qos}" for message in made)
        client.send(target, made, folder)

    is_library = isinstance(client, mqtt_clients.Library)
    with concurrent.futures.ThreadPoolExecutor(client.side_by_side) as pool:
        if is_library:
            # A process of a library is for many devices, one after the other.
            jobs = [range(first, len(fleets), client.side_by_side) for first in range(client.side_by_side)]
            list(pool.map(lambda job: send_many(client, target, fleets, turn, job, used), jobs))
        else:
            list(pool.map(send, range(len(fleets))))
    return used


def send_many(client, target, fleets, turn, job, used):
    made = []
    for index in job:
        made += with_qos(mqtt_forms.messages(fleets[index], client.forms, turn + index, index % 2 == 1), turn + index)
    if made:
        client.send(target, made, None)
    used.update(f"QoS {message.qos}" for message in made)


def in_runs(client, events, first, is_short):
    """For programs that are started for each topic: a third of the events for each QoS, and in it one form of single
    events and one of batches, as the client has them."""
    names = list(client.forms)
    third = -(-len(events) // 3)
    for part in range(3):
        rest = events[part * third:(part + 1) * third]
        single = [name for name in names if name in mqtt_forms.LINES]
        batch = [name for name in names if name not in mqtt_forms.LINES]
        half = min(len(rest) * 2 // 3, client.most_lines)
        for some, name in ((rest[:half], single[(first + part) % len(single)]),
                           (rest[half:], batch[(first + part) % len(batch)])):
            for message in mqtt_forms.messages(some, {name: client.forms[name]}, 0, is_short):
                message.qos = (first + part) % 3
                yield message


def check(site, client, options, folder):
    """One client. Returns what is wrong."""
    fleets = make(options.scale, options.seed)
    number = sum(map(len, fleets))
    daemon = site.start(folder, [forms.source(fleet[0]) for fleet in fleets])
    for turn, place in enumerate(("committed", "again")):
        began = time.monotonic()
        used = send_all(client, site.target, fleets, turn, folder / place)
        counts = wait_for(daemon, number * (turn + 1))
        said = ", ".join(f"{count} of {name}" for name, count in sorted(used.items()))
        print(f"check-mqtt: {client.name}{site.title}: {number} events in {used.total()} messages ({said}): {counts}, "
              f"{time.monotonic() - began:.1f} s", flush=True)
        more = counts["again"] - number * turn
        if counts["committed"] != number or counts["other"] or not 0 <= more <= client.repeated:
            return [f"{number} events should be {place}: {counts}"]
    problems = site.stop()
    exported = rig.read_log(folder)
    expected = {(event["product"], event["device"], event["id"]): event | {"time": forms.rfc3339(event["time"])}
                for fleet in fleets for event in fleet}
    problems += list(mqtt_site.IDENTITY.differences(dict(expected), exported))[:10]
    if len(exported) != number:
        problems.append(f"{len(exported)} events are in the log, not {number}")
    return problems or same_summaries(folder, exported, expected)


def wait_for(daemon, number):
    """What became of the events, when there are as many: QoS 0 has no ack to wait for."""
    until = time.monotonic() + 30
    while True:
        counts = mqtt_site.counts(daemon)
        if sum(counts.values()) >= number or time.monotonic() > until:
            return counts
        time.sleep(0.05)


def same_summaries(folder, exported, expected):
    """The summaries against those of the same events, in the order of the log, as JSON lines over TCP."""
    other = pathlib.Path(f"{folder}-tcp")
    daemon = rig.Daemon(other, {})
    lines = [json.dumps(expected[event["product"], event["device"], event["id"]]) + "\n" for event in exported]
    done = mqtt_site.command("send", "--format", "json", "--transport", "tcp", "--port", str(daemon.tcp_port),
                           input="".join(lines))
    if done.returncode != 0:
        return [f"tidings send: exit code {done.returncode}: {done.stderr}"]
    daemon.term()
    return [f"the summary of {product} is not that of the same events over TCP"
            for product in ("kettle", "oven") if summary(folder, product) != summary(other, product)]


def summary(folder, product):
    """As it is printed, without the time of its writing."""
    done = rig.tidings(folder, "summary", product, "--format", "json")
    if done.returncode != 0:
        sys.exit(f"check-mqtt: summary of {product}: {done.stderr}")
    said = json.loads(done.stdout)
    del said["updated"]
    return said


def run(site, options, folder):
    found, missing = mqtt_clients.installed()
    for one in missing:
        print(f"check-mqtt: left out: {one}")
    chosen = [client for client in found
              if not options.only or any(name in client.name for name in options.only.split(","))]
    if not chosen:
        return [f"none of {options.only} is installed"]
    problems = []
    for number, client in enumerate(chosen):
        try:
            found = check(site, client, options, folder / f"client-{number}")
        except mqtt_clients.Failure as failure:
            found = [str(failure)]
        finally:
            site.kill()
        problems += [f"{client.name}{site.title}: {one}" for one in found]
    print(f"check-mqtt: {len(chosen)} clients{site.title}, each event once" if not problems else "", flush=True)
    return problems
