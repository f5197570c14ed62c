"""Two clients with one id: the daemon slows their duel and names both, once, and what they say is stored once."""

import collections
import json
import threading
import time

import mqtt_clients
import mqtt_forms
import packets
import rig
from senders import Device

# One takeover in so many seconds, and what was under way.
SECONDS_EACH, MARGIN = 5, 6
TAKEN_OVER = 0x8E
THOUSAND = 1_000


def run(site, options, folder):
    problems = duel(site, options, folder / "libraries")
    site.kill()
    problems += eager(site, options, folder / "eager")
    site.kill()
    return problems + thousand(site, folder / "thousand")


def duel(site, options, folder):
    """paho-mqtt against paho-mqtt, with its own retries."""
    found, _ = mqtt_clients.installed()
    client = next(one for one in found if one.name == "paho-mqtt, MQTT 5")
    # One device, as with a key copied to two machines: they number their events differently.
    devices = [Device("kettle", "k-1", seed=options.seed, epoch=epoch) for epoch in (1_800_000_001, 1_800_000_002)]
    site.start(folder, ["kettle/k-1"])
    senders = [mqtt_clients.Publishing(client, site.target, "kettle/k-1", 1, "one id", f"127.0.0.{2 + index}")
               for index in range(2)]
    counts, until = collections.Counter(), time.monotonic() + options.seconds
    try:
        while time.monotonic() < until:
            for sender, device in zip(senders, devices):
                while len(device.pending) < 20:
                    event = device.make()
                    body = json.dumps(event).encode()
                    sender.write(mqtt_forms.Message("kettle/k-1", "event", body, 1), len(device.events))
                while not sender.said.empty():
                    said = sender.said.get()
                    if "acked" in said:
                        device.ack([said["acked"]])
                    counts[next(iter(said.items())) if "connected" in said else next(iter(said))] += 1
            time.sleep(0.01)
    finally:
        for sender in senders:
            sender.close()
    connected = counts["connected", "Success"]
    acked = sum(len(device.acked) for device in devices)
    print(f"check-mqtt: paho-mqtt twice with one id for {options.seconds:.0f} s{site.title}: {connected} times"
          f" connected, {counts['closed']} times closed, {acked} events acked", flush=True)
    problems = few(connected, options.seconds, "paho-mqtt") + named_once(site.daemon)
    problems += [] if all(device.acked for device in devices) else ["one of two clients with one id never gets through"]
    problems += site.stop()
    stored = collections.Counter(event["id"] for event in rig.read_log(folder))
    problems += [f"{count} times in the log: {name}" for name, count in stored.items() if count > 1]
    lost = [f"{device.epoch}-{number}" for device in devices for number in device.acked
            if not stored[f"{device.epoch}-{number}"]]
    return problems + ([f"acked and lost: {lost[:5]}"] if lost else [])


def few(connected, seconds, who):
    most = seconds / SECONDS_EACH * 2 + MARGIN
    return [] if connected <= most else [f"a storm: {who}: {connected} connections in {seconds:.0f} s, not {most:.0f}"]


def named_once(daemon):
    """One line of the log names both addresses."""
    lines = [line for line in daemon.log().splitlines() if "127.0.0.2" in line and "127.0.0.3" in line]
    return [] if len(lines) == 1 else [f"{len(lines)} lines of the log name both addresses, not one: {lines[:3]}"]


def eager(site, options, folder):
    """Two clients that come back at once, as some do."""
    site.start(folder, ["kettle/k-1"])
    answers, stopping = collections.Counter(), threading.Event()

    def insist(address):
        while not stopping.is_set():
            try:
                with packets.Connection(site.port, 5, site.target.ca, address) as link:
                    code = link.open(client="one id", user="kettle/k-1", password=site.target.tokens.get("kettle/k-1"))
                    answers[f"CONNACK 0x{code:02x}"] += 1
                    if code == 0:
                        link.link.settimeout(options.seconds)
                        answers[link.rest()] += 1
            except (OSError, packets.Closed) as error:
                answers[type(error).__name__] += 1

    threads = [threading.Thread(target=insist, args=[f"127.0.0.{2 + index}"], daemon=True) for index in range(2)]
    seconds = min(options.seconds, 20)
    began = site.daemon.status()["connections_accepted"]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    accepted = site.daemon.status()["connections_accepted"] - began
    stopping.set()
    print(f"check-mqtt: two that come back at once for {seconds:.0f} s{site.title}: {accepted} connections, "
          f"{dict(answers)}", flush=True)
    problems = few(answers["CONNACK 0x00"], seconds, "clients that come back at once") + named_once(site.daemon)
    if not any(f"0x{TAKEN_OVER:02x}" in name for name in answers):
        problems.append(f"nobody was told that his session was taken over (0x8e): {dict(answers)}")
    return problems + site.stop()


def thousand(site, folder):
    """A thousand clients with one id, at once: one has it in the end, memory is bounded, the daemon answers."""
    site.start(folder, ["kettle/k-1", "kettle/k-2"], {"listen.max_connections": 4_000})
    links, answers = [], collections.Counter()
    try:
        for index in range(THOUSAND):
            link = packets.Connection(site.port, 10, site.target.ca)
            links.append(link)
            link.send(packets.connect("one id", user="kettle/k-1", password=site.target.tokens.get("kettle/k-1")))
        for link in links:
            link.link.settimeout(0.02)
            answers[link.rest()] += 1
        living = sum(count for name, count in answers.items() if name.startswith("CONNACK 0x00") and "end" not in name)
        with packets.Connection(site.port, 10, site.target.ca) as other:
            code = other.open(client="another", user="kettle/k-2", password=site.target.tokens.get("kettle/k-2"))
    finally:
        for link in links:
            link.link.close()
    memory = site.daemon.rss(peak=True) >> 20
    print(f"check-mqtt: {THOUSAND} clients with one id{site.title}: {dict(answers)}, {memory} MiB", flush=True)
    problems = [] if living == 1 else [f"{living} of {THOUSAND} clients with one id are connected: {dict(answers)}"]
    problems += [] if code == 0 else [f"a client with another id is answered 0x{code:02x}"]
    problems += [] if memory < 200 else [f"{memory} MiB for {THOUSAND} clients with one id"]
    return problems + site.stop()
