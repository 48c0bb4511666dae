"""A rolling-batch handler that does what each request's JSON body says; the front's tests talk to it.

Body: {"items": [{"data": "x", "delay": 0.1, "code": 400, "error": "...", "headers": {...}}, ...], "raise": "...",
"exit": 3, "echo": true}. One item a step. Without "items" the request is answered with its own body and headers.
"""

import json
import logging
import os
import sys
import time

from djl_python import Output

active = []


class Slot:
    def __init__(self, batch_input):
        body = batch_input.get_as_bytes("data")
        headers = {k.lower(): v for k, v in batch_input.get_properties().items()}
        try:
            order = json.loads(body)
        except ValueError:
            order = {}
        self.order = order if isinstance(order, dict) else {}
        if "items" in self.order:
            self.items = list(self.order["items"])
        else:
            echo = {
                "body": body.decode("utf-8", "replace")[:1000],
                "size": len(body),
                "headers": headers,
                "pid": os.getpid(),
            }
            self.items = [{"data": json.dumps(echo), "headers": {"Content-Type": "application/json"}}]
        self.due = time.monotonic() + self.items[0].get("delay", 0)

    def step(self, index, output):
        order = self.order
        if "exit" in order:
            os._exit(order["exit"])
        if "raise" in order:
            raise ValueError(order["raise"])
        if time.monotonic() < self.due:
            return {"data": "", "last": False}, False
        item = self.items.pop(0)
        for name, value in item.get("headers", {}).items():
            output.add_property(f"batch_{index}_{name}", value)
        last = not self.items
        if not last:
            self.due = time.monotonic() + self.items[0].get("delay", 0)
        reply = {"data": item.get("data", ""), "last": last}
        if "code" in item:
            reply["code"], reply["error"] = item["code"], item.get("error", "")
        return reply, last


def load(properties):
    logging.info("echo handler loads: %s", json.dumps({k: str(v) for k, v in sorted(properties.items())}))
    if "load_delay" in properties:
        time.sleep(float(properties["load_delay"]))
    if "load_raise" in properties:
        raise ValueError(properties["load_raise"])
    if "load_error" in properties:
        return Output(code=503, message=properties["load_error"])
    return None


def handle(inputs):
    if inputs.is_empty():
        return load(inputs.get_properties())
    properties = inputs.get_properties()
    if "batch_size" not in properties:
        body = inputs.get_as_bytes("data")
        return Output().add(body).add_property("Content-Type", "application/json")
    if "reset_rollingbatch" in properties:
        active.clear()
    batch = inputs.get_batches()
    active.extend(Slot(one) for one in batch[len(active) :])
    output = Output()
    deadline = time.monotonic() + 0.05
    while not any(slot.due <= time.monotonic() for slot in active) and time.monotonic() < deadline:
        time.sleep(0.002)
    stay = []
    for index, slot in enumerate(active):
        reply, last = slot.step(index, output)
        output.add(Output.binary_encode(reply), key="data", batch_index=index)
        if not last:
            stay.append(slot)
    active[:] = stay
    sys.stdout.flush()
    return output
