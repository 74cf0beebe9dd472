/*
 * net.isIP, net.isIPv4 and net.isIPv6 (all eras), as a table.
 *
 *   isip [TEXT...]
 */
#include <stdbool.h>
#include <stdio.h>
#include <troupe/ipaddr/ip.h>

static const char *const samples[] = {
    "127.0.0.1",       "74.125.127.100", "2001:4860:a005::68", "::1", "fe80::1%eth0",
    "127.000.000.001", "1.2.3",          "localhost",          "",
};

static const char *
word(bool value)
{
    return value ? "true" : "false";
}

int
main(int argc, char **argv)
{
    const char *const *texts = argc > 1 ? (const char *const *)argv + 1 : samples;
    size_t count = argc > 1 ? (size_t)argc - 1 : sizeof(samples) / sizeof(*samples);
    for (size_t i = 0; i < count; i++)
        printf("%d %-5s %-5s '%s'\n", tr_is_ip(texts[i]), word(tr_is_ipv4(texts[i])), word(tr_is_ipv6(texts[i])),
               texts[i]);
    return 0;
}
