#include "scenario.h"

#include "action.h"

#include <stdlib.h>
#include <string.h>

#define BIT(n) (1u << (n))

const char *const transport_names[TRANSPORTS] = {"tcp4", "tcp6", "unix"};

const char *const event_names[EVENTS] = {
    [EVENT_LISTENING] = "listening", [EVENT_CONNECTION] = "connection",
    [EVENT_ERROR] = "error",         [EVENT_CLOSE] = "close",
    [EVENT_ACCEPTED] = "accepted",   [EVENT_WRAPPED] = "wrapped",
    [EVENT_LOOKUP] = "lookup",       [EVENT_CONNECT] = "connect",
    [EVENT_READY] = "ready",         [EVENT_END] = "end",
    [EVENT_TIMEOUT] = "timeout",     [EVENT_DRAIN] = "drain",
    [EVENT_DATA] = "data",
};

#define SERVER_EVENTS (BIT(EVENT_LISTENING) | BIT(EVENT_CONNECTION) | BIT(EVENT_ERROR) | BIT(EVENT_CLOSE))
#define SOCKET_EVENTS (~(BIT(EVENT_LISTENING) | BIT(EVENT_CONNECTION)))

const char *const abilities[] = {"reset", "fd", "ipv6", "lookup-function", "loop", NULL};

bool
is_pattern(const char *name)
{
    size_t length = strlen(name);
    return length >= 2 && strcmp(name + length - 2, "#*") == 0;
}

bool
name_matches(const char *pattern, const char *name)
{
    if (!is_pattern(pattern))
        return strcmp(pattern, name) == 0;
    size_t stem = strlen(pattern) - 1;
    return strncmp(pattern, name, stem) == 0 && name[stem] != '\0' &&
           strspn(name + stem, "0123456789") == strlen(name + stem);
}

/* Lists of words. */

static bool
read_transports(struct reader *reader, json_t *value, void *out)
{
    struct scenario *scenario = out;
    if (!reader_expect(reader, value, JSON_ARRAY))
        return false;
    if (json_array_size(value) < 1 || json_array_size(value) > TRANSPORTS)
        return reader_refuse(reader, "one, two or three transports are expected");
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned transport;
        if (!read_word(reader, json_array_get(value, i), transport_names, TRANSPORTS, &transport))
            return false;
        for (size_t k = 0; k < i; k++)
            if (scenario->transports[k] == (enum transport)transport)
                return reader_refuse(reader, "%s stands there twice", transport_names[transport]);
        scenario->transports[scenario->transport_count++] = (enum transport)transport;
    }
    return true;
}

static bool
read_ignored(struct reader *reader, json_t *value, void *out)
{
    struct scenario *scenario = out;
    if (!reader_expect(reader, value, JSON_ARRAY))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned event;
        if (!read_word(reader, json_array_get(value, i), event_names, EVENTS, &event))
            return false;
        scenario->ignored |= BIT(event);
    }
    return true;
}

/* An ability that nobody has heard of is no mistake: a runner without it may skip the scenario. */
static bool
read_requires(struct reader *reader, json_t *value, void *out)
{
    struct scenario *scenario = out;
    if (!reader_expect(reader, value, JSON_ARRAY))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name;
        if (!read_string(reader, json_array_get(value, i), &name))
            return false;
        const char *const *ability = abilities;
        while (*ability != NULL && strcmp(*ability, name) != 0)
            ability++;
        if (*ability == NULL)
            scenario->needs = name;
        scenario->needs_ipv6 |= strcmp(name, "ipv6") == 0;
    }
    return true;
}

/* Endpoints and addresses. */

typedef bool (*read_entry)(struct reader *reader, const char *name, json_t *value, void *out);

/* Reads the members of an object into an array of structs of that size. */
static bool
read_table(struct reader *reader, json_t *value, read_entry read, size_t size, void *array, size_t *count)
{
    const char *name;
    json_t *entry;
    if (!reader_expect(reader, value, JSON_OBJECT))
        return false;
    char *entries = calloc(json_object_size(value) + 1, size);
    if (entries == NULL)
        return reader_refuse(reader, "no memory");
    *(void **)array = entries;
    json_object_foreach(value, name, entry)
    {
        size_t before = reader_enter(reader, ".%s", name);
        if (!read(reader, name, entry, entries + size * *count))
            return false;
        ++*count;
        reader_leave(reader, before);
    }
    return true;
}

static bool
read_server(struct reader *reader, const char *name, json_t *value, void *out)
{
    static const struct field fields[] = {
        {"allowHalfOpen", read_flag, offsetof(struct server_setup, allow_half_open), 0},
        {"pauseOnConnect", read_flag, offsetof(struct server_setup, pause_on_connect), 0},
        {"noData", read_flag, offsetof(struct server_setup, no_data), 0},
        {"maxConnections", read_number, offsetof(struct server_setup, max_connections), 0},
        {0},
    };
    ((struct server_setup *)out)->name = name;
    return read_members(reader, value, fields, 0, out);
}

static bool
read_count(struct reader *reader, json_t *value, void *out)
{
    struct client_setup *client = out;
    client->has_count = true;
    return read_number(reader, value, &client->count);
}

static bool
read_client(struct reader *reader, const char *name, json_t *value, void *out)
{
    static const struct field fields[] = {
        {"allowHalfOpen", read_flag, offsetof(struct client_setup, allow_half_open), 0},
        {"noData", read_flag, offsetof(struct client_setup, no_data), 0},
        {"count", read_count, 0, 0},
        {0},
    };
    ((struct client_setup *)out)->name = name;
    return read_members(reader, value, fields, 0, out);
}

static bool
read_address_kind(struct reader *reader, json_t *value, void *out)
{
    static const char *const kinds[] = {"free", "missing-dir", "long"};
    unsigned kind;
    if (!read_word(reader, value, kinds, 3, &kind))
        return false;
    *(enum address_kind *)out = (enum address_kind)(kind + ADDRESS_FREE);
    return true;
}

static bool
read_address(struct reader *reader, const char *name, json_t *value, void *out)
{
    static const struct field fields[] = {
        {"kind", read_address_kind, offsetof(struct address_setup, kind), 0},
        {"bytes", read_number, offsetof(struct address_setup, bytes), 0},
        {0},
    };
    struct address_setup *address = out;
    address->name = name;
    if (!read_members(reader, value, fields, 0, out))
        return false;
    if ((address->kind == ADDRESS_LONG) != (address->bytes != 0) || address->bytes > 4096)
        return reader_refuse(reader, "\"bytes\", up to 4096, belongs to the kind \"long\"");
    return true;
}

static bool
read_servers(struct reader *reader, json_t *value, void *out)
{
    struct scenario *scenario = out;
    return read_table(reader, value, read_server, sizeof(struct server_setup), &scenario->servers,
                      &scenario->server_count);
}

static bool
read_clients(struct reader *reader, json_t *value, void *out)
{
    struct scenario *scenario = out;
    return read_table(reader, value, read_client, sizeof(struct client_setup), &scenario->clients,
                      &scenario->client_count);
}

static bool
read_addresses(struct reader *reader, json_t *value, void *out)
{
    struct scenario *scenario = out;
    return read_table(reader, value, read_address, sizeof(struct address_setup), &scenario->addresses,
                      &scenario->address_count);
}

/* Rules. */

static bool
read_event(struct reader *reader, json_t *value, void *out)
{
    unsigned event;
    if (!read_word(reader, value, event_names, EVENTS, &event))
        return false;
    *(enum event *)out = (enum event)event;
    return true;
}

static bool
set_when(struct reader *reader, json_t *value, struct rule *rule, enum when when)
{
    unsigned n;
    if (rule->n != 0)
        return reader_refuse(reader, "a rule has at most one of nth, every, total and bytes");
    if (!read_number(reader, value, &n))
        return false;
    if (n == 0)
        return reader_refuse(reader, "a number from 1 on is expected");
    rule->when = when;
    rule->n = n;
    return true;
}

static bool
read_nth(struct reader *reader, json_t *value, void *out)
{
    return set_when(reader, value, out, WHEN_NTH);
}

static bool
read_total(struct reader *reader, json_t *value, void *out)
{
    return set_when(reader, value, out, WHEN_TOTAL);
}

static bool
read_bytes(struct reader *reader, json_t *value, void *out)
{
    return set_when(reader, value, out, WHEN_BYTES);
}

static bool
read_every(struct reader *reader, json_t *value, void *out)
{
    struct rule *rule = out;
    bool every;
    if (!read_flag(reader, value, &every))
        return false;
    if (every && rule->n != 0)
        return reader_refuse(reader, "a rule has at most one of nth, every, total and bytes");
    if (every) {
        rule->when = WHEN_EVERY;
        rule->n = 1;
    }
    return true;
}

static bool
read_rule(struct reader *reader, json_t *value, const struct scenario *scenario, struct rule *rule)
{
    static const struct field fields[] = {
        {"on", read_event, offsetof(struct rule, on), 0},
        {"of", read_string, offsetof(struct rule, of), 0},
        {"nth", read_nth, 0, 0},
        {"every", read_every, 0, 0},
        {"total", read_total, 0, 0},
        {"bytes", read_bytes, 0, 0},
        {"do", read_for_people, 0, 0}, /* read last: it depends on the others */
        {0},
    };
    if (!read_members(reader, value, fields, 0, rule))
        return false;
    if (json_object_get(value, "on") == NULL || rule->of == NULL || json_object_get(value, "do") == NULL)
        return reader_refuse(reader, "a rule needs \"on\", \"of\" and \"do\"");
    enum self self = scenario_resolve(scenario, rule->of);
    if (self == SELF_NONE)
        return reader_refuse(reader, "there is no endpoint \"%s\"", rule->of);
    if ((BIT(rule->on) & (self == SELF_SERVER ? SERVER_EVENTS : SOCKET_EVENTS)) == 0)
        return reader_refuse(reader, "\"%s\" has no event \"%s\"", rule->of, event_names[rule->on]);
    if (rule->when == WHEN_BYTES && rule->on != EVENT_DATA)
        return reader_refuse(reader, "\"bytes\" is for rules on data");
    if (rule->n == 0)
        rule->n = 1;
    reader_enter(reader, ".do");
    return action_list_read(reader, json_object_get(value, "do"), scenario, self, rule->on == EVENT_DATA, &rule->list);
}

static bool
read_rules(struct reader *reader, json_t *value, struct scenario *scenario)
{
    if (!reader_expect(reader, value, JSON_ARRAY))
        return false;
    scenario->rules = calloc(json_array_size(value) + 1, sizeof(struct rule));
    if (scenario->rules == NULL)
        return reader_refuse(reader, "no memory");
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t before = reader_enter(reader, "[%zu]", i);
        scenario->rule_count++;
        if (!read_rule(reader, json_array_get(value, i), scenario, &scenario->rules[i]))
            return false;
        reader_leave(reader, before);
    }
    return true;
}

/* The whole. */

static const struct field top_fields[] = {
    {"name", read_string, offsetof(struct scenario, name), 0},
    {"topic", read_for_people, 0, 0},
    {"docs", read_for_people, 0, 0},
    {"eras", read_for_people, 0, 0},
    {"note", read_for_people, 0, 0},
    {"level", read_for_people, 0, 0},
    {"requires", read_requires, 0, 0},
    {"transports", read_transports, 0, 0},
    {"servers", read_servers, 0, 0},
    {"clients", read_clients, 0, 0},
    {"addresses", read_addresses, 0, 0},
    {"start", read_for_people, 0, 0}, /* read last: they depend on the others */
    {"rules", read_for_people, 0, 0},
    {"ignore", read_ignored, 0, 0},
    {"quiet", read_number, offsetof(struct scenario, quiet_ms), 0},
    {"loop", read_flag, offsetof(struct scenario, loop), 0},
    {0},
};

static bool
read_scenario(struct reader *reader, json_t *root, struct scenario *scenario)
{
    if (!read_members(reader, root, top_fields, 0, scenario))
        return false;
    if (scenario->name == NULL || scenario->transport_count == 0 || json_object_get(root, "start") == NULL ||
        json_object_get(root, "rules") == NULL)
        return reader_refuse(reader, "a scenario needs \"name\", \"transports\", \"start\" and \"rules\"");
    size_t before = reader_enter(reader, "start");
    if (!action_list_read(reader, json_object_get(root, "start"), scenario, SELF_NONE, false, &scenario->start))
        return false;
    reader_leave(reader, before);
    reader_enter(reader, "rules");
    return read_rules(reader, json_object_get(root, "rules"), scenario);
}

#define QUIET_MS 300u

struct scenario *
scenario_load(const char *file, char *complaint, size_t size)
{
    struct reader reader = {.file = file, .complaint = complaint, .size = size};
    json_error_t error;
    struct scenario *scenario = calloc(1, sizeof(*scenario));
    if (scenario == NULL) {
        reader_refuse(&reader, "no memory");
        return NULL;
    }
    scenario->quiet_ms = QUIET_MS;
    scenario->file = strdup(file);
    scenario->root = json_load_file(file, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    bool is_sound = false;
    if (scenario->root == NULL && error.line > 0)
        reader_refuse(&reader, "line %d, column %d: %s", error.line, error.column, error.text);
    else if (scenario->root == NULL)
        reader_refuse(&reader, "%s", error.text);
    else
        is_sound = read_scenario(&reader, scenario->root, scenario);
    if (is_sound)
        return scenario;
    scenario_free(scenario);
    return NULL;
}

void
scenario_free(struct scenario *scenario)
{
    if (scenario == NULL)
        return;
    action_list_free(&scenario->start);
    for (size_t i = 0; i < scenario->rule_count; i++)
        action_list_free(&scenario->rules[i].list);
    free(scenario->rules);
    free(scenario->servers);
    free(scenario->clients);
    free(scenario->addresses);
    free(scenario->file);
    json_decref(scenario->root);
    free(scenario);
}
