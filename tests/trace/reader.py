"""A second reader of traces, written from docs/trace-format.md alone.

troupe-trace dump --json DIRECTORY | reader.py DIRECTORY

Reads the trace by itself, and compares each field of each event with what comes from troupe-trace: in each stream the
same events, in the same order. Ends with 1 at the first difference.
"""
import datetime
import itertools
import json
import os
import re
import struct
import sys

PACKET = struct.Struct("=I16sIQQQQQQI20x")
EVENT = struct.Struct("=QHHIQQ")
OUTSIDE = 65535
NO_NUMBERS = {("child", 2**32 - 1): "parent", ("cpu", 2**32 - 1): "none"}  # they stand for a word


def stream_name(number):
    return "outside" if number == OUTSIDE else number


def ref(value):
    return f"{value >> 24 & 0xfff}:{value & 0xffffff}.{value >> 36}" if value else None


def message(value):
    return f"{stream_name(value >> 48)}:{value & (1 << 48) - 1}"


def words(text):
    return {int(value): word for word, value in re.findall(r"(\w+) = (-?\d+)", text)}


class Trace:
    def __init__(self, directory, number, first=None):
        self.directory, self.number, self.first = directory, number, first or self
        with open(os.path.join(directory, "metadata"), encoding="ascii") as file:
            self.read_metadata(file.read())
        self.names, self.class_tags, self.streams = {}, {}, {}
        for file in sorted(os.listdir(directory), key=lambda name: (len(name), name)):
            if re.fullmatch(r"(worker-\d+|outside|names)\.\d+", file):
                self.read_packet(file)

    def read_metadata(self, text):
        assert text.startswith("/* CTF 1.8 */\n")
        number = lambda name: int(re.search(rf"^    {name} = (\d+);", text, re.M).group(1))
        self.frequency, self.offset_s, self.offset = number("freq"), number("offset_s"), number("offset")
        self.uuid = bytes.fromhex(re.search(r'^    uuid = "([-0-9a-f]+)"', text, re.M).group(1).replace("-", ""))
        found = re.search(r'^    cluster = "(\w+)";', text, re.M)
        self.cluster = found.group(1) if found else None
        self.statuses = words(re.search(r"^enum status : int32_t \{(.*?)\}", text, re.M).group(1))
        self.tags = {}
        for line in re.finditer(r"^enum tag_\d+ : uint32_t \{(.*?)\}", text, re.M):
            self.tags.update(words(line.group(1)))
        self.events = {}
        pattern = r'^event \{ name = "(\w+)"; id = (\d+); stream_id = 0; fields := struct \{ (.*) \}; \};'
        for line in re.finditer(pattern, text, re.M):
            fields = re.findall(r"(enum : uint\d+_t \{.*?\}|enum status|\w+) (\w+);", line.group(3))
            assert len(fields) == 4, line.group(0)
            self.events[int(line.group(2))] = (line.group(1), fields)

    def read_packet(self, file):
        with open(os.path.join(self.directory, file), "rb") as opened:
            data = opened.read()
        magic, uuid, kind, number, _, content, size, sequence, _, _ = PACKET.unpack_from(data)
        assert magic == 0xc1fc1fc1 and uuid == self.uuid and size == 8 * len(data)
        assert sequence == int(file.split(".")[1])
        end = content // 8
        if kind == 1:
            self.read_names(data, end)
        else:
            packets = self.streams.setdefault(number, {})
            packets[sequence] = [EVENT.unpack_from(data, at) for at in range(PACKET.size, end, EVENT.size)]

    def read_names(self, data, end):
        at = PACKET.size
        while at < end:
            kind, number = struct.unpack_from("=HI", data, at + 8)
            begin = at + 14 + 4 * kind
            stop = data.index(b"\0", begin)
            text = data[begin:stop].decode("utf-8", "replace")
            if kind == 0:
                self.names[number] = text
            else:
                self.class_tags[self.names[number], struct.unpack_from("=I", data, at + 14)[0]] = text
            at = (stop + 1 + 31) // 32 * 32

    def time(self, ticks):
        first = self.first  # whose clock all have, on one machine
        ns = first.offset_s * 10**9 + (first.offset + ticks) * 10**9 // first.frequency
        begin = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10**9)
        return f"{begin:%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09}Z"

    def within(self, name):
        return f"{self.number}/{name}" if self.number and name else name

    def field(self, kind, label, value):
        """What a field adds to the line."""
        if re.fullmatch(r"uint\d+_t", kind):
            word = NO_NUMBERS.get((label, value))
            if word is not None:
                return {label: value, label + "_name": word}
            return {} if label in ("flags", "arg", "actor", "message") else {label: value}
        if kind == "name_t":
            return {label: self.within(ref(value))}
        if kind == "message_t":
            return {label: self.within(message(value))}
        if kind == "parcel_t":
            return {label: f"p{value >> 48}:{value & (1 << 48) - 1}" if value else None}
        if kind == "number_of_name_t":
            return {label: self.names.get(value)}
        if kind == "enum status":
            value = struct.unpack("=i", struct.pack("=I", value & 0xffffffff))[0]
            word = self.statuses.get(value)
        else:
            word = self.tags.get(value) if kind in ("tag32_t", "tag64_t") else words(kind).get(value)
        return {label: value} if word is None else {label: value, label + "_name": word}

    def line(self, number, event):
        ticks, id, *values = event
        name, fields = self.events[id]
        line = {"time": self.time(ticks), "ticks": ticks, "worker": stream_name(number), "event": name,
                "actor": self.within(ref(values[2]))}
        if self.number:
            line["process"] = self.number
        for (kind, label), value in zip(fields, values):
            line.update(self.field(kind, label, value))
        line["flags"] = values[0]
        return line

    def lines(self):
        """By process and worker."""
        return {(self.number, stream_name(number)): [self.line(number, event) for packet in sorted(packets)
                                      for event in packets[packet]] for number, packets in self.streams.items()}


# What dump concludes from other events, by event; the class of an actor, of any.
CONCLUDED = {"send": ("to", "to_class"), "receive": ("from", "from_class"), "dead_letter": ("from", "from_class")}


def stored(trace, line):
    """A line of troupe-trace without that. The name of a tag is that of the class that receives it."""
    concluded = {key: line.pop(key, None) for key in ("class",) + CONCLUDED.get(line["event"], ())}
    receiver = concluded["to_class" if line["event"] == "send" else "class"]
    if (receiver, line.get("tag")) in trace.class_tags and line["tag"] not in trace.tags:
        assert line.pop("tag_name") == trace.class_tags[receiver, line["tag"]], line
    return line


def below(directory, first):
    """The traces of the other processes of a cluster."""
    numbers = sorted(int(name) for name in os.listdir(directory) if re.fullmatch(r"[1-9]\d{0,3}", name))
    traces = [Trace(os.path.join(directory, str(number)), number, first) for number in numbers]
    return [trace for trace in traces if first.cluster and trace.cluster == first.cluster]


first = Trace(sys.argv[1], None)
traces, ours, theirs = [first] + below(sys.argv[1], first), {}, {}
first.number = 1 if len(traces) > 1 else None
for trace in traces:
    ours.update(trace.lines())
by_number = {trace.number: trace for trace in traces}
for text in sys.stdin:
    line = json.loads(text)
    line = stored(by_number[line.get("process")], line)
    theirs.setdefault((line.get("process"), line["worker"]), []).append(line)
for stream in ours.keys() | theirs.keys():
    for a, b in itertools.zip_longest(ours.get(stream, []), theirs.get(stream, [])):
        if a != b:
            sys.exit(f"they differ:\n{json.dumps(a)}\n{json.dumps(b)}")
print(f"{sum(map(len, ours.values()))} events agree")
