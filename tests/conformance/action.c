/*
 * Which action takes which fields is the table below, section 6 of FORMAT.md in rows. What a row does not say is
 * checked after an action was read: what it cannot do without, and whether it suits its endpoint.
 */
#include "action.h"

#include <stdlib.h>
#include <string.h>

#define BIT(act) (1u << (act))

#define FOR_SERVERS (BIT(ACT_LISTEN) | BIT(ACT_CLOSE) | BIT(ACT_GET_CONNECTIONS) | BIT(ACT_SET_MAX_CONNECTIONS))
#define FOR_ALL                                                                                                        \
    (BIT(ACT_SLEEP) | BIT(ACT_NOTE) | BIT(ACT_GET) | BIT(ACT_REF) | BIT(ACT_UNREF) | BIT(ACT_STAT) | BIT(ACT_FILE))
#define WITHOUT_ENDPOINT (BIT(ACT_SLEEP) | BIT(ACT_FILE))
#define WITH_DATA (BIT(ACT_WRITE) | BIT(ACT_END))

#define PAYLOAD_LIMIT ((json_int_t)1 << 30)

const char *const act_names[ACTS] = {
    [ACT_SLEEP] = "sleep",
    [ACT_NOTE] = "note",
    [ACT_GET] = "get",
    [ACT_REF] = "ref",
    [ACT_UNREF] = "unref",
    [ACT_STAT] = "stat",
    [ACT_FILE] = "file",
    [ACT_LISTEN] = "listen",
    [ACT_CLOSE] = "close",
    [ACT_GET_CONNECTIONS] = "getConnections",
    [ACT_SET_MAX_CONNECTIONS] = "setMaxConnections",
    [ACT_CONNECT] = "connect",
    [ACT_WRAP] = "wrap",
    [ACT_WRITE] = "write",
    [ACT_ECHO] = "echo",
    [ACT_END] = "end",
    [ACT_DESTROY] = "destroy",
    [ACT_RESET] = "reset",
    [ACT_PAUSE] = "pause",
    [ACT_RESUME] = "resume",
    [ACT_SET_TIMEOUT] = "setTimeout",
    [ACT_SET_NO_DELAY] = "setNoDelay",
    [ACT_SET_KEEP_ALIVE] = "setKeepAlive",
    [ACT_SET_ENCODING] = "setEncoding",
};

const char *const property_names[PROPS] = {
    [PROP_LISTENING] = "listening",          [PROP_ADDRESS] = "address",
    [PROP_CONNECTING] = "connecting",        [PROP_PENDING] = "pending",
    [PROP_DESTROYED] = "destroyed",          [PROP_READY_STATE] = "readyState",
    [PROP_BYTES_READ] = "bytesRead",         [PROP_BYTES_WRITTEN] = "bytesWritten",
    [PROP_BUFFER_SIZE] = "bufferSize",       [PROP_BUFFERING] = "buffering",
    [PROP_REMOTE_ADDRESS] = "remoteAddress", [PROP_REMOTE_FAMILY] = "remoteFamily",
    [PROP_REMOTE_PORT] = "remotePort",       [PROP_LOCAL_ADDRESS] = "localAddress",
    [PROP_LOCAL_PORT] = "localPort",
};

/* Data. */

static bool
own(struct reader *reader, struct payload *payload, size_t size)
{
    payload->owned = malloc(size + 1); /* never none, so that there is always a pointer */
    if (payload->owned == NULL)
        return reader_refuse(reader, "no memory for %zu bytes", size);
    payload->content = (struct text){payload->owned, size};
    return true;
}

/* An action may have one of the fields of DATA. */
static bool
give(struct reader *reader, struct payload *payload, bool is_text)
{
    if (payload->given)
        return reader_refuse(reader, "there is other data already");
    payload->given = true;
    payload->is_text = is_text;
    return true;
}

/* Of a note it is the text to log. */
static bool
read_text(struct reader *reader, json_t *value, void *out)
{
    struct action *action = out;
    if (!reader_expect(reader, value, JSON_STRING))
        return false;
    struct text text = {json_string_value(value), json_string_length(value)};
    if (action->act == ACT_NOTE)
        action->note = text;
    else if (give(reader, &action->payload, true))
        action->payload.content = text;
    else
        return false;
    return true;
}

static int
digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
read_hex(struct reader *reader, json_t *value, void *out)
{
    struct payload *payload = out;
    if (!reader_expect(reader, value, JSON_STRING) || !give(reader, payload, false))
        return false;
    const char *digits = json_string_value(value);
    size_t size = json_string_length(value) / 2;
    if (json_string_length(value) % 2 != 0)
        return reader_refuse(reader, "an even number of hex digits is expected");
    if (!own(reader, payload, size))
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = digit(digits[2 * i]), low = digit(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return reader_refuse(reader, "\"%s\" is not hex", digits);
        payload->owned[i] = (char)(high << 4 | low);
    }
    return true;
}

static bool
read_repeat(struct reader *reader, json_t *value, void *out)
{
    struct payload *payload = out;
    const char *text;
    size_t length;
    json_int_t count;
    if (json_unpack(value, "{s:s%,s:I!}", "text", &text, &length, "count", &count) != 0 || count < 0 ||
        count > PAYLOAD_LIMIT || (length > 0 && count > PAYLOAD_LIMIT / (json_int_t)length))
        return reader_refuse(reader, "{\"text\": string, \"count\": number} is expected");
    if (!give(reader, payload, true) || !own(reader, payload, length * (size_t)count))
        return false;
    for (json_int_t i = 0; i < count; i++)
        memcpy(payload->owned + length * (size_t)i, text, length);
    return true;
}

static bool
read_pattern(struct reader *reader, json_t *value, void *out)
{
    struct payload *payload = out;
    json_int_t size, seed;
    if (json_unpack(value, "{s:I,s:I!}", "size", &size, "seed", &seed) != 0 || size < 0 || size > PAYLOAD_LIMIT)
        return reader_refuse(reader, "{\"size\": number, \"seed\": number} is expected");
    if (!give(reader, payload, false) || !own(reader, payload, (size_t)size))
        return false;
    for (json_int_t i = 0; i < size; i++)
        payload->owned[i] = (char)((seed + 7 * i + 13 * (i >> 8) + 101 * (i >> 16)) & 255);
    return true;
}

/* Fields of one action or few. */

static bool
read_encoding(struct reader *reader, json_t *value, void *out)
{
    const char *name;
    if (!read_string(reader, value, &name))
        return false;
    if (tr_encoding_by_name(name, out) != TR_OK)
        return reader_refuse(reader, "\"%s\" is no encoding", name);
    return true;
}

static bool
read_host(struct reader *reader, json_t *value, void *out)
{
    struct action *action = out;
    action->host_is = json_is_null(value) ? HOST_NONE : HOST_GIVEN;
    return json_is_null(value) || read_string(reader, value, &action->host);
}

static bool
read_timeout(struct reader *reader, json_t *value, void *out)
{
    struct action *action = out;
    action->has_timeout = true;
    return read_time(reader, value, &action->ms);
}

static bool
read_on(struct reader *reader, json_t *value, void *out)
{
    struct action *action = out;
    action->has_on = true;
    return read_flag(reader, value, &action->on);
}

static bool
read_side(struct reader *reader, json_t *value, void *out)
{
    bool side;
    if (!read_flag(reader, value, &side))
        return false;
    *(bool *)out = !side;
    return true;
}

static bool
read_family(struct reader *reader, json_t *value, void *out)
{
    if (!read_number(reader, value, out))
        return false;
    unsigned family = *(unsigned *)out;
    return family == 0 || family == 4 || family == 6 || reader_refuse(reader, "4 or 6 is expected");
}

static bool
read_lookup(struct reader *reader, json_t *value, void *out)
{
    static const struct field fields[] = {
        {"address", read_string, offsetof(struct action, lookup_address), 0},
        {"family", read_family, offsetof(struct action, lookup_family), 0},
        {"error", read_string, offsetof(struct action, lookup_error), 0},
        {0},
    };
    struct action *action = out;
    action->has_lookup = true;
    if (!read_members(reader, value, fields, 0, action))
        return false;
    if ((action->lookup_address != NULL) == (action->lookup_error != NULL))
        return reader_refuse(reader, "either an address or an error is expected");
    return true;
}

static bool
read_properties(struct reader *reader, json_t *value, void *out)
{
    struct action *action = out;
    if (!reader_expect(reader, value, JSON_ARRAY))
        return false;
    action->properties = calloc(json_array_size(value) + 1, sizeof(*action->properties));
    if (action->properties == NULL)
        return reader_refuse(reader, "no memory");
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned property;
        if (!read_word(reader, json_array_get(value, i), property_names, PROPS, &property))
            return false;
        action->properties[action->property_count++] = (enum property)property;
    }
    return true;
}

static bool
read_file_kind(struct reader *reader, json_t *value, void *out)
{
    static const char *const kinds[] = {"stale-socket", "regular", "remove"};
    unsigned kind;
    if (!read_word(reader, value, kinds, 3, &kind))
        return false;
    *(enum file_kind *)out = (enum file_kind)kind;
    return true;
}

#define WHOLE 0 /* functions that take the whole action */
#define AT(member) offsetof(struct action, member)

static const struct field fields[] = {
    {"act", read_for_people, WHOLE, 0}, /* read before all others */
    {"of", read_string, AT(of), 0},
    {"cb", read_string, AT(cb), BIT(ACT_LISTEN) | BIT(ACT_CLOSE) | BIT(ACT_CONNECT) | WITH_DATA | BIT(ACT_SET_TIMEOUT)},
    {"ms", read_time, AT(ms), BIT(ACT_SLEEP) | BIT(ACT_SET_TIMEOUT)},
    {"text", read_text, WHOLE, BIT(ACT_NOTE) | WITH_DATA},
    {"props", read_properties, WHOLE, BIT(ACT_GET)},
    {"at", read_string, AT(at), BIT(ACT_STAT) | BIT(ACT_FILE) | BIT(ACT_LISTEN)},
    {"kind", read_file_kind, AT(file_kind), BIT(ACT_FILE)},
    {"host", read_host, WHOLE, BIT(ACT_LISTEN) | BIT(ACT_CONNECT)},
    {"nothing", read_flag, AT(nothing), BIT(ACT_LISTEN) | BIT(ACT_CONNECT)},
    {"backlog", read_number, AT(backlog), BIT(ACT_LISTEN)},
    {"exclusive", read_flag, AT(exclusive), BIT(ACT_LISTEN)},
    {"readableAll", read_flag, AT(readable_all), BIT(ACT_LISTEN)},
    {"writableAll", read_flag, AT(writable_all), BIT(ACT_LISTEN)},
    {"fd", read_flag, AT(from_fd), BIT(ACT_LISTEN)},
    {"handle", read_string, AT(handle), BIT(ACT_LISTEN)},
    {"value", read_number, AT(value), BIT(ACT_SET_MAX_CONNECTIONS)},
    {"to", read_string, AT(to), BIT(ACT_CONNECT) | BIT(ACT_WRAP)},
    {"family", read_family, AT(family), BIT(ACT_CONNECT)},
    {"localAddress", read_string, AT(local_address), BIT(ACT_CONNECT)},
    {"localPort", read_string, AT(local_port), BIT(ACT_CONNECT)},
    {"timeout", read_timeout, WHOLE, BIT(ACT_CONNECT)},
    {"lookup", read_lookup, WHOLE, BIT(ACT_CONNECT)},
    {"readable", read_side, AT(not_readable), BIT(ACT_WRAP)},
    {"writable", read_side, AT(not_writable), BIT(ACT_WRAP)},
    {"hex", read_hex, AT(payload), WITH_DATA},
    {"repeat", read_repeat, AT(payload), WITH_DATA},
    {"pattern", read_pattern, AT(payload), WITH_DATA},
    {"encoding", read_encoding, AT(encoding), WITH_DATA | BIT(ACT_SET_ENCODING)},
    {"ret", read_flag, AT(ret), BIT(ACT_WRITE)},
    {"times", read_number, AT(times), BIT(ACT_WRITE)},
    {"error", read_string, AT(error), BIT(ACT_DESTROY)},
    {"on", read_on, WHOLE, BIT(ACT_SET_NO_DELAY) | BIT(ACT_SET_KEEP_ALIVE)},
    {"delay", read_time, AT(ms), BIT(ACT_SET_KEEP_ALIVE)},
    {0},
};

/* What an action cannot do without. */
static const struct {
    enum act act;
    const char *field;
} needed[] = {
    {ACT_SLEEP, "ms"},
    {ACT_NOTE, "text"},
    {ACT_GET, "props"},
    {ACT_STAT, "at"},
    {ACT_FILE, "at"},
    {ACT_FILE, "kind"},
    {ACT_SET_TIMEOUT, "ms"},
    {ACT_SET_MAX_CONNECTIONS, "value"},
    {ACT_SET_ENCODING, "encoding"},
};

static bool
has_number(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

static bool
is_client(const struct client_setup *client, const char *name)
{
    size_t length = strlen(client->name);
    if (!client->has_count)
        return strcmp(client->name, name) == 0;
    if (strncmp(client->name, name, length) != 0 || name[length] != '#')
        return false;
    const char *rest = name + length + 1;
    if (strcmp(rest, "*") == 0)
        return true;
    unsigned long number = has_number(rest) ? strtoul(rest, NULL, 10) : 0;
    return number >= 1 && number <= client->count;
}

enum self
scenario_resolve(const struct scenario *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->client_count; i++)
        if (is_client(&scenario->clients[i], name))
            return SELF_SOCKET;
    for (size_t i = 0; i < scenario->server_count; i++) {
        const char *server = scenario->servers[i].name;
        size_t length = strlen(server);
        if (strcmp(server, name) == 0)
            return SELF_SERVER;
        if (strncmp(server, name, length) != 0 || name[length] != '#')
            continue;
        if (strcmp(name + length, "#*") == 0 || has_number(name + length + 1))
            return SELF_SOCKET;
    }
    return SELF_NONE;
}

static bool
suits(const struct action *action, enum self self)
{
    unsigned bit = BIT(action->act);
    if ((bit & FOR_ALL) != 0)
        return self != SELF_NONE || (bit & WITHOUT_ENDPOINT) != 0;
    return self == ((bit & FOR_SERVERS) != 0 ? SELF_SERVER : SELF_SOCKET);
}

static bool
check_action(struct reader *reader, json_t *value, const struct scenario *scenario, enum self self, bool on_data,
             const struct action *action)
{
    const char *name = act_names[action->act];
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (needed[i].act == action->act && json_object_get(value, needed[i].field) == NULL)
            return reader_refuse(reader, "%s needs \"%s\"", name, needed[i].field);
    if (action->of != NULL && (self = scenario_resolve(scenario, action->of)) == SELF_NONE)
        return reader_refuse(reader, "there is no endpoint \"%s\"", action->of);
    if (!suits(action, self))
        return reader_refuse(reader, "%s has no endpoint that it suits", name);
    if (action->act == ACT_WRITE && !action->payload.given)
        return reader_refuse(reader, "write needs data");
    if (action->act == ACT_ECHO && !on_data)
        return reader_refuse(reader, "echo is for rules on data");
    if (action->handle != NULL && scenario_resolve(scenario, action->handle) != SELF_SERVER)
        return reader_refuse(reader, "\"%s\" is no server", action->handle);
    for (size_t i = 0; action->act == ACT_FILE && i < scenario->transport_count; i++)
        if (scenario->transports[i] != UNIX)
            return reader_refuse(reader, "file is for the transport unix");
    return true;
}

static bool
read_action(struct reader *reader, json_t *value, const struct scenario *scenario, enum self self, bool on_data,
            struct action *out)
{
    unsigned act;
    if (!reader_expect(reader, value, JSON_OBJECT))
        return false;
    if (json_object_get(value, "act") == NULL)
        return reader_refuse(reader, "\"act\" is missing");
    size_t before = reader_enter(reader, ".act");
    if (!read_word(reader, json_object_get(value, "act"), act_names, ACTS, &act))
        return false;
    reader_leave(reader, before);
    out->act = (enum act)act;
    out->times = 1;
    return read_members(reader, value, fields, BIT(act), out) &&
           check_action(reader, value, scenario, self, on_data, out);
}

bool
action_list_read(struct reader *reader, json_t *value, const struct scenario *scenario, enum self self, bool on_data,
                 struct action_list *out)
{
    if (!reader_expect(reader, value, JSON_ARRAY))
        return false;
    out->actions = calloc(json_array_size(value) + 1, sizeof(struct action));
    if (out->actions == NULL)
        return reader_refuse(reader, "no memory");
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t before = reader_enter(reader, "[%zu]", i);
        out->count++; /* also if it is refused: what was read of it is freed */
        if (!read_action(reader, json_array_get(value, i), scenario, self, on_data, &out->actions[i]))
            return false;
        reader_leave(reader, before);
    }
    return true;
}

void
action_list_free(struct action_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->actions[i].payload.owned);
        free(list->actions[i].properties);
    }
    free(list->actions);
    *list = (struct action_list){0};
}
