#include "kind.h"

const char *
kind_of(enum role role)
{
    switch (role) {
    case ROLE_cluster_send:
    case ROLE_cluster_deal:
    case ROLE_send: return "send";
    case ROLE_cluster_receive:
    case ROLE_cluster_take:
    case ROLE_receive: return "receive";
    case ROLE_handled: return "handled";
    case ROLE_cluster_lost:
    case ROLE_dead_letter: return "dead";
    case ROLE_stash: return "stash";
    case ROLE_spawn:
    case ROLE_restart: return "birth";
    case ROLE_stopped: return "end";
    case ROLE_sleep: return "sleep";
    case ROLE_wake: return "wake";
    case ROLE_init_failed:
    case ROLE_fail:
    case ROLE_stall:
    case ROLE_crash:
    case ROLE_lost:
    case ROLE_memory_limit:
    case ROLE_listener_reject:
    case ROLE_proxy_refused:
    case ROLE_socket_error: return "fault";
    default: return role_is_of_net(role) ? "net" : "other";
    }
}
