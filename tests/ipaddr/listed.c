#include "listed.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/ipaddr/block_list.h>

#include "ip_of.h"

tr_block_list *
new_list(void)
{
    tr_block_list *list;
    assert_int_equal(tr_block_list_new(&list), TR_OK);
    return list;
}

tr_block_list *
list_of(const char *const *rules)
{
    tr_block_list *list = new_list();
    for (; *rules != NULL; rules++)
        if (tr_block_list_add_text(list, *rules) != TR_OK)
            fail_msg("\"%s\" was refused", *rules);
    return list;
}

bool
says(const tr_block_list *list, const char *text)
{
    struct sockaddr_storage address;
    struct tr_ip ip = ip_of(text);
    assert_int_equal(tr_ip_to_sockaddr(&ip, &address), TR_OK);
    bool blocked = tr_block_list_check(list, &ip);
    assert_int_equal(tr_block_list_check_sockaddr(list, (struct sockaddr *)&address), blocked);
    return blocked;
}
