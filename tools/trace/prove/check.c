/*
 * The command that lets the rules look at a trace, and its report.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "about.h"
#include "bad_input.h"
#include "clocks.h"
#include "colour.h"
#include "progress.h"
#include "prove.h"
#include "rules.h"
#include "text.h"

static const char *const rule_texts[] = {
#define TEXT(name, text) text,
    RULES(TEXT)
#undef TEXT
};

static const char *
verdict(const struct check *check, const struct finding *finding)
{
    if (finding->failed > 0)
        return "FAILED";
    if (finding->looked == 0)
        return "no case";
    return finding->unknown > 0 || trace_lost(check->trace) > 0 || check->trace->partial ? "unknown" : "passed";
}

static void
print_verdict(const char *word, bool failed)
{
    bool passed = strcmp(word, "passed") == 0;
    enum colour colour = failed ? COLOUR_BAD : passed ? COLOUR_GOOD : COLOUR_FAINT;
    printf("%s%-8s%s", colour_begin(colour), word, colour_end());
}

static void
print_finding(const struct check *check, enum rule rule)
{
    const struct finding *finding = &check->findings[rule];
    char looked[TEXT_SIZE], failed[TEXT_SIZE], unknown[TEXT_SIZE];
    print_verdict(verdict(check, finding), finding->failed > 0);
    printf(" %-12s %14s times  %s", rule_names[rule], text_of_count(finding->looked, looked), rule_texts[rule]);
    if (finding->failed > 0)
        printf("; broken %s times", text_of_count(finding->failed, failed));
    if (finding->unknown > 0)
        printf("; unknown %s times", text_of_count(finding->unknown, unknown));
    putchar('\n');
}

static void
print_rest(const struct check *check, const struct order *order)
{
    char events[TEXT_SIZE], flying[TEXT_SIZE], lost[TEXT_SIZE], count[TEXT_SIZE];
    printf("%s events; %s messages were still on their way\n", text_of_count(order->events, events),
           text_of_count(order->messages.flying.count, flying));
    if (trace_lost(check->trace) > 0)
        printf("%s events were lost: what they would have shown is unknown\n",
               text_of_count(trace_lost(check->trace), lost));
    if (check->trace->partial)
        puts(
            "events of some actors or categories were not recorded for a while: what they would have shown is unknown");
    if (check->trace->in_the_middle)
        puts("the recorder was switched on or off while the program ran: what was before or after is unknown");
    if (!check->trace->metadata->closed)
        puts("the trace was cut off, or is still being written: its ends are open");
    if (check->trace->contradictions > 0)
        printf("the time contradicts the order of %s messages, by %" PRIu64 " ns at most: corrected\n",
               text_of_count(check->trace->contradictions, count),
               metadata_duration_ns(check->trace->metadata, check->trace->worst_ticks));
}

static int
report(const struct check *check, const struct order *order, bool strict)
{
    bool failed = false;
    for (int rule = 0; rule < RULE_COUNT; rule++) {
        print_finding(check, (enum rule)rule);
        failed |= check->findings[rule].failed > 0;
    }
    print_rest(check, order);
    return failed ? EXIT_RULE_FAILED : strict && trace_lost(check->trace) > 0 ? EXIT_EVENTS_LOST : EXIT_SUCCESS;
}

/* -- Which rules look at which events. -- */

struct look {
    bool (*concerns)(enum role role);
    void (*look)(struct check *check, const struct step *step);
};

static bool
is_any(enum role role)
{
    return role != ROLE_none;
}

static bool
is_of_message(enum role role)
{
    return role == ROLE_send || role == ROLE_receive || role == ROLE_dead_letter || role_sends_parcel(role) ||
           role_ends_parcel(role);
}

static bool
is_stop(enum role role)
{
    return role == ROLE_stop;
}

static bool
is_of_ask(enum role role)
{
    return role == ROLE_send || role == ROLE_ask || role == ROLE_ask_over || role == ROLE_forward;
}

static bool
is_of_end(enum role role)
{
    return role == ROLE_stopped || role == ROLE_stop || role == ROLE_init_failed;
}

static const struct look looks[] = {
    {is_any, check_form},
    {is_of_message, check_messages},
    {role_is_of_actor, check_actors},
    {is_stop, check_stop_order},
    {is_of_monitor, check_monitors},
    {is_of_ask, check_asks},
    {is_of_handler, check_handlers},
    {is_of_timer, check_timers},
    {is_of_server, check_servers},
    {is_of_dealing, check_dealing},
    {role_is_of_socket, check_sockets},
    {role_is_of_cluster, check_cluster},
    {is_of_end, check_sockets_actor},
    {is_of_end, check_servers_actor},
};

enum { LOOKS = sizeof(looks) / sizeof(looks[0]) };

/* Those that look at a role; NULL is behind the last. */
struct chosen {
    void (*look[LOOKS + 1])(struct check *check, const struct step *step);
};

static void
choose(struct chosen *chosen, enum role role)
{
    size_t count = 0;
    for (size_t i = 0; i < LOOKS; i++) {
        if (looks[i].concerns(role))
            chosen->look[count++] = looks[i].look;
    }
    chosen->look[count] = NULL;
}

static void
look_at_all(struct check *check, struct order *order)
{
    struct chosen chosen[ROLES];
    struct step step;
    for (int role = 0; role < ROLES; role++)
        choose(&chosen[role], (enum role)role);
    while (order_next(order, &step)) {
        const struct chosen *of_role = &chosen[step.role];
        check_workers(check, &step);
        for (size_t i = 0; of_role->look[i] != NULL; i++)
            of_role->look[i](check, &step);
    }
}

/* -- All of it. -- */

static void
check_init(struct check *check, const struct trace *trace)
{
    *check = (struct check){.trace = trace};
    check_form_init(check);
    check_workers_init(check);
    check_messages_init(check);
    check_actors_init(check);
    check_asks_init(check);
    check_handlers_init(check);
    check_servers_init(check);
    check_dealing_init(check);
    check_sockets_init(check);
    check_cluster_init(check);
}

static void
check_fini(struct check *check)
{
    free(check->forms);
    free(check->workers);
    table_fini(&check->pairs[0]);
    table_fini(&check->pairs[1]);
    table_fini(&check->actors);
    table_fini(&check->monitors);
    table_fini(&check->asks);
    table_fini(&check->sockets);
    table_fini(&check->timers);
    table_fini(&check->servers);
    table_fini(&check->dealings);
    table_fini(&check->greetings);
    table_fini(&check->children);
    table_fini(&check->processes);
    table_fini(&check->deals);
    table_fini(&check->mails);
}

static void
look_at_trace(struct check *check, struct order *order)
{
    look_at_all(check, order);
    check_workers_end(check);
    check_actors_end(check);
    check_messages_end(check, order);
    check_dealing_end(check);
    check_cluster_end(check);
    if (fclose(check->failures) != 0)
        give_up("not enough memory");
}

static int
check_trace(const struct trace *trace, void *strict)
{
    struct check check;
    struct order order;
    char *failures = NULL;
    size_t size = 0;
    int status = PASS_AGAIN;
    check_init(&check, trace);
    check.failures = open_memstream(&failures, &size);
    if (check.failures == NULL)
        give_up("not enough memory");
    order_init(&order, trace);
    look_at_trace(&check, &order);
    if (!clocks_mislead(trace, order.contradictions)) {
        progress_give_way();
        fputs(failures, stdout);
        status = report(&check, &order, *(bool *)strict);
    }
    order_fini(&order);
    check_fini(&check);
    (free)(failures); /* of the C library */
    return status;
}

static const struct option options[] = {
    {"strict", no_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"strict", NULL, "exit status 3 if events were lost and no rule was seen broken"},
    {NULL, NULL, NULL},
};

static int
run(int count, char **words)
{
    bool strict = false;
    int status = take_options(&command_check, count, words, take_flag, &strict);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    progress_passes(1);
    return trace_pass((const char *const *)words + optind, (size_t)directories, check_trace, &strict);
}

const struct command command_check = {
    .name = "check",
    .usage = "[--strict] DIRECTORY...",
    .summary = "whether messages, actors, sockets and processes kept the rules",
    .example = "troupe-trace check --strict dir || echo broken      # in a script",
    .options = options,
    .texts = texts,
    .run = run,
};
