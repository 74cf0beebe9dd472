/*
 * PROXY headers: bytes in pieces are answered as they are at once, what is read is within what was given, and what is
 * written of it is read back as the same. The first byte says which versions are taken, the second how long a header
 * may be.
 */
#include "fuzz.h"

#include "proxy_header.h"

#include <string.h>
#include <troupe/ipaddr/ip.h>

/* In memory of its own size, so that a read behind it is noticed. */
static struct tri_proxy_reading
read_copy(const struct tri_proxy_rules *rules, const uint8_t *data, size_t size, uint8_t **copy, struct tr_proxy *out)
{
    *copy = malloc(size > 0 ? size : 1);
    MUST(*copy != NULL);
    memcpy(*copy, data, size);
    return tri_proxy_read(rules, *copy, size, out);
}

static void
must_answer_pieces_alike(const struct tri_proxy_rules *rules, const uint8_t *data, size_t size,
                         struct tri_proxy_reading whole)
{
    for (size_t shown = 0; shown < size; shown += shown < 300 ? 1 : 97) {
        uint8_t *copy;
        struct tr_proxy ignored;
        struct tri_proxy_reading part = read_copy(rules, data, shown, &copy, &ignored);
        free(copy);
        if (part.outcome == TRI_PROXY_MORE) {
            MUST(part.size > shown && part.size <= rules->limit);
            MUST(whole.outcome != TRI_PROXY_DONE || shown < whole.size);
        } else {
            MUST(part.outcome == whole.outcome && part.size == whole.size);
            MUST(part.outcome != TRI_PROXY_DONE || shown >= whole.size);
        }
    }
}

static void
must_be_address(const struct tr_address *address)
{
    struct tr_ip ip;
    MUST(memchr(address->text, '\0', sizeof(address->text)) != NULL);
    MUST(address->family == TR_FAMILY_NONE || address->family == TR_FAMILY_UNIX ||
         (tr_ip_parse(address->text, &ip) == TR_OK && (enum tr_family)ip.family == address->family));
}

static void
must_be_tlvs(const struct tr_proxy *proxy, const uint8_t *bytes, size_t size)
{
    struct tr_proxy_tlv tlv = {0};
    size_t sum = 0;
    while (tr_proxy_tlv_next(proxy->tlvs, proxy->tlvs_size, &tlv)) {
        MUST((const uint8_t *)tlv.value >= bytes && (const uint8_t *)tlv.value + tlv.size <= bytes + size);
        sum += 3 + tlv.size;
    }
    MUST(sum == proxy->tlvs_size);
}

static bool
is_mapped(const struct tr_address *address)
{
    struct tr_ip ip;
    return tr_ip_parse(address->text, &ip) == TR_OK && tr_ip_is_mapped(&ip);
}

/* Mapped addresses become IPv4; a path that fills its room, or is "@" alone, cannot be written. */
static void
must_be_read_back(const struct tr_proxy *proxy)
{
    struct tri_proxy_rules rules = {TR_PROXY_V1 | TR_PROXY_V2, TRI_PROXY_LIMIT_MOST};
    struct tr_proxy again;
    size_t size;
    tr_status status = tri_proxy_check(proxy, &size);
    MUST(status == TR_OK || (status == TR_EBADADDRESS && proxy->source.family == TR_FAMILY_UNIX));
    if (status != TR_OK)
        return;
    uint8_t *bytes = malloc(size);
    MUST(bytes != NULL);
    tri_proxy_write(proxy, bytes);
    struct tri_proxy_reading reading = tri_proxy_read(&rules, bytes, size, &again);
    MUST(reading.outcome == TRI_PROXY_DONE && reading.size == size);
    MUST(again.version == proxy->version && again.command == proxy->command && again.transport == proxy->transport);
    MUST(again.tlvs_size == proxy->tlvs_size);
    MUST(again.tlvs_size == 0 || memcmp(again.tlvs, proxy->tlvs, again.tlvs_size) == 0);
    if (!is_mapped(&proxy->source) || !is_mapped(&proxy->destination)) {
        MUST(memcmp(&again.source, &proxy->source, sizeof(again.source)) == 0);
        MUST(memcmp(&again.destination, &proxy->destination, sizeof(again.destination)) == 0);
    }
    free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct tri_proxy_rules rules = {data[0] % 4u, TRI_PROXY_LIMIT_LEAST + data[1] * 16u};
    uint8_t *copy;
    struct tr_proxy proxy;
    data += 2;
    size -= 2;
    struct tri_proxy_reading whole = read_copy(&rules, data, size, &copy, &proxy);
    must_answer_pieces_alike(&rules, data, size, whole);
    if (whole.outcome == TRI_PROXY_DONE) {
        MUST(whole.size <= size && whole.size <= rules.limit && (proxy.version & rules.versions) != 0);
        must_be_address(&proxy.source);
        must_be_address(&proxy.destination);
        MUST(proxy.source.family == proxy.destination.family);
        must_be_tlvs(&proxy, copy, whole.size);
        must_be_read_back(&proxy);
    }
    free(copy);
    return 0;
}
