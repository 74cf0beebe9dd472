/*
 * A protocol's session as a state machine: a notebook behind a password.
 *
 *   session [PORT]        by default 8130
 *
 *   $ nc 127.0.0.1 8130
 *   login ann secret      greeting: only this is understood
 *   hello ann             checking: what comes now is set aside until the password is known to be right
 *   put a line            open
 *   list
 *   quit
 *
 * Each connection has a session, an actor on the connection's worker that owns its socket. Each state of it is a
 * behavior. The socket's events are cut into lines, which the session sends to itself; so a state sees one line at a
 * time, and what it cannot use yet it stashes. An event is answered when its last line was handled, so a client who
 * sends faster than that is not read.
 *
 * The keeper of the passwords is one actor. Checking one takes long, as it should, so it is done by a thread of the
 * pool while the keeper goes on; he keeps the question until the answer is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/become.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>

#define IDLE_MS 60000u  /* a client that says nothing for so long is sent away */
#define CHECK_MS 5000u  /* for a password */
#define LINE_MOST 200u  /* bytes of a line */
#define NOTES_MOST 100u /* lines of a notebook */

enum { LINE = 1, ALL_LINES, CHECK, CHECKED, RIGHT, WRONG };

/* The keeper. */

struct check {
    char name[32], password[32];
    bool is_right;
    tr_question question;
};

/* On a thread of the pool. A real one compares with what a slow hash has made. */
static void *
check_password(void *argument)
{
    struct check *check = argument;
    unsigned long sum = 5381;
    for (unsigned i = 0; i < 1000000; i++)
        sum = sum * 33 + (unsigned char)check->password[i % sizeof(check->password)];
    check->is_right = sum != 0 && strcmp(check->password, "secret") == 0;
    return check;
}

static void
begin_check(tr_actor *self, tr_message *message)
{
    struct check *check = malloc(sizeof(*check));
    if (check == NULL)
        return; /* the asker hears that there is no answer */
    memcpy(check, tr_message_data(message), sizeof(*check));
    if (tr_question_keep(self, &check->question) != TR_OK ||
        tr_offload(self, check_password, check, CHECKED, free) != TR_OK)
        free(check);
}

static void
keeper_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == CHECK)
        begin_check(self, message);
    if (message->tag != CHECKED)
        return;
    struct check *check = message->payload.pointer.address;
    tr_message answer = tr_message_signal(check->is_right ? RIGHT : WRONG);
    tr_question_reply(self, &check->question, &answer);
}

/* Sessions. */

struct session {
    tr_ref socket, keeper;
    char line[LINE_MOST + 1]; /* as far as it has come */
    size_t size;
    char name[32];
    char *notes[NOTES_MOST];
    unsigned count;
};

static tr_ref keeper; /* set before the server listens */
static const struct tr_behavior greeting, checking, open_book;

static void
say(tr_actor *self, const struct session *session, const char *text)
{
    tr_slice slice;
    if (tr_slice_copy(text, strlen(text), &slice) != TR_OK) {
        tr_exit(self);
        return;
    }
    if (tr_remote_write(self, session->socket, slice) != TR_OK)
        tr_exit(self);
    tr_slice_release(slice);
}

static void
end_session(tr_actor *self, struct session *session, const char *last_words)
{
    say(self, session, last_words);
    tr_remote_end(self, session->socket);
    tr_exit(self);
}

/* Of a socket's data: each line is a message, and so is that all of them were. */
static void
cut(tr_actor *self, struct session *session, tr_slice data)
{
    for (size_t i = 0; i < data.size; i++) {
        char byte = (char)data.data[i];
        if (byte != '\n' && session->size < LINE_MOST)
            session->line[session->size++] = byte;
        if (byte != '\n')
            continue;
        session->line[session->size] = '\0';
        tr_tell(self, tr_self(self), LINE, session->line, session->size + 1);
        session->size = 0;
    }
    tr_tell(self, tr_self(self), ALL_LINES, NULL, 0);
}

/* What all states have in common. true: it was something of that. */
static bool
handle_event(tr_actor *self, struct session *session, const tr_message *message)
{
    enum tr_event event;
    if (message->tag == TR_TAG_RECEIVE_TIMEOUT)
        end_session(self, session, "good night\n");
    if (!tr_event_of(message, &event))
        return message->tag == TR_TAG_RECEIVE_TIMEOUT;
    if (event == TR_EVENT_DATA)
        cut(self, session, message->payload.slice);
    else if (event == TR_EVENT_CLOSE)
        tr_exit(self);
    else
        tr_remote_credit(self, session->socket, 1);
    return true;
}

/* One line of the socket's event, or that there are no more. NULL: then the socket may send the next event. */
static const char *
line_of(tr_actor *self, const struct session *session, const tr_message *message)
{
    if (message->tag == LINE)
        return tr_message_data(message);
    tr_remote_credit(self, session->socket, 1);
    return NULL;
}

static void
on_checked(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct session *session = context;
    char words[64];
    if (answer->outcome == TR_ANSWERED && answer->message->tag == RIGHT) {
        snprintf(words, sizeof(words), "hello %s\n", session->name);
        tr_become(self, &open_book);
    } else {
        snprintf(words, sizeof(words), answer->outcome == TR_ANSWERED ? "no\n" : "try again later\n");
        tr_become(self, &greeting);
    }
    say(self, session, words);
    tr_unstash(self);
}

static void
log_in(tr_actor *self, struct session *session, const char *line)
{
    struct check check = {.is_right = false};
    struct tr_ask_options options = {.timeout_ms = CHECK_MS, .done = on_checked, .context = session};
    if (sscanf(line, "login %31s %31s", check.name, check.password) != 2) {
        say(self, session, "login NAME PASSWORD\n");
        return;
    }
    memcpy(session->name, check.name, sizeof(session->name));
    tr_message question = tr_message_copy(CHECK, &check, sizeof(check));
    if (tr_ask(self, keeper, &question, &options) == TR_OK)
        tr_become(self, &checking);
    else
        end_session(self, session, "out of memory\n");
}

static void
greeting_receive(tr_actor *self, void *state, tr_message *message)
{
    struct session *session = state;
    if (handle_event(self, session, message))
        return;
    const char *line = line_of(self, session, message);
    if (line != NULL)
        log_in(self, session, line);
}

static void
checking_receive(tr_actor *self, void *state, tr_message *message)
{
    struct session *session = state;
    bool is_line = message->tag == LINE || message->tag == ALL_LINES;
    if (is_line && tr_stash(self, message) != TR_OK)
        end_session(self, session, "too much\n");
    else if (!is_line)
        handle_event(self, session, message);
}

static void
put(tr_actor *self, struct session *session, const char *text)
{
    if (session->count == NOTES_MOST || (session->notes[session->count] = strdup(text)) == NULL)
        say(self, session, "full\n");
    else
        session->count++;
}

static void
list(tr_actor *self, const struct session *session)
{
    for (unsigned i = 0; i < session->count; i++) {
        char words[LINE_MOST + 8];
        snprintf(words, sizeof(words), "%s\n", session->notes[i]);
        say(self, session, words);
    }
    say(self, session, ".\n");
}

static void
open_receive(tr_actor *self, void *state, tr_message *message)
{
    struct session *session = state;
    if (handle_event(self, session, message))
        return;
    const char *line = line_of(self, session, message);
    if (line == NULL)
        return;
    if (strncmp(line, "put ", 4) == 0)
        put(self, session, line + 4);
    else if (strcmp(line, "list") == 0)
        list(self, session);
    else if (strcmp(line, "quit") == 0)
        end_session(self, session, "bye\n");
    else
        say(self, session, "put TEXT, list, quit\n");
}

static tr_status
begin(tr_actor *self, void *state, const void *argument)
{
    struct session *session = state;
    session->socket = *(const tr_ref *)argument;
    return tr_receive_timeout(self, IDLE_MS);
}

static void
close_book(tr_actor *self, void *state)
{
    struct session *session = state;
    (void)self;
    for (unsigned i = 0; i < session->count; i++)
        free(session->notes[i]);
}

#define STATE(title, function)                                                                                         \
    {                                                                                                                  \
        .name = title, .state_size = sizeof(struct session), .init = begin, .receive = function, .stopped = close_book \
    }

static const struct tr_behavior greeting = STATE("session/greeting", greeting_receive);
static const struct tr_behavior checking = STATE("session/checking", checking_receive);
static const struct tr_behavior open_book = STATE("session/open", open_receive);

/* The server. */

static void
on_connection(tr_socket *socket)
{
    tr_ref self = tr_socket_ref(socket), session;
    struct tr_spawn_options options = {.argument = &self, .argument_size = sizeof(self)};
    if (tr_spawn(tr_socket_actor(socket), &greeting, &options, &session) != TR_OK ||
        tr_socket_set_owner(socket, &(struct tr_owner){.actor = session, .credit = 1}) != TR_OK)
        tr_socket_destroy(socket, TR_OK);
}

static tr_status
open_server(tr_runtime *runtime, uint16_t port, struct tr_address *at)
{
    static const struct tr_behavior behavior = {.name = "keeper", .receive = keeper_receive};
    struct tr_server_options server = {.connection = on_connection, .socket = {.no_delay = true}};
    struct tr_listen_options listen = {.port = port, .any_port = true};
    tr_status status = tr_runtime_spawn(runtime, &behavior, NULL, &keeper);
    return status == TR_OK ? tr_runtime_listen(runtime, &server, &listen, NULL, at) : status;
}

int
main(int argc, char **argv)
{
    struct tr_address at;
    uint16_t port = 8130;
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = open_server(runtime, port, &at);
    if (status == TR_OK) {
        fprintf(stderr, "session: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "session: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
