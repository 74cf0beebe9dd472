/*
 * ipaddr-troupe: what it costs to tell an address from other text, and to look one up in a block list.
 *
 *   ipaddr-troupe [--rules N] [--rounds R]
 *
 * Prints nanoseconds per call, the median of R rounds in which everything is measured in turn, so that a slow spell of
 * the machine hits all alike:
 *
 *   is_ip, parse  tr_is_ip() and tr_ip_parse() of addresses as they occur, against uv_inet_pton(), which is told the
 *                 family
 *   block_list    tr_block_list_check() of a frozen list with N rules: addresses, ranges and subnets in equal parts, on
 *                 one/64 all in one network of IPv6. Half of the questions are blocked, in an order that nothing can
 *                 guess. chain: each question waits for the answer to the one before, so that the processor cannot
 *                 work on several at once
 *
 * An answer that is wrong is a failure.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <troupe/ipaddr/block_list.h>
#include <uv.h>

#define TEXTS 4096u
#define QUESTIONS 16384u
#define ROUNDS_MAX 99u

struct corpus {
    const char *name;
    int families[TEXTS];
    char texts[TEXTS][TR_IP_TEXT];
};

struct trial {
    const char *name;
    tr_block_list *list;
    struct tr_ip questions[QUESTIONS];
    uint64_t blocked;
};

static uint64_t seed = 1;
static unsigned rules = 100000, rounds = 9;
static bool one_network; /* all IPv6 addresses are of one /64 */

static uint64_t
random_next(void)
{
    uint64_t x = seed += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
must(const char *what, bool good)
{
    if (good)
        return;
    fprintf(stderr, "ipaddr-troupe: %s\n", what);
    exit(1);
}

static struct tr_ip
random_ip(int family)
{
    struct tr_ip ip = {.family = (uint8_t)family};
    uint64_t a = random_next(), b = random_next();
    memcpy(ip.bytes, &a, family == 4 ? 4 : 8);
    if (family == 6)
        memcpy(ip.bytes + 8, &b, 8);
    if (family == 6 && one_network)
        memcpy(ip.bytes, "\x20\x01\x0d\xb8\0\0\0\x01", 8);
    return ip;
}

/* Addresses of networks: private ones and public ones; hosts that count from 1 and hosts with an interface id. */
static struct tr_ip
usual_ip(int family)
{
    struct tr_ip ip = random_ip(family);
    uint64_t kind = random_next();
    if (family == 4 && kind % 4 == 0)
        memcpy(ip.bytes, kind & 64 ? "\x0a\0" : "\xc0\xa8", 2);
    if (family == 6) {
        memcpy(ip.bytes, kind % 8 == 0 ? "\xfe\x80\0\0\0\0\0" : "\x20\x01\x0d", kind % 8 == 0 ? 8 : 3);
        if (kind & 64)
            memset(ip.bytes + 8, 0, 7);
        if ((kind & 0xf000) == 0)
            memcpy(ip.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    }
    return ip;
}

/* family: 4, 6, or 0 for both in turn. */
static void
corpus_init(struct corpus *corpus, const char *name, int family)
{
    corpus->name = name;
    for (unsigned i = 0; i < TEXTS; i++) {
        corpus->families[i] = family != 0 ? family : random_next() % 2 ? 4 : 6;
        struct tr_ip ip = usual_ip(corpus->families[i]);
        tr_ip_format(&ip, corpus->texts[i], sizeof(corpus->texts[i]));
    }
}

static double
time_is_ip(const struct corpus *corpus)
{
    uint64_t right = 0, began = now_ns();
    for (unsigned again = 0; again < 8; again++)
        for (unsigned i = 0; i < TEXTS; i++)
            right += tr_is_ip(corpus->texts[i]) == corpus->families[i];
    uint64_t took = now_ns() - began;
    must("tr_is_ip() erred", right == 8 * TEXTS);
    return (double)took / (8 * TEXTS);
}

static double
time_parse(const struct corpus *corpus)
{
    struct tr_ip ip;
    uint64_t right = 0, began = now_ns();
    for (unsigned again = 0; again < 8; again++)
        for (unsigned i = 0; i < TEXTS; i++)
            right += tr_ip_parse(corpus->texts[i], &ip) == TR_OK && ip.family == corpus->families[i];
    uint64_t took = now_ns() - began;
    must("tr_ip_parse() erred", right == 8 * TEXTS);
    return (double)took / (8 * TEXTS);
}

static double
time_uv(const struct corpus *corpus)
{
    uint8_t bytes[16];
    uint64_t right = 0, began = now_ns();
    for (unsigned again = 0; again < 8; again++)
        for (unsigned i = 0; i < TEXTS; i++)
            right += uv_inet_pton(corpus->families[i] == 4 ? AF_INET : AF_INET6, corpus->texts[i], bytes) == 0;
    uint64_t took = now_ns() - began;
    must("uv_inet_pton() erred", right == 8 * TEXTS);
    return (double)took / (8 * TEXTS);
}

/* Adds a rule of each kind in its turn and makes one address that it blocks. */
static struct tr_ip
add_rule(tr_block_list *list, unsigned number, int family)
{
    struct tr_ip ip = random_ip(family), to = ip;
    struct tr_prefix subnet;
    uint8_t *last = &to.bytes[family == 4 ? 3 : 15];
    tr_status status;
    switch (number % 3) {
    case 0: status = tr_block_list_add_address(list, &ip); break;
    case 1:
        *last = 0xff;
        status = tr_block_list_add_range(list, &ip, &to);
        break;
    default:
        *last ^= (uint8_t)(random_next() % 4);
        tr_prefix_make(&ip, family == 4 ? 30 : 126, &subnet);
        status = tr_block_list_add_subnet(list, &subnet);
    }
    must("a rule was refused", status == TR_OK);
    return to;
}

static int
one_of(int family)
{
    return family != 0 ? family : random_next() % 2 ? 4 : 6;
}

static void
trial_init(struct trial *trial, const char *name, int family)
{
    struct tr_ip *blocked = calloc(rules, sizeof(*blocked));
    trial->name = name;
    trial->blocked = 0;
    must("no memory", blocked != NULL && tr_block_list_new(&trial->list) == TR_OK);
    for (unsigned i = 0; i < rules; i++)
        blocked[i] = add_rule(trial->list, i, one_of(family));
    uint64_t began = now_ns();
    must("no memory", tr_block_list_freeze(trial->list) == TR_OK);
    printf("block_list %-6s %u rules frozen in %.1f ms\n", name, rules, (double)(now_ns() - began) / 1e6);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        bool hit = random_next() % 2;
        trial->questions[i] = hit ? blocked[random_next() % rules] : random_ip(one_of(family));
        bool answer = tr_block_list_check(trial->list, &trial->questions[i]);
        must("a blocked address was let through", answer || !hit);
        trial->blocked += answer;
    }
    free(blocked);
}

static double
time_check(const struct trial *trial)
{
    uint64_t blocked = 0, began = now_ns();
    for (unsigned i = 0; i < QUESTIONS; i++)
        blocked += tr_block_list_check(trial->list, &trial->questions[i]);
    uint64_t took = now_ns() - began;
    must("an answer changed", blocked == trial->blocked);
    return (double)took / QUESTIONS;
}

static double
time_chain(const struct trial *trial)
{
    static volatile unsigned zero;
    unsigned none = zero; /* which the compiler does not know */
    uint64_t blocked = 0, began = now_ns();
    for (unsigned i = 0, bit = 0; i < QUESTIONS; i++) {
        bit = tr_block_list_check(trial->list, &trial->questions[i ^ (bit & none)]);
        blocked += bit;
    }
    uint64_t took = now_ns() - began;
    must("an answer changed", blocked == trial->blocked);
    return (double)took / QUESTIONS;
}

static int
compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median(double *times)
{
    qsort(times, rounds, sizeof(*times), compare_times);
    return times[rounds / 2];
}

static void
compare_readers(const struct corpus *corpus)
{
    double is_ip[ROUNDS_MAX], parse[ROUNDS_MAX], uv[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        is_ip[i] = time_is_ip(corpus);
        parse[i] = time_parse(corpus);
        uv[i] = time_uv(corpus);
    }
    double ours = median(is_ip), theirs = median(uv);
    printf("%-17s is_ip %.1f ns, parse %.1f ns, uv_inet_pton %.1f ns: uv/is_ip %.2f\n", corpus->name, ours,
           median(parse), theirs, theirs / ours);
}

static void
measure_trial(const struct trial *trial)
{
    double check[ROUNDS_MAX], chain[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        check[i] = time_check(trial);
        chain[i] = time_chain(trial);
    }
    printf("block_list %-6s check %.1f ns, chain %.1f ns, blocked %.0f%%\n", trial->name, median(check), median(chain),
           100.0 * (double)trial->blocked / QUESTIONS);
}

static void
read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned long value = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--rules") == 0)
            rules = (unsigned)value;
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = (unsigned)value;
        else
            must("usage: ipaddr-troupe [--rules N] [--rounds R]", false);
    }
    must("--rules is 1 to 10000000", rules > 0 && rules <= 10000000);
    must("--rounds is 1 to 99", rounds > 0 && rounds <= ROUNDS_MAX);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int family;
    } kinds[] = {{"ipv4", 4}, {"ipv6", 6}, {"mixed", 0}, {"one/64", 6}};
    static struct corpus corpus;
    static struct trial trial;
    read_options(argc, argv);
    for (unsigned i = 0; i < 3; i++) {
        corpus_init(&corpus, kinds[i].name, kinds[i].family);
        compare_readers(&corpus);
    }
    for (unsigned i = 0; i < 4; i++) {
        one_network = i == 3;
        memset(&trial, 0, sizeof(trial));
        trial_init(&trial, kinds[i].name, kinds[i].family);
        measure_trial(&trial);
        tr_block_list_release(trial.list);
    }
    return 0;
}
