#include "score.h"

/* Reasons why nothing can be said. */
#define ALONE "- no other event tells that it happened, or how"
#define AGAIN "- it may happen again at once"
#define APART "- what stands beside it has nothing to do with it"
#define UNFINISHED "- what began may end without it: with its actor, or for lack of memory"
#define MEASURED "- it was measured, and is told once"
#define PROGRAM "- the program chose it, and it is told once"
#define RECEIVER "- whom it concerned is not in other events, or why is known to nobody else"
#define ASKER "- what its asker was told is known to him alone"
#define PLAIN "- without it the send that follows is one like others"
#define ELSEWHERE "- the members are on other workers, too, and come and go"
#define UNGIVEN "- what was received need not be given as data"
#define UNTOLD "- whoever was to be told may have undone it before"
#define SHORT "- what memory there was is known to nobody else"
#define CHANGED "- it may have become something else since it was spawned"
#define UNREAD "- what is sent to a process that ends before it reads it has no end"
#define SYSTEM "- the system tells it, and tells it once"
#define GREETED "- its begin has told the server"

const struct verdict verdicts[] = {
    /* event, dropped, doubled, swapped, and altered: actor, flags, arg, message */
    {"worker_start", "worker", "worker", "worker", NULL, NULL, MEASURED, NULL},
    {"worker_stop", "worker", "worker", "worker", NULL, NULL, NULL, NULL},
    {"switched", "switch", AGAIN, "switch", "switch", PROGRAM, "switch", NULL},
    {"attached", "worker", "worker", "worker", NULL, NULL, NULL, "worker"},
    {"detached", "worker", "worker", "worker", NULL, NULL, NULL, NULL},
    {"crash", ALONE, AGAIN, "handler", "life", ALONE, "handler", ALONE},
    {"sleep", "worker", "worker", "worker", NULL, NULL, NULL, NULL},
    {"wake", "worker", "worker", "worker", NULL, NULL, NULL, NULL},
    {"stall", ALONE, AGAIN, APART, MEASURED, NULL, MEASURED, MEASURED},
    {"lane_full", ALONE, AGAIN, APART, NULL, NULL, "worker", NULL},
    {"unpinned", "worker", "worker", "worker", NULL, NULL, "worker", MEASURED},
    {"pinned", UNFINISHED, "worker", "worker", NULL, NULL, "worker", MEASURED},
    {"memory_limit", "worker", "worker", "worker", NULL, NULL, NULL, MEASURED},
    {"memory_free", UNFINISHED, "worker", "worker", NULL, NULL, NULL, MEASURED},
    {"over_budget", ALONE, AGAIN, APART, NULL, NULL, MEASURED, MEASURED},
    {"mark", ALONE, AGAIN, APART, "life", NULL, PROGRAM, PROGRAM},
    {"send", "sent_before", "once", "fifo", "life", SHORT, "tag", "sent_before"},
    {"receive", "arrival", "once", "life", "life", "handler", "tag", "sent_before"},
    {"dead_letter", "arrival", "once", "sent_before", RECEIVER, NULL, RECEIVER, "sent_before"},
    {"ask", "ask", "ask", "ask", "life", NULL, NULL, "ask"},
    {"ask_over", "ask", "ask", APART, "life", NULL, ASKER, "ask"},
    {"forward", PLAIN, "ask", "ask", "life", NULL, "ask", NULL},
    {"stash", "once", "handler", "handler", "life", NULL, NULL, "once"},
    {"publish", ALONE, AGAIN, APART, "life", NULL, ELSEWHERE, ELSEWHERE},
    {"handled", "handler", "handler", "handler", "life", NULL, "handler", "handler"},
    {"spawn", "life", "life", "life", "life", NULL, PROGRAM, "life"},
    {"init_failed", ALONE, "life", "life", "life", NULL, "form", NULL},
    {"stop", ALONE, AGAIN, APART, "life", NULL, PROGRAM, NULL},
    {"stopped", "life", "life", "life", "life", NULL, NULL, NULL},
    {"fail", ALONE, "life", "life", "life", NULL, "form", NULL},
    {"monitor", "monitor", AGAIN, "monitor", "monitor", NULL, NULL, "monitor"},
    {"unmonitor", UNFINISHED, "monitor", "monitor", "monitor", NULL, NULL, "monitor"},
    {"down", "monitor", "monitor", "monitor", "monitor", NULL, NULL, "monitor"},
    {"become", ALONE, AGAIN, APART, "life", NULL, PROGRAM, NULL},
    {"restart", "life", "restart", "life", "life", NULL, "restart", "restart"},
    {"present", "life", "life", "worker", "life", "life", CHANGED, ALONE},
    {"timer", "timer", "timer", "timer", "life", "timer", PROGRAM, "timer"},
    {"timer_fired", "timer", "timer", "timer", "life", "timer", "timer", "timer"},
    {"timer_over", "timer", "timer", "timer", "life", NULL, "life", "timer"},
    {"server_listening", "server", AGAIN, "server", "life", NULL, "server", NULL},
    {"server_paused", "server", AGAIN, "server", "life", NULL, PROGRAM, NULL},
    {"server_resumed", UNFINISHED, "server", "server", "life", NULL, NULL, NULL},
    {"server_error", ALONE, AGAIN, APART, "life", NULL, "form", NULL},
    {"server_close", "server", AGAIN, "life", "life", NULL, NULL, NULL},
    {"server_drain", "server", "server", "server", "life", NULL, "server", NULL},
    {"server_drained", UNFINISHED, "server", "server", "life", NULL, "server", "server"},
    {"server_announced", UNTOLD, "server", "server", "life", NULL, NULL, NULL},
    {"listener_open", "server", "server", "life", "life", NULL, "server", NULL},
    {"listener_load", "server", "server", "server", "life", NULL, "server", MEASURED},
    {"listener_accept", "dealing", "server", "server", "life", "server", "server", "dealing"},
    {"listener_reject", ALONE, AGAIN, "server", "life", ALONE, ALONE, ALONE},
    {"listener_paused", "server", AGAIN, "server", "life", NULL, ALONE, NULL},
    {"listener_resumed", UNFINISHED, "server", "server", "life", NULL, NULL, NULL},
    {"listener_close", "server", "server", "life", "life", NULL, NULL, NULL},
    {"socket_accepted", "socket", "dealing", "socket", "life", "socket", NULL, "dealing"},
    {"socket_connecting", "socket", "socket", "socket", "life", NULL, PROGRAM, NULL},
    {"socket_lookup", ALONE, AGAIN, "socket", "life", NULL, "socket", NULL},
    {"socket_connect", "socket", "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_data", "socket", "socket", "socket", "life", "socket", "socket", NULL},
    {"socket_write", "socket", AGAIN, "socket", "life", "socket", PROGRAM, NULL},
    {"socket_drain", UNFINISHED, "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_end", UNFINISHED, "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_shutdown", UNFINISHED, "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_timeout", ALONE, AGAIN, APART, "life", NULL, PROGRAM, NULL},
    {"socket_error", "socket", "socket", "socket", "life", NULL, "form", NULL},
    {"socket_close", "socket", "socket", "life", "life", NULL, "socket", UNGIVEN},
    {"socket_spawned", "socket", "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_adopted", "socket", "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_again", "socket", "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_handshake", "socket", "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_secure", "socket", "socket", "socket", "life", NULL, "socket", NULL},
    {"socket_ready", UNTOLD, "socket", "socket", "life", NULL, NULL, NULL},
    {"socket_text", ALONE, AGAIN, "socket", "life", NULL, ALONE, NULL},
    {"socket_written", ALONE, AGAIN, APART, "life", NULL, ALONE, NULL},
    {"socket_fd", ALONE, AGAIN, APART, "life", NULL, NULL, NULL},
    {"socket_goaway", ALONE, AGAIN, APART, "life", NULL, NULL, NULL},
    {"socket_code", ALONE, "socket", "socket", "life", NULL, PROGRAM, NULL},
    {"proxy_header", UNFINISHED, "dealing", "life", "life", "dealing", MEASURED, "dealing"},
    {"proxy_refused", UNFINISHED, "dealing", "life", "life", ALONE, MEASURED, "dealing"},
    {"handshake_begin", "dealing", "dealing", "dealing", "life", NULL, NULL, "dealing"},
    {"handshake", UNFINISHED, "dealing", "life", "life", NULL, NULL, GREETED},
    {"handshake_failed", UNFINISHED, "dealing", "life", "life", NULL, "form", "dealing"},
    {"child_began", "cluster", "cluster", "cluster", NULL, "cluster", "cluster", "cluster"},
    {"child_ended", "cluster", "cluster", "cluster", NULL, SYSTEM, "cluster", "cluster"},
    {"cluster_send", "parcel", "parcel", "life", "life", "cluster", "cluster", "parcel"},
    {"cluster_receive", UNREAD, "parcel", "cluster", "life", "cluster", "cluster", "parcel"},
    {"cluster_lost", UNREAD, "parcel", "cluster", NULL, "cluster", "cluster", "parcel"},
    {"cluster_deal", "parcel", "parcel", "cluster", NULL, NULL, "cluster", "parcel"},
    {"cluster_take", "cluster", "parcel", "server", "life", NULL, NULL, "parcel"},
    {"cluster_back", "cluster", "cluster", "cluster", NULL, NULL, "cluster", "cluster"},
};

const size_t verdict_count = sizeof(verdicts) / sizeof(verdicts[0]);
