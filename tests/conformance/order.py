#!/usr/bin/env python3
"""Does a trace tell of each endpoint what the runner's callbacks were told, in that order?

order.py TROUPE-TRACE DIRECTORY: each trace in the directory, NAME, has what the runner saw beside it, NAME.json: a list
of entries for each endpoint. `troupe-trace sockets` tells the same of the trace: kinds, bytes, codes, had_error, who was
accepted. One data event here is one there.

After the runner's word `still` it listens to nothing, and stops the runtime. What comes of that is left out, and
nothing else: what was open is closed, and a peer may hear the end of what was closed before it.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# What the trace tells and no callback of the runner's. Each must be met, or it has no reason to stand here.
UNHEARD = {
    "drop": "a connection that was turned away has no callback",
    "again": "a socket that is connected again is the program's own doing",
}
# The runner makes these events itself, at once with what the library does.
RENAMED = {"adopted": "wrapped"}

# What comes of the runtime's stop.
STOPPED = [["close"], ["close", False], ["end"]]

met = set()


def run(tool, *words):
    return subprocess.run([tool, *words], check=True, stdout=subprocess.PIPE).stdout


def lines(tool, *words):
    return [json.loads(line) for line in run(tool, *words).splitlines()]


def entry_of(event):
    """As the runner writes it."""
    kind = event["event"]
    entry = [RENAMED.get(kind, kind)]
    for key in ("bytes", "code", "had_error"):
        if key in event:
            entry.append(event[key])
    if kind == "connection":
        entry.append(event["name"])
    return entry


def number_of(entry):
    """Of a connection; one that nobody has named is one too many."""
    return int(entry[1].rpartition("#")[2]) if entry[1] else sys.maxsize


def order_connections(entries):
    """By their numbers: between workers there is no order, and the runner's own log is put into this one."""
    places = [i for i, entry in enumerate(entries) if entry[0] == "connection"]
    for place, entry in zip(places, sorted((entries[i] for i in places), key=number_of)):
        entries[place] = entry
    return entries


def known(entry):
    """What a trace can tell of an entry: of a look-up not the address, nor the host."""
    return entry[:2] if entry[0] == "lookup" else entry


def worker_of(ref):
    return int(ref.partition(":")[0])


def moment(event):
    return event["time"]


def heard(block, until):
    """The events of a block that the runner was told, or should have been."""
    for event in block["events"]:
        worker = worker_of(event["other"] if event["event"] == "connection" else block["endpoint"])
        entry = entry_of(event)
        if event["event"] in UNHEARD:
            met.add(event["event"])
        elif until is None or moment(event) <= until[worker] or entry not in STOPPED:
            yield entry


def endpoints_of(blocks, until=None):
    """The entries by name. What was wrapped had an unconnected socket of that name before."""
    endpoints = {}
    for block in blocks:
        endpoints.setdefault(block["name"], []).extend(heard(block, until))
    return {name: order_connections(entries) for name, entries in endpoints.items()}


def ends(tool, trace):
    """When each worker was still for the last time."""
    marks = lines(tool, "dump", "--json", "--event", "mark", "--text", "text still", trace)
    return {mark["worker"]: moment(mark) for mark in marks}


def say(name, endpoint, told, traced):
    place = next((i for i, (a, b) in enumerate(zip(told, traced)) if a != b), min(len(told), len(traced)))
    at = [json.dumps(entries[place]) if place < len(entries) else "nothing" for entries in (told, traced)]
    return f"{name}, {endpoint}, entry {place}: the runner was told {at[0]}, the trace has {at[1]}"


def differences(name, told, traced):
    for endpoint in sorted(told.keys() | traced.keys(), key=str):
        a, b = told.get(endpoint, []), traced.get(endpoint, [])
        if a != b:
            yield say(name, endpoint, a, b)


def compare(tool, directory, name):
    trace = os.path.join(directory, name)
    with open(trace + ".json") as file:
        told = {endpoint: order_connections([known(entry) for entry in entries]) for endpoint, entries in json.load(file).items()}
    blocks = lines(tool, "sockets", "--json", trace)
    if any(block["goes_on"] for block in blocks):
        return [f"{name}: a block goes on"], 0
    found = list(differences(name, told, endpoints_of(blocks)))
    if found:
        found = list(differences(name, told, endpoints_of(blocks, ends(tool, trace))))
    return found, sum(len(entries) for entries in told.values())


def main(tool, directory):
    names = sorted(name[:-5] for name in os.listdir(directory) if name.endswith(".json"))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: compare(tool, directory, name), names))
    found = [difference for differences, count in results for difference in differences]
    found += [f"no trace has {kind}, which {why}" for kind, why in UNHEARD.items() if kind not in met]
    for difference in found:
        print(difference)
    print(f"{len(names)} traces and {sum(count for differences, count in results)} events were compared")
    return 1 if found else 0


sys.exit(main(*sys.argv[1:]))
