"""`kill -9` in a loop under clients that go on by themselves: what was acknowledged is in the log once."""

import collections
import json
import queue
import random
import time

import mqtt_clients
import mqtt_forms
import rig
from senders import Device

# Events that a client may have without an ack: below the 64 numbers that the daemon remembers.
UNDER_WAY = 40


class Sender:
    """A device behind a client that outlives the daemon. Keys are the numbers of its events."""

    def __init__(self, client, device, target, qos):
        self.client, self.device, self.qos = client, device, qos
        self.source = f"{device.product}/{device.name}"
        self.target = target
        self.publishing = mqtt_clients.Publishing(client, target, self.source, qos)
        self.under_way, self.by_mid, self.since, self.problems = {}, {}, 0, []
        self.has_ended, self.cleared, self.raw = False, 0.0, []

    def feed(self):
        """Gives it as much as it may have, and takes what it says."""
        if self.has_ended:
            return
        if not self.qos and time.monotonic() > self.cleared + 0.1:
            # What is not sent now is never sent, and nobody says so.
            self.under_way, self.cleared = {}, time.monotonic()
        while len(self.under_way) < UNDER_WAY:
            self.device.make()
            self.write(len(self.device.events))
        try:
            while True:
                self.take(self.publishing.said.get_nowait())
        except queue.Empty:
            pass
        if self.publishing.process.poll() is not None and not self.has_ended:
            self.has_ended = True
            said = "".join(self.raw[-8:])
            self.problems.append(f"{self.client.name} ended: exit code {self.publishing.process.returncode}: {said}")

    def start_anew(self):
        """A new process gets what has no ack."""
        self.publishing.close()
        waiting, self.under_way, self.by_mid = list(self.under_way), {}, {}
        self.publishing = mqtt_clients.Publishing(self.client, self.target, self.source, self.qos)
        for number in waiting:
            self.write(number)

    def write(self, number):
        event = mqtt_forms.with_number(self.device.events[number])
        message = mqtt_forms.Message(self.source, "event", json.dumps(event).encode(), 1)
        self.under_way[number] = True
        self.by_mid[self.publishing.written % 65_535 + 1] = number
        self.publishing.write(message, number)

    def take(self, said):
        number = self.by_mid.pop(said["mid"], None) if "mid" in said else said.get("acked")
        self.since += "mid" in said or "acked" in said
        if "raw" in said:
            self.raw.append(said["raw"])
        if not self.qos:
            return      # that it was sent says nothing
        if number is not None:
            self.under_way.pop(number, None)
            self.device.ack([number])
        elif "lost" in said:
            # The client gave it up, without an ack: whoever has written it writes it again.
            self.write(said["lost"])
        elif "refused" in said:
            self.problems.append(f"{self.client.name}: refused: {said['refused']}")


def run(site, options, folder):
    problems = []
    for qos in (0, 1, 2):
        problems += loop(site, options, folder / f"qos-{qos}", qos)
        site.kill()
    return problems


def loop(site, options, folder, qos):
    found, _ = mqtt_clients.installed()
    clients = [client for client in found if not isinstance(client, mqtt_clients.PahoC)]
    devices = [Device("kettle" if index % 2 else "oven", f"k-{index}", seed=options.seed)
               for index in range(len(clients))]
    rng, ledger = random.Random(options.seed), rig.Ledger(devices)
    site.start(folder, [f"{device.product}/{device.name}" for device in devices])
    senders = [Sender(client, device, site.target, qos) for client, device in zip(clients, devices)]
    began, problems, late, cycle = time.monotonic(), [], collections.Counter(), 0
    try:
        for cycle in range(options.cycles):
            if cycle:
                site.again()
            for sender in senders if cycle and site.is_secure else ():
                # mosquitto_pub 2.0 does not come back when a TLS connection breaks: somebody starts it anew.
                if isinstance(sender.client, mqtt_clients.Mosquitto):
                    sender.start_anew()
            late.update(live(senders, rng))
            site.daemon.kill9()
            pause(senders, 0.05)    # what was on its way in the clients' pipes
            ledger.read(events_after_death(site, folder, ledger.offset))
            lost = ledger.lost_since()
            problems += [f"acked and lost: {lost[:5]}"] if lost else []
            problems += [one for sender in senders for one in sender.problems]
            if problems or ledger.doubled:
                break
    finally:
        for sender in senders:
            sender.publishing.close()
    counts = ledger.counts()
    acks = ", ".join(f"{len(sender.device.acked)} {sender.client.name}" for sender in senders)
    print(f"check-mqtt: QoS {qos}{site.title}: {cycle + 1} kills in {time.monotonic() - began:.0f} s;"
          f" late: {dict(late) or 'nobody'}: {counts}{f'; acked: {acks}' if qos else ''}", flush=True)
    problems += [f"QoS {qos}: {counts[name]} events {name}" for name in ("lost", "doubled", "invented") if counts[name]]
    if qos and not all(sender.device.acked for sender in senders):
        problems.append(f"QoS {qos}: some client never had an ack")
    return problems or rig.whole_check(folder)


def live(senders, rng, limit=6.0):
    """Lets all get acks, and a little more. Returns who got none."""
    until = time.monotonic() + limit
    for sender in senders:
        sender.since = 0
    while time.monotonic() < until and not all(sender.since for sender in senders):
        pause(senders, 0.01)
    pause(senders, rng.uniform(0, 0.3))
    return [sender.client.name for sender in senders if not sender.since]


def pause(senders, seconds):
    until = time.monotonic() + seconds
    while True:
        for sender in senders:
            sender.feed()
        if time.monotonic() >= until:
            return
        time.sleep(0.005)


def events_after_death(site, folder, since):
    """What the last life stored. Only a daemon's start can undo a journal that a kill has left: then after one."""
    try:
        return rig.read_log(folder, since)
    except RuntimeError:
        site.again().term()
        return rig.read_log(folder, since)
