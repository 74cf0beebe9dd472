/*
 * Text of addresses and prefixes: what is read is written as text that means the same, and is read alike with and
 * without its size.
 */
#include "fuzz.h"

#include <string.h>
#include <troupe/ipaddr/ip.h>

static void
try_address(const char *text, size_t size)
{
    struct tr_ip ip, again;
    char written[TR_IP_TEXT], rewritten[TR_IP_TEXT];
    tr_status status = tr_ip_parse_sized(text, size, &ip);
    int family = tr_is_ip_sized(text, size);
    MUST((family == 0) == (status == TR_EBADADDRESS));
    if (status != TR_OK)
        return;
    MUST(ip.family == family);
    MUST(tr_ip_format(&ip, written, sizeof(written)) == strlen(written) && written[0] != '\0');
    MUST(tr_ip_parse(written, &again) == TR_OK && tr_ip_equal(&ip, &again) && tr_ip_compare(&ip, &again) == 0);
    MUST(tr_ip_format(&again, rewritten, sizeof(rewritten)) > 0 && strcmp(written, rewritten) == 0);
}

static void
try_prefix(const char *text, size_t size)
{
    struct tr_prefix prefix, again;
    char written[TR_PREFIX_TEXT];
    if (tr_prefix_parse_sized(text, size, &prefix) != TR_OK)
        return;
    struct tr_prefix masked = tr_prefix_masked(&prefix);
    MUST(tr_prefix_contains(&prefix, &prefix.ip) && tr_prefix_contains(&masked, &prefix.ip));
    MUST(tr_prefix_format(&prefix, written, sizeof(written)) == strlen(written));
    MUST(tr_prefix_parse(written, &again) == TR_OK && again.length == prefix.length);
    MUST(tr_ip_equal(&again.ip, &prefix.ip));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char *ended = malloc(size + 1);
    if (ended == NULL)
        return 0;
    if (size > 0)
        memcpy(ended, text, size);
    ended[size] = '\0';
    if (strlen(ended) == size)
        MUST(tr_is_ip(ended) == tr_is_ip_sized(text, size));
    try_address(text, size);
    try_prefix(text, size);
    free(ended);
    return 0;
}
