"""Reads a file of Perfetto's, by the field numbers of its .proto files, and nothing else: perfetto.py FILE.

Prints for each event: track, name, flows that begin in it, flows that end in it. Ends with 1 at whatever the schema
does not allow.
"""
import sys

# Message: field -> (name, wire type, message within). From trace.proto, trace_packet.proto, track_event.proto,
# track_descriptor.proto and debug_annotation.proto of perfetto's protos/perfetto/trace.
SCHEMA = {
    "Trace": {1: ("packet", 2, "TracePacket")},
    "TracePacket": {8: ("timestamp", 0, None), 10: ("sequence", 0, None), 11: ("track_event", 2, "TrackEvent"),
                    13: ("flags", 0, None), 60: ("track_descriptor", 2, "TrackDescriptor")},
    "TrackDescriptor": {1: ("uuid", 0, None), 2: ("name", 2, str), 5: ("parent", 0, None)},
    "TrackEvent": {4: ("annotation", 2, "DebugAnnotation"), 9: ("type", 0, None), 11: ("track", 0, None),
                   23: ("name", 2, str), 47: ("flow", 1, None), 48: ("end", 1, None)},
    "DebugAnnotation": {3: ("uint", 0, None), 4: ("int", 0, None), 6: ("text", 2, str), 10: ("name", 2, str)},
}


def number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
        assert shift < 70, "a number is too long"


def message(data, kind):
    found, at = {}, 0
    while at < len(data):
        key, at = number(data, at)
        name, wire, within = SCHEMA[kind][key >> 3]
        assert key & 7 == wire, f"{kind}.{name} has the wire type {key & 7}"
        if wire == 0:
            value, at = number(data, at)
        elif wire == 1:
            value, at = int.from_bytes(data[at:at + 8], "little"), at + 8
        else:
            size, at = number(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size and at <= len(data), f"{kind}.{name} is cut off"
            value = value.decode("utf-8") if within is str else message(value, within)
        found.setdefault(name, []).append(value)
    return found


tracks = {}
for packet in message(open(sys.argv[1], "rb").read(), "Trace")["packet"]:
    assert packet["sequence"] == [1]
    if "track_descriptor" in packet:
        track = packet["track_descriptor"][0]
        assert track["uuid"][0] not in tracks and ("parent" not in track or track["parent"][0] in tracks)
        tracks[track["uuid"][0]] = track["name"][0]
    else:
        event = packet["track_event"][0]
        assert event["type"] == [3] and packet["timestamp"][0] > 0
        print(tracks[event["track"][0]], event["name"][0], event.get("flow", []), event.get("end", []), sep=", ")
