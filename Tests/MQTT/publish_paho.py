"""Publishes with paho-mqtt what stands on the standard input, and says what was acknowledged.

Each line: source, topic, payload (base64), qos, type (content type or null), attributes (user properties or null), key.
Another source is another connection, with the source as user name and its token as password. In argv a JSON object with
port, version, client (the client id; null: one for each source), tokens, ca (null: no TLS), bind. At the end of its
input it waits for all acks and disconnects. Says {"acked": key} (QoS 0: sent), {"lost": key}, {"connected": code},
{"closed": reason}, and {"refused": [key, reason]}.
"""

import base64
import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

OPTIONS = json.loads(sys.argv[1])
LOCK = threading.Lock()


def say(**what):
    with LOCK:
        print(json.dumps(what), flush=True)


class Publisher:
    def __init__(self, source):
        self.source, self.keys, self.qos = source, {}, 0
        self.changed = threading.Condition()
        version = mqtt.MQTTv5 if OPTIONS["version"] == 5 else mqtt.MQTTv311
        name = OPTIONS["client"] or f"paho {source}"
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        self.client.username_pw_set(source, OPTIONS["tokens"].get(source))
        self.client.reconnect_delay_set(1, 1)
        self.is_connected = threading.Event()
        self.client.on_connect = self.connected
        self.client.on_disconnect = self.closed
        self.client.on_publish = self.published
        if OPTIONS["ca"]:
            self.client.tls_set(OPTIONS["ca"])
        while True:
            try:
                self.client.connect("127.0.0.1", OPTIONS["port"], bind_address=OPTIONS["bind"] or "")
                break
            except OSError:
                threading.Event().wait(0.2)
        self.client.loop_start()
        # Who closes a socket with an unread CONNACK in it resets the connection, and what is on its way may be lost.
        self.is_connected.wait()

    def connected(self, client, data, flags, reason, properties):
        say(connected=str(reason))
        if not reason.is_failure:
            self.is_connected.set()

    def published(self, client, data, number, reason, properties):
        with self.changed:
            # The answer can come before `publish` has returned.
            self.changed.wait_for(lambda: number in self.keys, 5)
            key, _ = self.keys.pop(number)
            self.changed.notify_all()
        if getattr(reason, "is_failure", False):
            say(refused=[key, str(reason)])
        else:
            say(acked=key)

    def closed(self, client, data, flags, reason, properties):
        """What was on its way with QoS 0 is not sent again, and nobody is told but us."""
        with self.changed:
            for number in [number for number, (_, qos) in self.keys.items() if qos == 0]:
                say(lost=self.keys.pop(number)[0])
            self.changed.notify_all()
        say(closed=str(reason))

    def publish(self, line):
        properties = None
        if OPTIONS["version"] == 5 and line["type"]:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ContentType = line["type"]
            for pair in (line.get("attributes") or {}).items():
                properties.UserProperty = pair
        with self.changed:
            # Of QoS 1 and 2 paho-mqtt sends 20 and holds the rest back, and what comes with QoS 0 would overtake them,
            # by more than the 64 numbers that the daemon remembers of a device.
            is_other = line["qos"] != self.qos
            self.changed.wait_for(lambda: len(self.keys) < (1 if is_other else 100))
            self.qos = line["qos"]
        info = self.client.publish(
            line["topic"], base64.b64decode(line["payload"]), line["qos"], properties=properties)
        if info.rc != mqtt.MQTT_ERR_SUCCESS and line["qos"] == 0:
            say(lost=line["key"])
            return
        with self.changed:
            self.keys[info.mid] = line["key"], line["qos"]
            self.changed.notify_all()

    def close(self):
        with self.changed:
            self.changed.wait_for(lambda: not self.keys)
        self.client.disconnect()
        self.client.loop_stop()


def main():
    publisher = None
    for text in sys.stdin:
        line = json.loads(text)
        if publisher and publisher.source != line["source"]:
            publisher.close()
            publisher = None
        publisher = publisher or Publisher(line["source"])
        publisher.publish(line)
    if publisher:
        publisher.close()


if __name__ == "__main__":
    main()
