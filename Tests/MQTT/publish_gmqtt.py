"""As publish_paho.py, with gmqtt. It drops what it has in its queue when the daemon does not know its session any more;
that is said as {"lost": key}, and whoever has written it may write it again.

gmqtt 0.8.0 does not free the packet ids of what it drops so, and in MQTT 5 has no more of them than the server's
receive maximum: a client without ids is given up for a new one, as an application has to do."""

import asyncio
import base64
import json
import ssl
import sys

import gmqtt
from gmqtt.mqtt.constants import MQTTv50, MQTTv311
from gmqtt.storage import PersistentStorage

OPTIONS = json.loads(sys.argv[1])
# gmqtt has as many packet ids as the server's receive maximum (20), and fails when none is free.
IN_FLIGHT = 19


def say(**what):
    print(json.dumps(what), flush=True)


class Storage(PersistentStorage):
    """Tells what leaves the queue, and why."""

    def __init__(self):
        super().__init__()
        self.keys, self.next, self.room = {}, None, asyncio.Event()

    def push_message(self, mid, raw_package):
        super().push_message(mid, raw_package)
        if self.next is not None:
            self.keys[mid], self.next = self.next, None

    def remove_message_by_mid(self, mid):
        super().remove_message_by_mid(mid)
        if mid in self.keys:
            say(acked=self.keys.pop(mid))
        self.room.set()

    def clear(self):
        super().clear()
        for key in self.keys.values():
            say(lost=key)
        self.keys = {}
        self.room.set()


class Publisher:
    def __init__(self, source):
        self.source, self.storage = source, Storage()
        self.client = gmqtt.Client(OPTIONS["client"] or f"gmqtt {source}", persistent_storage=self.storage)
        self.client.set_auth_credentials(source, OPTIONS["tokens"].get(source))
        self.client.set_config({"reconnect_delay": 0.3, "reconnect_retries": -1})
        self.client.on_connect = lambda client, flags, code, properties: say(connected=str(code))
        self.client.on_disconnect = lambda client, packet, exc=None: say(closed="")

    async def open(self):
        context = ssl.create_default_context(cafile=OPTIONS["ca"]) if OPTIONS["ca"] else False
        version = MQTTv50 if OPTIONS["version"] == 5 else MQTTv311
        while True:
            try:
                await self.client.connect("127.0.0.1", OPTIONS["port"], ssl=context, version=version)
                return self
            except OSError:
                await asyncio.sleep(0.2)

    async def publish(self, line):
        while len(self.storage.keys) >= IN_FLIGHT or not self.client.is_connected:
            self.storage.room.clear()
            try:
                await asyncio.wait_for(self.storage.room.wait(), 0.05)
            except TimeoutError:
                pass
        said = {"content_type": line["type"]} if OPTIONS["version"] == 5 and line["type"] else {}
        if said and line.get("attributes"):
            said["user_property"] = list(line["attributes"].items())
        self.storage.next = line["key"] if line["qos"] else None
        try:
            self.client.publish(line["topic"], base64.b64decode(line["payload"]), qos=line["qos"], **said)
        except OverflowError:
            try:
                await self.client.disconnect()
            except OSError:
                pass    # what came behind the end of TLS
            self.storage.clear()
            self.__init__(self.source)
            await self.open()
            await self.publish(line)
            return
        if not line["qos"]:
            say(acked=line["key"])
            await asyncio.sleep(0)

    async def close(self):
        while self.storage.keys:
            self.storage.room.clear()
            await self.storage.room.wait()
        await self.client.disconnect()


async def main():
    publisher, loop = None, asyncio.get_running_loop()
    while text := await loop.run_in_executor(None, sys.stdin.readline):
        line = json.loads(text)
        if publisher and publisher.source != line["source"]:
            await publisher.close()
            publisher = None
        publisher = publisher or await Publisher(line["source"]).open()
        await publisher.publish(line)
    if publisher:
        await publisher.close()


if __name__ == "__main__":
    asyncio.run(main())
