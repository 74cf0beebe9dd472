# Troupe in gdb: names of actors and tags, and what lives in a process or in its core.
#
#   (gdb) source tools/gdb/troupe-gdb.py
#   (gdb) troupe workers
#   (gdb) troupe actors [CLASS]
#   (gdb) troupe mailbox 1:7.3
#   (gdb) print *$troupe_actor("1:7.3")
#
# A tr_ref is printed as worker:slot.generation, a tr_message with its tag's name. The library needs its debug
# information (-g); optimised code will do. Nothing is called in the process, so a core is as good.

import gdb
import gdb.printing
import struct

SLOT_BITS, WORKER_BITS = 24, 12
TAG_RESERVED = 0xFFFF0000
MESSAGES_SHOWN = 100

TAGS = {TAG_RESERVED + 1: "SPAWN_FAILED", TAG_RESERVED + 2: "DEAD_LETTER", TAG_RESERVED + 0x1FFF: "UNDELIVERED"}
OWN_TAGS = ("SPAWN", "STOP", "CHILD_GONE", "PROBE", "INSPECT", "WATCH", "UNWATCH", "LINK", "UNLINK", "LINK_DOWN",
            "NAME_NEWS")
FLAGS = ("ASKED", "CLOSED", "ENDING", "KILLED", "GONE", "UNBORN", "SLOW", "HOSTED")


# -- Names. --


def ref_text(ref):
    ref = int(ref)
    if ref == 0:
        return "none"
    slot = ref & ((1 << SLOT_BITS) - 1)
    worker = ref >> SLOT_BITS & ((1 << WORKER_BITS) - 1)
    return "%d:%d.%d" % (worker, slot, ref >> (SLOT_BITS + WORKER_BITS))


def ref_of_text(text):
    try:
        worker, rest = text.strip().strip('"').split(":")
        slot, generation = rest.split(".")
        return int(generation) << (SLOT_BITS + WORKER_BITS) | int(worker) << SLOT_BITS | int(slot)
    except ValueError:
        raise gdb.GdbError("not the name of an actor, such as 1:7.3: %s" % text)


def constant(name):
    try:
        return int(gdb.parse_and_eval(name))
    except gdb.error:
        return None


def tag_text(tag):
    tag = int(tag)
    if tag < TAG_RESERVED:
        return str(tag)
    if tag in TAGS:
        return TAGS[tag]
    for name in OWN_TAGS:
        if constant("TRI_TAG_" + name) == tag:
            return name
    return "RESERVED+0x%x" % (tag - TAG_RESERVED)


def string(pointer):
    if int(pointer) == 0:
        return None
    try:
        return pointer.string(errors="replace", length=128).split("\0")[0]
    except gdb.MemoryError:
        return "?"


def flags_text(flags):
    words = [name.lower() for name in FLAGS if int(flags) & (constant("TRI_ACTOR_" + name) or 0)]
    return ",".join(words) or "-"


# -- What there is. --


def runtimes():
    try:
        runtime = gdb.parse_and_eval("tri_runtimes")
    except gdb.error:
        raise gdb.GdbError("this program has no Troupe, or not with debug information")
    while int(runtime) != 0:
        yield runtime
        runtime = runtime["next"]


def workers():
    for runtime in runtimes():
        for i in range(int(runtime["count"])):
            yield runtime["workers"][i]


def home_of(worker):
    return worker["host"].cast(gdb.lookup_type("struct tri_actors").pointer())


def actors_of(worker):
    slots = home_of(worker)["slots"]
    made = int(slots["made"])
    size = gdb.lookup_type("struct tri_slot").sizeof
    type_of_actor = gdb.lookup_type("struct tr_actor").pointer()
    table = gdb.selected_inferior().read_memory(int(slots["table"]), made * size)
    pointers = struct.unpack("=" + "Q%dx" % (size - 8) * made, bytes(table))
    for pointer in pointers:
        if pointer != 0:
            yield gdb.Value(pointer).cast(type_of_actor)


def find_actor(ref):
    for worker in workers():
        if int(worker["index"]) != ref >> SLOT_BITS & ((1 << WORKER_BITS) - 1):
            continue
        for actor in actors_of(worker):
            if int(actor["ref"]) == ref:
                return actor
    raise gdb.GdbError("no actor of that name lives: %s" % ref_text(ref))


# -- Printers. --


class RefPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return ref_text(self.value)


class MessagePrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        kinds = {0: "bytes", 1: "slice", 2: "pointer"}
        kind = int(self.value["kind"]) & 0x0F  # the rest says what it is for
        payload = self.value["payload"]
        if kind == 0:
            size = int(self.value["size"])
            what = "%d bytes" % size + "".join(" %02x" % int(payload["bytes"][i]) for i in range(min(size, 32)))
        elif kind == 1:
            what = "slice of %d bytes" % int(payload["slice"]["size"])
        elif kind == 2:
            what = "pointer 0x%x" % int(payload["pointer"]["address"])
        else:
            what = "kind %d" % kind
        return "tag %s from %s, %s" % (tag_text(self.value["tag"]), ref_text(self.value["from"]), what)


def printer_of(value):
    name = value.type.unqualified().name
    if name == "tr_ref":
        return RefPrinter(value)
    if name in ("tr_message", "struct tr_message"):
        return MessagePrinter(value)
    return None


printer_of.name = "troupe"
printer_of.enabled = True


# -- Commands. --


class Troupe(gdb.Command):
    """What lives in Troupe's runtimes: troupe workers, troupe actors, troupe mailbox."""

    def __init__(self):
        super().__init__("troupe", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class Workers(gdb.Command):
    """All workers, and what each runs: troupe workers"""

    def __init__(self):
        super().__init__("troupe workers", gdb.COMMAND_DATA)

    def runs(self, worker):
        activity = worker["activity"]
        name = string(activity["name"])
        if name is not None:
            return "%s %s tag %s" % (name, ref_text(activity["actor"]), tag_text(activity["tag"]))
        return "loop" if int(activity["loop_beat"]) % 2 == 1 else "-"

    def invoke(self, argument, from_tty):
        print("%-6s %8s %8s %12s %12s  %s" % ("WORKER", "THREAD", "ACTORS", "SENT", "RECEIVED", "RUNS"))
        for worker in workers():
            counters = worker["counters"]
            alive = int(counters["spawned"]) - int(counters["ended"])
            print("%-6d %8d %8d %12d %12d  %s" % (int(worker["index"]), int(worker["thread_number"]), alive,
                                                  int(counters["sent"]), int(worker["activity"]["received"]),
                                                  self.runs(worker)))


class Actors(gdb.Command):
    """All actors, or those of a class: troupe actors [CLASS]"""

    def __init__(self):
        super().__init__("troupe actors", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        print("%-16s %-16s %8s %12s  %s" % ("ACTOR", "PARENT", "WAITING", "HANDLED", "CLASS  STATE"))
        for worker in workers():
            for actor in actors_of(worker):
                name = string(actor["behavior"]["name"])
                if wanted in ("", name):
                    print("%-16s %-16s %8d %12d  %s  %s" % (ref_text(actor["ref"]), ref_text(actor["parent"]),
                                                            int(actor["waiting"]), int(actor["handled"]), name,
                                                            flags_text(actor["flags"])))


class Mailbox(gdb.Command):
    """The messages that wait for an actor, the oldest first: troupe mailbox REF"""

    def __init__(self):
        super().__init__("troupe mailbox", gdb.COMMAND_DATA)

    # The last one's `next` is not set: last_next says which it is.
    def mail_in(self, mail_list):
        mail = mail_list["first"]
        if int(mail_list["last_next"]) == int(mail_list["first"].address):
            return
        while True:
            yield mail
            if int(mail["next"].address) == int(mail_list["last_next"]):
                return
            mail = mail["next"]

    def mail_of(self, actor):
        for mail in self.mail_in(actor["home"]["queue"]):
            if int(mail["actor"]) == int(actor):
                yield mail
        for mail in self.mail_in(actor["overflow"]):
            yield mail

    def invoke(self, argument, from_tty):
        actor = find_actor(ref_of_text(argument))
        print("%s (%s), %d messages" % (ref_text(actor["ref"]), string(actor["behavior"]["name"]),
                                        int(actor["waiting"])))
        for number, mail in enumerate(self.mail_of(actor)):
            if number == MESSAGES_SHOWN:
                print("...")
                break
            print("  " + MessagePrinter(mail["message"]).to_string())


class ActorFunction(gdb.Function):
    """The actor of a name: $troupe_actor("1:7.3")"""

    def __init__(self):
        super().__init__("troupe_actor")

    def invoke(self, text):
        return find_actor(ref_of_text(text.string()))


gdb.printing.register_pretty_printer(None, printer_of, replace=True)
Troupe()
Workers()
Actors()
Mailbox()
ActorFunction()
