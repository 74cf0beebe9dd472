/*
 * The rules of a block list as text: what a '/' or a '-' in it says which kind it is. Addresses have no such character,
 * and a zone, which may have one, is not allowed in a rule, as zones count for nothing there.
 */
#include <string.h>
#include <troupe/ipaddr/block_list.h>

static tr_status
read_address(const char *text, size_t size, struct tr_ip *ip)
{
    tr_status status = tr_ip_parse_sized(text, size, ip);
    return status == TR_OK && ip->zone[0] == '\0' ? TR_OK : TR_EBADADDRESS;
}

static tr_status
add_address(tr_block_list *list, const char *text)
{
    struct tr_ip ip;
    tr_status status = read_address(text, strlen(text), &ip);
    return status == TR_OK ? tr_block_list_add_address(list, &ip) : status;
}

static tr_status
add_range(tr_block_list *list, const char *text, const char *dash)
{
    struct tr_ip from, to;
    tr_status status = read_address(text, (size_t)(dash - text), &from);
    if (status == TR_OK)
        status = read_address(dash + 1, strlen(dash + 1), &to);
    return status == TR_OK ? tr_block_list_add_range(list, &from, &to) : status;
}

static tr_status
add_subnet(tr_block_list *list, const char *text)
{
    struct tr_prefix subnet;
    tr_status status = tr_prefix_parse(text, &subnet);
    return status == TR_OK ? tr_block_list_add_subnet(list, &subnet) : status;
}

tr_status
tr_block_list_add_text(tr_block_list *list, const char *text)
{
    if (list == NULL || text == NULL || tr_block_list_is_frozen(list))
        return TR_EINVAL;
    if (strchr(text, '/') != NULL)
        return add_subnet(list, text);
    const char *dash = strchr(text, '-');
    return dash != NULL ? add_range(list, text, dash) : add_address(list, text);
}

/* "from-to"; 0 if one of them is no address. */
static size_t
format_range(const struct tr_block_rule *rule, char *text, size_t size)
{
    size_t from = tr_ip_format(&rule->from, text, size);
    if (from == 0)
        return 0;
    size_t to = tr_ip_format(&rule->to, text + from + 1, size - from - 1);
    if (to == 0)
        return 0;
    text[from] = '-';
    return from + 1 + to;
}

static size_t
format_rule(const struct tr_block_rule *rule, char *text, size_t size)
{
    struct tr_prefix subnet = {.ip = rule->from, .length = rule->length};
    switch (rule->kind) {
    case TR_BLOCK_ADDRESS: return tr_ip_format(&rule->from, text, size);
    case TR_BLOCK_RANGE: return format_range(rule, text, size);
    case TR_BLOCK_SUBNET: return tr_prefix_format(&subnet, text, size);
    }
    return 0;
}

size_t
tr_block_rule_format(const struct tr_block_rule *rule, char *text, size_t size)
{
    size_t length = format_rule(rule, text, size);
    if (length == 0 && size > 0)
        text[0] = '\0';
    return length;
}
