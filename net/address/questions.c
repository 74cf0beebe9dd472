#include "questions.h"

#include <stdlib.h>

struct questions {
    struct tri_guest guest; /* first */
    struct tri_net *net;
};

static void
close_questions(struct tri_guest *guest)
{
    struct questions *questions = (struct questions *)guest;
    struct tri_runtime *runtime = questions->net->worker->runtime;
    runtime->left_behind += tri_resolver_forget(runtime->host);
    tri_resolver_release();
    free(questions);
}

static bool
hold_resolver(struct tri_net *net)
{
    if (net->guests[TRI_GUEST_QUESTIONS] != NULL)
        return true;
    struct questions *questions = malloc(sizeof(*questions));
    if (questions == NULL || !tri_resolver_hold()) {
        free(questions);
        return false;
    }
    *questions = (struct questions){.guest = {close_questions}, .net = net};
    net->guests[TRI_GUEST_QUESTIONS] = &questions->guest;
    return true;
}

tr_status
tri_ask(struct tri_net *net, tr_ref to, uint32_t tag, uint64_t token, const char *host, int family, int hints,
        tri_lookup **out)
{
    return hold_resolver(net) ? tri_resolve(net->worker->runtime->host, to, tag, token, host, family, hints, out)
                              : TR_ENOMEM;
}
