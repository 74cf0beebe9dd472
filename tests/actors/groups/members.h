/*
 * What puppets do in groups, and are asked of them.
 */
#ifndef TESTS_ACTORS_MEMBERS_H
#define TESTS_ACTORS_MEMBERS_H

#include "puppet.h"

#include <troupe/actors/group.h>

/* What a puppet is to do with a group, and what it came to. */
struct deed {
    tr_group *group;
    tr_ref other;
    tr_status status;
    uint64_t number;
    tr_group_watch watch;
    tr_message *message;
};

static inline void
do_join(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_join(self, deed->group);
}

static inline void
do_leave(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_leave(self, deed->group);
}

static inline void
do_add(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_add(self, deed->other, deed->group);
}

static inline void
do_remove(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_remove(self, deed->other, deed->group);
}

/* A number. */
static inline void
do_publish(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    tr_message message = tr_message_copy(PUPPET_NUMBER, &deed->number, sizeof(deed->number));
    deed->status = tr_group_publish(self, deed->group, deed->message != NULL ? deed->message : &message);
}

static inline void
do_exit(tr_actor *self, void *argument)
{
    (void)argument;
    tr_exit(self);
}

static inline tr_status
have_join(tr_runtime *runtime, tr_ref puppet, tr_group *group)
{
    struct deed deed = {.group = group};
    puppet_do(runtime, puppet, do_join, &deed);
    return deed.status;
}

static inline tr_status
have_leave(tr_runtime *runtime, tr_ref puppet, tr_group *group)
{
    struct deed deed = {.group = group};
    puppet_do(runtime, puppet, do_leave, &deed);
    return deed.status;
}

static inline tr_status
have_add(tr_runtime *runtime, tr_ref puppet, tr_ref other, tr_group *group)
{
    struct deed deed = {.group = group, .other = other};
    puppet_do(runtime, puppet, do_add, &deed);
    return deed.status;
}

static inline tr_status
have_remove(tr_runtime *runtime, tr_ref puppet, tr_ref other, tr_group *group)
{
    struct deed deed = {.group = group, .other = other};
    puppet_do(runtime, puppet, do_remove, &deed);
    return deed.status;
}

static inline tr_status
have_publish(tr_runtime *runtime, tr_ref puppet, tr_group *group, uint64_t number)
{
    struct deed deed = {.group = group, .number = number};
    puppet_do(runtime, puppet, do_publish, &deed);
    return deed.status;
}

static inline tr_group *
group_new(tr_runtime *runtime, const char *name, uint32_t members)
{
    tr_group *group = NULL;
    struct tr_group_options options = {.members = members};
    if (tr_group_open(runtime, name, &options, &group) != TR_OK)
        return NULL;
    return group;
}

#endif
