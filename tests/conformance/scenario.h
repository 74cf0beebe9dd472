/*
 * A scenario, read from its file and checked completely before anything is played. FORMAT.md says what the words mean.
 *
 * Strings belong to the JSON of the file, which lives as long as the scenario. Nothing here changes once it is read, so
 * plays on any thread share it.
 */
#ifndef CONFORMANCE_SCENARIO_H
#define CONFORMANCE_SCENARIO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/net/encoding.h>

enum transport { TCP4, TCP6, UNIX, TRANSPORTS };

extern const char *const transport_names[TRANSPORTS];

enum event {
    EVENT_LISTENING,
    EVENT_CONNECTION,
    EVENT_ERROR,
    EVENT_CLOSE,
    EVENT_ACCEPTED,
    EVENT_WRAPPED,
    EVENT_LOOKUP,
    EVENT_CONNECT,
    EVENT_READY,
    EVENT_END,
    EVENT_TIMEOUT,
    EVENT_DRAIN,
    EVENT_DATA,
    EVENTS,
};

extern const char *const event_names[EVENTS];

enum act {
    ACT_SLEEP,
    ACT_NOTE,
    ACT_GET,
    ACT_REF,
    ACT_UNREF,
    ACT_STAT,
    ACT_FILE,
    ACT_LISTEN,
    ACT_CLOSE,
    ACT_GET_CONNECTIONS,
    ACT_SET_MAX_CONNECTIONS,
    ACT_CONNECT,
    ACT_WRAP,
    ACT_WRITE,
    ACT_ECHO,
    ACT_END,
    ACT_DESTROY,
    ACT_RESET,
    ACT_PAUSE,
    ACT_RESUME,
    ACT_SET_TIMEOUT,
    ACT_SET_NO_DELAY,
    ACT_SET_KEEP_ALIVE,
    ACT_SET_ENCODING,
    ACTS,
};

extern const char *const act_names[ACTS];

enum property {
    PROP_LISTENING,
    PROP_ADDRESS,
    PROP_CONNECTING,
    PROP_PENDING,
    PROP_DESTROYED,
    PROP_READY_STATE,
    PROP_BYTES_READ,
    PROP_BYTES_WRITTEN,
    PROP_BUFFER_SIZE,
    PROP_BUFFERING,
    PROP_REMOTE_ADDRESS,
    PROP_REMOTE_FAMILY,
    PROP_REMOTE_PORT,
    PROP_LOCAL_ADDRESS,
    PROP_LOCAL_PORT,
    PROPS,
};

extern const char *const property_names[PROPS];

enum file_kind { FILE_STALE_SOCKET, FILE_REGULAR, FILE_REMOVE };

struct text {
    const char *data; /* NULL: none */
    size_t size;
};

/* What an action writes. */
struct payload {
    bool given;
    bool is_text; /* of UTF-8, to be written in an encoding; otherwise bytes */
    struct text content;
    char *owned; /* the memory of content, if it is not the file's */
};

enum host {
    HOST_LOOPBACK, /* the default */
    HOST_NONE,     /* null: the library is given none */
    HOST_GIVEN,
};

struct action {
    enum act act;
    const char *of; /* NULL: the endpoint of the event */
    const char *cb; /* NULL: none */

    /* Addresses. */
    const char *at, *to;
    enum host host_is;
    const char *host;
    const char *local_address;
    const char *local_port; /* the name of an address */
    bool nothing;

    /* listen. */
    const char *handle; /* the name of a server */
    bool from_fd, readable_all, writable_all, exclusive;
    unsigned backlog;

    /* connect, wrap. */
    unsigned family;
    bool has_timeout;
    bool has_lookup;
    const char *lookup_address, *lookup_error;
    unsigned lookup_family;
    bool not_readable, not_writable;

    /* write, end. */
    struct payload payload;
    enum tr_encoding encoding; /* TR_ENCODING_NONE: not given */
    bool ret;
    unsigned times;

    /* The others. */
    const char *error; /* of destroy */
    struct text note;
    enum file_kind file_kind;
    bool has_on, on;
    uint64_t ms;    /* of sleep and setTimeout, the timeout of connect, the delay of setKeepAlive */
    uint32_t value; /* of setMaxConnections */
    enum property *properties;
    size_t property_count;
};

struct action_list {
    struct action *actions;
    size_t count;
};

enum when { WHEN_NTH, WHEN_EVERY, WHEN_TOTAL, WHEN_BYTES };

struct rule {
    enum event on;
    const char *of;
    enum when when;
    uint64_t n;
    struct action_list list;
};

struct server_setup {
    const char *name;
    bool allow_half_open, pause_on_connect, no_data;
    uint32_t max_connections; /* 0: no limit */
};

struct client_setup {
    const char *name;
    bool allow_half_open, no_data;
    bool has_count;
    unsigned count;
};

enum address_kind { ADDRESS_PLAIN, ADDRESS_FREE, ADDRESS_MISSING_DIR, ADDRESS_LONG };

struct address_setup {
    const char *name;
    enum address_kind kind;
    unsigned bytes; /* of the whole path, for ADDRESS_LONG */
};

struct scenario {
    json_t *root;
    char *file;
    const char *name;
    const char *needs; /* an ability that nobody has heard of; NULL: none */
    bool needs_ipv6;
    enum transport transports[TRANSPORTS];
    size_t transport_count;
    struct server_setup *servers;
    size_t server_count;
    struct client_setup *clients;
    size_t client_count;
    struct address_setup *addresses;
    size_t address_count;
    struct action_list start;
    struct rule *rules;
    size_t rule_count;
    unsigned ignored; /* a bit for each event */
    unsigned quiet_ms;
    bool loop;
};

/* The abilities that `requires` may name; ends with NULL. All are there. */
extern const char *const abilities[];

/* Reads and checks a file. On failure NULL, and complaint says what is wrong and where. */
struct scenario *scenario_load(const char *file, char *complaint, size_t size);
void scenario_free(struct scenario *scenario);

/* Is name meant by a pattern: the same, or "S#*" and S# with a number? */
bool name_matches(const char *pattern, const char *name);

bool is_pattern(const char *name);

#endif
