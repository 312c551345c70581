#!/usr/bin/env python3
"""load.py KUBECONFIG.json SIGNED UNSIGNED RATE: asks the API server to create RATE pods
a second, in server-side dry runs, until it gets SIGTERM. Every fourth pod has an
image without a signature. Then prints one JSON object:

  requests   how many were sent
  admitted   signed images that were let through
  refused    unsigned images that Gatehouse refused
  wrong      unsigned images that were let through: must be 0
  lost       requests that got neither answer (refused unheard, connection broken)
  outage     seconds from the first lost request to the first one after the last lost
  slowest    seconds of the slowest request
  words      what was said to one of the lost
"""

import base64
import http.client
import json
import signal
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse

WORKERS = 16
stop = threading.Event()
lock = threading.Lock()
results = []  # (time sent, seconds, kind, words)


def file_of(entry, name):
    """A kubeconfig names a file, or holds its content."""
    if name in entry:
        return entry[name]
    file = tempfile.NamedTemporaryFile(delete=False)
    file.write(base64.b64decode(entry[name + "-data"]))
    file.close()
    return file.name


def connect(config):
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=file_of(cluster, "certificate-authority"))
    context.load_cert_chain(file_of(user, "client-certificate"), file_of(user, "client-key"))
    address = urllib.parse.urlsplit(cluster["server"])
    return lambda: http.client.HTTPSConnection(address.hostname, address.port, context=context, timeout=20)


def pod(number, image):
    return json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"load-{number}"},
        "spec": {"containers": [{"name": "app", "image": image}]},
    })


def kind_of(signed, status, words):
    if status == 201:
        return "admitted" if signed else "wrong"
    if status == 403 and not signed and "image-unsigned" in words:
        return "refused"
    return "lost"


class Schedule:
    """Which request is next, and when it is due."""

    def __init__(self, rate):
        self.rate, self.start, self.next = rate, time.monotonic(), 0

    def take(self):
        with lock:
            number, self.next = self.next, self.next + 1
        delay = self.start + number / self.rate - time.monotonic()
        return None if stop.wait(max(delay, 0)) else number


def work(new_connection, schedule, signed, unsigned):
    connection = new_connection()
    while (number := schedule.take()) is not None:
        is_signed, sent = number % 4 != 3, time.monotonic()
        try:
            connection.request("POST", "/api/v1/namespaces/demo/pods?dryRun=All",
                               pod(number, signed if is_signed else unsigned), {"Content-Type": "application/json"})
            response = connection.getresponse()
            words = response.read().decode()
            kind = kind_of(is_signed, response.status, words)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            connection, kind, words = new_connection(), "lost", repr(error)
        with lock:
            results.append((sent, time.monotonic() - sent, kind, words if kind in ("lost", "wrong") else ""))


def message_of(words):
    try:
        return json.loads(words)["message"]
    except (ValueError, KeyError, TypeError):
        return words


def summary():
    results.sort()
    count = {kind: sum(r[2] == kind for r in results) for kind in ("admitted", "refused", "wrong", "lost")}
    lost = [r for r in results if r[2] in ("lost", "wrong")]
    outage = 0
    if lost:
        after = [r[0] for r in results if r[0] > lost[-1][0]]
        outage = (after[0] if after else time.monotonic()) - lost[0][0]
    return {"requests": len(results), **count, "outage": round(outage, 2),
            "slowest": round(max((r[1] for r in results), default=0), 2),
            "words": message_of(lost[len(lost) // 2][3])[:400] if lost else ""}


def main(kubeconfig, signed, unsigned, rate):
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with open(kubeconfig) as file:
        new_connection = connect(json.load(file))
    schedule = Schedule(float(rate))
    workers = [threading.Thread(target=work, args=(new_connection, schedule, signed, unsigned)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps(summary()))


main(*sys.argv[1:])
