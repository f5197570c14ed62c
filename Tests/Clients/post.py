"""Posts what standard input says with `requests`, and CloudEvents with their own library; nothing of Tidings is here.

A line is a request: {"json": ...}, {"body": BASE64}, or {"events": "structured" or "binary", "attributes": ...,
"data": ...}, each with "headers" if need be. For each a line {"status": ..., "answer": ...} goes out. A request is
tried again by the library's own rules until it is answered, also when there is nobody to answer.

Usage: post.py URL
"""

import base64
import json
import sys

import requests
from urllib3.util import Retry


def message(line):
    """The arguments of `requests.post` for a line."""
    headers = line.get("headers", {})
    if "json" in line:
        return {"json": line["json"], "headers": headers}
    if "body" in line:
        return {"data": base64.b64decode(line["body"]), "headers": headers}
    from cloudevents.core.bindings.http import to_binary_event, to_structured_event
    from cloudevents.core.v1.event import CloudEvent
    from dateutil.parser import isoparse

    attributes = {"datacontenttype": "application/json"} | line["attributes"]
    attributes["time"] = isoparse(attributes["time"])
    event = CloudEvent(attributes=attributes, data=line["data"])
    made = (to_structured_event if line["events"] == "structured" else to_binary_event)(event)
    return {"data": made.body, "headers": headers | made.headers}


def main():
    url = sys.argv[1]
    session = requests.Session()
    retry = Retry(total=100_000, backoff_factor=0.05, backoff_max=0.4, allowed_methods=None, status_forcelist=[503])
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    for line in sys.stdin:
        answer = session.post(url, timeout=30, **message(json.loads(line)))
        print(json.dumps({"status": answer.status_code, "answer": answer.text}), flush=True)


if __name__ == "__main__":
    main()
