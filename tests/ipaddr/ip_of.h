/*
 * Addresses of a test.
 */
#ifndef TESTS_IPADDR_IP_OF_H
#define TESTS_IPADDR_IP_OF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/ipaddr/ip.h>

/* The address of a text; fails the test if there is none. */
static inline struct tr_ip
ip_of(const char *text)
{
    struct tr_ip ip;
    if (tr_ip_parse(text, &ip) != TR_OK)
        fail_msg("\"%s\" does not parse", text);
    return ip;
}

#endif
