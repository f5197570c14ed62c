#!/usr/bin/python3
"""A device in 40 lines: says who it is, sends one event as a JSON line, waits until it is stored.

Usage: keyed-client.py --port PORT --source PRODUCT/DEVICE --token -|FILE [--host HOST] [--ca FILE]
The token is the line that `tidings device add` calls so; - reads it from standard input.
"""

import argparse
import json
import socket
import ssl
import sys
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--ca")
    options = parser.parse_args()
    token = (sys.stdin if options.token == "-" else open(options.token)).readline().strip()
    link = socket.create_connection((options.host, options.port), 10)
    if options.ca:
        link = ssl.create_default_context(cafile=options.ca).wrap_socket(link, server_hostname=options.host)
    event = {"source": options.source, "type": "rating.given", "aspect": "noise", "value": 3,
             "id": f"{int(time.time())}-1"}
    with link, link.makefile("r", encoding="utf-8") as answers:
        for line in ({"hello": options.source, "token": token}, event):
            link.sendall(json.dumps(line).encode() + b"\n")
        for answer in answers:
            print(answer, end="")
            if "ack" in json.loads(answer):
                return
    sys.exit("the connection ended before the event was stored")


if __name__ == "__main__":
    main()
