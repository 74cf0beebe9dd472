# Troupe in gdb: names of actors and tags, and what lives in a process or in its core.
#
#   (gdb) source tools/gdb/troupe-gdb.py
#   (gdb) troupe workers
#   (gdb) troupe actors [CLASS]
#   (gdb) troupe mailbox 1:7.3
#   (gdb) print *$troupe_actor("1:7.3")
#
# A tr_ref is printed as worker:slot.generation, a tr_message with its tag's name. The library needs its debug
# information (-g); optimised code will do. Nothing is called in the process, so a core is as good: one of the kernel's,
# or of gdb's generate-core-file. The words for states and tags are the library's own enums, as far as these are enums.

import gdb
import gdb.printing
import struct

SLOT_BITS, WORKER_BITS = 24, 12
TAG_RESERVED = 0xFFFF0000
MESSAGES_SHOWN = 100

# Tags that are macros, which debug information does not know.
TAGS = {
    TAG_RESERVED + 1: "SPAWN_FAILED",
    TAG_RESERVED + 2: "DEAD_LETTER",
    TAG_RESERVED + 3: "DOWN",
    TAG_RESERVED + 4: "LINK_DOWN",
    TAG_RESERVED + 5: "UNANSWERED",
    TAG_RESERVED + 6: "RECEIVE_TIMEOUT",
    TAG_RESERVED + 0x10: "NAME",
    TAG_RESERVED + 0x20: "GROUP",
    TAG_RESERVED + 0x21: "GROUP_MEMBERS",
    TAG_RESERVED + 0x200: "SUPERVISOR",
    TAG_RESERVED + 0x201: "WARD_LIVES",
    TAG_RESERVED + 0x202: "WARD_ENDED",
    TAG_RESERVED + 0x203: "SUPERVISOR_REQUEST",
    TAG_RESERVED + 0x1FFE: "PUBLISHED",
    TAG_RESERVED + 0x1FFF: "UNDELIVERED",
}
# A member of each enum of tags, what the names begin with, and the tag of 0.
TAG_ENUMS = (("TRI_TAG_SPAWN", "TRI_TAG_", 0), ("TRI_TAG_BEFORE_NET", "TRI_TAG_", 0),
             ("TRI_TAG_BEFORE_PIPE", "TRI_TAG_", 0), ("TR_EVENT_CONNECTION", "TR_EVENT_", TAG_RESERVED + 0x2000))
UNSAID_FLAGS = ("LIMITED", "LOOK", "WARD", "MUTED", "AWAITED")  # or said in other words


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


def enumerators(member, prefix):
    """The names, without what they begin with, and values of the enum that has this member."""
    try:
        fields = gdb.parse_and_eval(member).type.fields()
    except gdb.error:
        return []
    return [(field.name[len(prefix):], field.enumval) for field in fields if field.name.startswith(prefix)]


def tag_text(tag):
    tag = int(tag)
    if tag < TAG_RESERVED:
        return str(tag)
    if tag in TAGS:
        return TAGS[tag]
    for member, prefix, base in TAG_ENUMS:
        for name, value in enumerators(member, prefix):
            if base + (value & 0xFFFFFFFF) == tag:
                return name
    return "RESERVED+0x%x" % (tag - TAG_RESERVED)


def string(pointer):
    if int(pointer) == 0:
        return None
    try:
        return pointer.string(errors="replace", length=128).split("\0")[0]
    except gdb.MemoryError:
        return "?"


def flags_of(actor):
    flags = int(actor["flags"])
    return {name for name, bit in enumerators("TRI_ACTOR_ASKED", "TRI_ACTOR_") if flags & bit}


def state_text(actor):
    flags = flags_of(actor)
    rests = {"GONE", "UNBORN"} <= flags
    words = [name.lower() for name in sorted(flags - set(UNSAID_FLAGS) - ({"GONE", "UNBORN"} if rests else set()))]
    extra = extra_of(actor)
    words += ["resting"] if rests else []
    words += ["supervised"] if "WARD" in flags else []
    words += ["mutes"] if "AWAITED" in flags else []
    if extra is not None and int(extra["mute"]["number"]) != 0:
        words.append("muted by " + ref_text(extra["mute"]["to"]))
    elif "MUTED" in flags:
        words.append("muted")
    return ",".join(words) or "-"


def names_text(actor):
    names, extra = [], extra_of(actor)
    held = extra["names"]["first"] if extra is not None else 0
    while int(held) != 0:
        text = held["name"]["text"].address.cast(gdb.lookup_type("char").pointer())
        names.append('"%s"' % string(text))
        held = held["next"]
    return "  " + " ".join(names) if names else ""


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


def extra_of(actor):
    """What few actors have; None."""
    first = actor["attachments"]
    if int(first) == 0 or int(first["end"]) != int(gdb.parse_and_eval("&tri_extra_end")):
        return None
    return first.cast(gdb.lookup_type("struct tri_extra").pointer())


def waits_for(actor):
    return actor["home"]["slots"]["waits"][int(actor["ref"]) & ((1 << SLOT_BITS) - 1)]


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
        kind = int(self.value["kind"]) & 0x07  # the rest says what it is for
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
        columns = "%-16s %-16s %-16s %8s %12s  %s"
        print(columns % ("ACTOR", "PARENT", "WAITS FOR", "WAITING", "HANDLED", "CLASS  STATE  NAMES"))
        for worker in workers():
            for actor in actors_of(worker):
                name = string(actor["behavior"]["name"])
                if wanted in ("", name):
                    words = "%s  %s%s" % (name, state_text(actor), names_text(actor))
                    print(columns % (ref_text(actor["ref"]), ref_text(actor["parent"]), ref_text(waits_for(actor)),
                                     int(actor["waiting"]), int(actor["handled"]), words))


class Mailbox(gdb.Command):
    """The messages that wait for an actor, the oldest first, and what it has set aside: troupe mailbox REF"""

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

    def aside_of(self, actor):
        extra = extra_of(actor)
        stash = extra["stash"] if extra is not None else 0
        for part in ("front", "aside") if int(stash) != 0 else ():
            yield from self.mail_in(stash[part])

    def show(self, mail_list):
        for number, mail in enumerate(mail_list):
            if number == MESSAGES_SHOWN:
                print("...")
                return
            print("  " + MessagePrinter(mail["message"]).to_string())

    def invoke(self, argument, from_tty):
        actor = find_actor(ref_of_text(argument))
        print("%s (%s), %d messages" % (ref_text(actor["ref"]), string(actor["behavior"]["name"]),
                                        int(actor["waiting"])))
        self.show(self.mail_of(actor))
        aside = list(self.aside_of(actor))
        if aside:
            print("set aside: %d messages" % len(aside))
            self.show(aside)


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
