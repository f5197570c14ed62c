"""A device that is nothing but paho-mqtt: subscribes to what is for it, and publishes the lines of its standard input.

In argv: port, protocol (3 or 5), client id, source (product/device). Prints a line for each message: topic, tab, payload.
"""

import sys

import paho.mqtt.client as mqtt

PORT, VERSION, NAME, SOURCE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=NAME,
                     protocol=mqtt.MQTTv5 if VERSION == 5 else mqtt.MQTTv311)


def connected(client, data, flags, reason, properties):
    client.subscribe([(f"tidings/v1/{SOURCE}/down/#", 1), (f"tidings/v1/{SOURCE}/state", 1)])


def received(client, data, message):
    print(f"{message.topic}\t{message.payload.decode()}", flush=True)


client.on_connect, client.on_message = connected, received
client.connect("127.0.0.1", PORT)
client.loop_start()
for line in sys.stdin:
    client.publish(f"tidings/v1/{SOURCE}/event", line.strip(), qos=1).wait_for_publish(10)
client.disconnect()
