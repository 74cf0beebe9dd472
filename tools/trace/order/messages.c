#include "messages.h"

struct known {
    uint64_t foreseen, sent, ended; /* bit id % 64 */
};

void
messages_init(struct messages *messages)
{
    table_init(&messages->known, sizeof(struct known));
    table_init(&messages->flying, sizeof(struct sending));
}

void
messages_fini(struct messages *messages)
{
    table_fini(&messages->known);
    table_fini(&messages->flying);
}

bool
messages_send(struct messages *messages, uint64_t id, const struct sending *sending)
{
    struct known *known = table_put(&messages->known, id / 64, 0);
    uint64_t bit = UINT64_C(1) << id % 64;
    if ((known->sent & bit) != 0)
        return false;
    known->sent |= bit;
    if ((known->ended & bit) == 0)
        *(struct sending *)table_put(&messages->flying, id, 0) = *sending;
    return true;
}

void
messages_foresee(struct messages *messages, uint64_t id)
{
    struct known *known = table_put(&messages->known, id / 64, 0);
    known->foreseen |= UINT64_C(1) << id % 64;
}

bool
messages_will_be_sent(const struct messages *messages, uint64_t id)
{
    const struct known *known = table_get(&messages->known, id / 64, 0);
    return known != NULL && ((known->foreseen & ~known->sent) >> id % 64 & 1) != 0;
}

enum ending
messages_end(struct messages *messages, uint64_t id, struct sending *sending)
{
    struct known *known = table_put(&messages->known, id / 64, 0);
    uint64_t bit = UINT64_C(1) << id % 64;
    if ((known->ended & bit) != 0)
        return ENDING_REPEATED;
    known->ended |= bit;
    const struct sending *flying = table_get(&messages->flying, id, 0);
    if (flying == NULL)
        return ENDING_UNSENT;
    *sending = *flying;
    table_remove(&messages->flying, id, 0);
    return ENDING_RIGHT;
}

void
messages_return(struct messages *messages, uint64_t id, uint64_t place, uint64_t timestamp)
{
    struct known *known = table_put(&messages->known, id / 64, 0);
    uint64_t bit = UINT64_C(1) << id % 64;
    if ((known->ended & bit) == 0)
        return;
    known->ended &= ~bit;
    *(struct sending *)table_put(&messages->flying, id, 0) = (struct sending){0, place, timestamp};
}
