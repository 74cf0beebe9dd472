#!/bin/bash
# What the compiler says of typed messages: typed.sh SOURCES BUILD
#   - a protocol with all kinds of rows compiles as C11 and as C++11, without a warning;
#   - a switch that forgets a message, a send of another type an answer of another type, a question that is sent and not
#     asked, and a type that is aligned to more than 8 do not compile.
set -uo pipefail
sources=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

cat >"$work/protocol.h" <<'END'
#include <stdlib.h>
#include <troupe/actors/typed.h>

struct order {
    int item;
};

struct cart {
    int items;
};

#define SHOP(X)                                                                                                        \
    X(SHOP_ORDER, shop_order, VALUE(struct order))                                                                     \
    X(SHOP_PHOTO, shop_photo, SLICE)                                                                                   \
    X(SHOP_CART, shop_cart, MOVED(struct cart, free))                                                                  \
    X(SHOP_CLOSE, shop_close, SIGNAL)                                                                                  \
    X(SHOP_PRICE, shop_price, QUESTION(VALUE(struct order), VALUE(int)))                                               \
    X(SHOP_SWAP, shop_swap, QUESTION(MOVED(struct cart, free), MOVED(struct cart, free)))                              \
    X(SHOP_PRINT, shop_print, QUESTION(SLICE, SIGNAL))

TR_PROTOCOL(shop, SHOP, 1);
END

cat >"$work/whole" <<'END'
#include "protocol.h"

int receive(tr_actor *self, tr_message *message);
int
receive(tr_actor *self, tr_message *message)
{
    struct order answer = {0};
    switch (shop_tag_of(self, message)) {
    case SHOP_ORDER: return shop_order(message)->item;
    case SHOP_PHOTO: tr_slice_release(shop_photo_take(message)); break;
    case SHOP_CART: free(shop_cart_take(message)); break;
    case SHOP_CLOSE: return shop_order_send(self, message->from, &answer) == TR_OK;
    case SHOP_PRICE: return shop_price_reply(self, &shop_price(message)->item) == TR_OK;
    case SHOP_SWAP: return shop_swap_reply(self, shop_swap_take(message)) == TR_OK;
    case SHOP_PRINT: return shop_print_reply(self) == TR_OK;
    case SHOP_NONE: break;
    }
    return 0;
}

void ask(tr_actor *self, tr_ref shop, struct cart *cart, tr_slice text, struct tr_answer *answer);
void
ask(tr_actor *self, tr_ref shop, struct cart *cart, tr_slice text, struct tr_answer *answer)
{
    struct order order = {0};
    const int *price = shop_price_answer(answer->message);
    (void)shop_price_ask(self, shop, &order, NULL);
    (void)shop_swap_ask(self, shop, cart, NULL);
    (void)shop_print_ask(self, shop, text, NULL);
    free(price != NULL ? shop_swap_answer_take(answer->message) : NULL);
}
END

compiles() { # LANGUAGE STANDARD FILE
    local compiler=$CC
    [ "$1" = c ] || compiler=$CXX
    "$compiler" -x "$1" -std="$2" -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only -I"$work" \
        -I"$sources/core/include" -I"$sources/actors/include" "$work/$3" 2>"$work/says"
}

compiles c c11 whole || { cat "$work/says"; echo "a protocol does not compile as C11"; failed=1; }
if [[ -n ${CXX:-} && $CXX != *NOTFOUND ]]; then
    compiles c++ c++11 whole || { cat "$work/says"; echo "a protocol does not compile as C++11"; failed=1; }
fi

refused() { # WHAT SAYS: of the file "wrong"
    if compiles c c11 wrong; then
        echo "compiles: $1"
        failed=1
    elif ! grep -q -- "$2" "$work/says"; then
        cat "$work/says"
        echo "does not compile, but for another reason: $1"
        failed=1
    fi
}

sed '/case SHOP_CLOSE/d; /answer/d' "$work/whole" >"$work/wrong"
refused 'a switch that forgets a message' 'SHOP_CLOSE.*-W.*switch'
sed 's/struct order answer/struct cart answer/' "$work/whole" >"$work/wrong"
refused 'a send of another type' 'incompatible'
sed 's/shop_price_reply(self, &shop_price(message)->item)/shop_price_reply(self, shop_price(message))/' "$work/whole" >"$work/wrong"
refused 'an answer of another type' 'incompatible'
sed 's/(void)shop_price_ask(self, shop, &order, NULL)/(void)shop_price_send(self, shop, \&order)/' "$work/whole" >"$work/wrong"
refused 'a question that is sent' 'shop_price_send'
printf '#include "protocol.h"\n#define WIDE(X) X(WIDE_ONE, wide_one, VALUE(long double))\nTR_PROTOCOL(wide, WIDE, 1);\n' >"$work/wrong"
if echo '_Static_assert(_Alignof(long double) > 8, "");' | "$CC" -x c -std=c11 -fsyntax-only - 2>/dev/null; then
    refused 'a value that is aligned to more than 8 bytes' 'aligned to 8 bytes'
fi
printf '#include "protocol.h"\n#define LESS(X) X(LESS_ONE, less_one, SIGNAL)\nTR_PROTOCOL(less, LESS, -1);\n' >"$work/wrong"
refused 'a protocol whose tags begin below 0' 'from 0 and up'
exit $failed
