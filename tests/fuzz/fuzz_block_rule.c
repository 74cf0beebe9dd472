/*
 * Block lists: lines of text, each a rule or an address. A rule is written as text that is the same rule; a frozen list
 * says of each address what the list said before it was frozen.
 */
#include "fuzz.h"

#include <string.h>
#include <troupe/ipaddr/block_list.h>

#define LINES 64u
#define LINE_BYTES 160u

static size_t
split(const uint8_t *data, size_t size, char lines[LINES][LINE_BYTES])
{
    size_t count = 0, length = 0;
    for (size_t i = 0; i <= size && count < LINES; i++) {
        if (i == size || data[i] == '\n') {
            lines[count++][length] = '\0';
            length = 0;
        } else if (length + 1 < LINE_BYTES) {
            lines[count][length++] = (char)data[i];
        }
    }
    return count;
}

static void
check_rules(const tr_block_list *list)
{
    for (size_t i = 0; i < tr_block_list_count(list); i++) {
        struct tr_block_rule rule, again;
        char text[TR_BLOCK_RULE_TEXT];
        tr_block_list *other;
        MUST(tr_block_list_rule(list, i, &rule) == TR_OK);
        MUST(tr_block_rule_format(&rule, text, sizeof(text)) == strlen(text) && text[0] != '\0');
        MUST(tr_block_list_check(list, &rule.from) && tr_block_list_check(list, &rule.to));
        MUST(tr_block_list_new(&other) == TR_OK);
        MUST(tr_block_list_add_text(other, text) == TR_OK);
        MUST(tr_block_list_rule(other, 0, &again) == TR_OK);
        MUST(again.kind == rule.kind && again.length == rule.length);
        MUST(tr_ip_equal(&again.from, &rule.from) && tr_ip_equal(&again.to, &rule.to));
        tr_block_list_release(other);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char lines[LINES][LINE_BYTES];
    bool before[LINES] = {false};
    tr_block_list *list;
    size_t count = split(data, size, lines);
    MUST(tr_block_list_new(&list) == TR_OK);
    for (size_t i = 0; i < count; i++) {
        size_t rules = tr_block_list_count(list);
        tr_status status = tr_block_list_add_text(list, lines[i]);
        MUST(tr_block_list_count(list) == rules + (status == TR_OK));
    }
    struct tr_ip ip;
    for (size_t i = 0; i < count; i++)
        before[i] = tr_ip_parse(lines[i], &ip) == TR_OK && tr_block_list_check(list, &ip);
    check_rules(list);
    MUST(tr_block_list_freeze(list) == TR_OK && tr_block_list_is_frozen(list));
    for (size_t i = 0; i < count; i++)
        MUST(before[i] == (tr_ip_parse(lines[i], &ip) == TR_OK && tr_block_list_check(list, &ip)));
    check_rules(list);
    tr_block_list_release(list);
    return 0;
}
