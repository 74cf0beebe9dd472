/*
 * Banking: tellers let accounts pay each other. The account that pays takes the sum off its balance, keeps the teller's
 * question and asks the other to take the sum. If that one has been closed meanwhile, it puts the sum back. An account
 * has no debts, and may be in many transfers at once, in both directions. Each teller closes an account when it is half
 * through: that pays nobody any more, settles what it has begun, and gives the bank what it has.
 */
#include "random.h"
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ACCOUNTS_MOST 256u
#define BALANCE 100

struct size {
    unsigned accounts, tellers, transfers; /* transfers of each teller */
    uint64_t seed;
};

struct order {
    tr_ref to;
    int64_t sum;
};

/* What became of a teller's transfers. */
struct book {
    uint64_t paid, poor;
    uint64_t lost; /* the account that should have been paid was closed */
    uint64_t gone; /* the one that should have paid */
};

struct total {
    int64_t sum;
    struct book book;
};

#define BANK(X)                                                                                                        \
    X(BANK_PLAY, bank_play, SIGNAL)                                                                                    \
    X(BANK_TRANSFER, bank_transfer, VALUE(struct order))                                                               \
    X(BANK_DEPOSIT, bank_deposit, VALUE(int64_t))                                                                      \
    X(BANK_PAID, bank_paid, SIGNAL)                                                                                    \
    X(BANK_POOR, bank_poor, SIGNAL)                                                                                    \
    X(BANK_LOST, bank_lost, SIGNAL)                                                                                    \
    X(BANK_CLOSE, bank_close, SIGNAL)                                                                                  \
    X(BANK_BALANCE, bank_balance, VALUE(int64_t))                                                                      \
    X(BANK_BOOK, bank_book, VALUE(struct book))                                                                        \
    X(BANK_TOTAL, bank_total, VALUE(struct total))

TR_PROTOCOL(bank, BANK, 1);

/* Accounts. */

struct account {
    int64_t balance;
    unsigned under_way; /* sums that are taken off, and of which nobody has heard yet */
    bool closing;
};

/* One sum on its way. */
struct payment {
    tr_question question;
    struct account *account;
    int64_t sum;
};

static tr_status
account_init(tr_actor *self, void *state, const void *argument)
{
    struct account *account = state;
    (void)self;
    (void)argument;
    account->balance = BALANCE;
    return TR_OK;
}

static void
close_if_settled(tr_actor *self, struct account *account)
{
    if (!account->closing || account->under_way > 0)
        return;
    assert_int_equal(bank_balance_send(self, tr_parent(self), &account->balance), TR_OK);
    tr_exit(self);
}

static void
on_deposited(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct payment *payment = context;
    struct account *account = payment->account;
    if (answer->outcome == TR_ANSWERED) {
        assert_true(bank_paid_fits(answer->message));
        savina_reply_kept(self, &payment->question, bank_paid_message());
    } else {
        assert_int_equal(answer->outcome, TR_DOWN);
        account->balance += payment->sum;
        savina_reply_kept(self, &payment->question, bank_lost_message());
    }
    free(payment);
    account->under_way--;
    close_if_settled(self, account);
}

static void
transfer(tr_actor *self, struct account *account, const struct order *order)
{
    if (account->closing || account->balance < order->sum) {
        savina_reply(self, bank_poor_message());
        return;
    }
    struct payment *payment = malloc(sizeof(*payment));
    assert_non_null(payment);
    *payment = (struct payment){.account = account, .sum = order->sum};
    tr_message deposit = bank_deposit_message(&order->sum);
    struct tr_ask_options options = {.done = on_deposited, .context = payment};
    assert_int_equal(tr_ask(self, order->to, &deposit, &options), TR_OK);
    assert_int_equal(tr_question_keep(self, &payment->question), TR_OK);
    account->balance -= order->sum;
    account->under_way++;
}

static void
account_receive(tr_actor *self, void *state, tr_message *message)
{
    struct account *account = state;
    switch (bank_tag_of(self, message)) {
    case BANK_TRANSFER: transfer(self, account, bank_transfer(message)); break;
    case BANK_DEPOSIT:
        account->balance += *bank_deposit(message);
        savina_reply(self, bank_paid_message());
        break;
    case BANK_CLOSE:
        account->closing = true;
        close_if_settled(self, account);
        break;
    default: fail();
    }
    assert_true(account->balance >= 0);
}

static const struct tr_behavior account_behavior = {
    .name = "account", .state_size = sizeof(struct account), .init = account_init, .receive = account_receive};

/* Tellers. */

struct part {
    struct size size;
    const tr_ref *accounts;
    unsigned number;
};

struct teller {
    struct part part;
    uint64_t seed;
    unsigned begun;
    struct book book;
};

static void on_transfer(tr_actor *self, void *context, const struct tr_answer *answer);

static void
begin(tr_actor *self, struct teller *teller)
{
    const struct part *part = &teller->part;
    unsigned from = random_below(&teller->seed, part->size.accounts);
    unsigned to = (from + 1 + random_below(&teller->seed, part->size.accounts - 1)) % part->size.accounts;
    struct order order = {part->accounts[to], 1 + random_below(&teller->seed, BALANCE)};
    if (teller->begun++ == part->size.transfers / 2)
        assert_int_equal(bank_close_send(self, part->accounts[part->number]), TR_OK);
    savina_ask(self, part->accounts[from], bank_transfer_message(&order), on_transfer);
}

static void
note(struct book *book, const struct tr_answer *answer)
{
    if (answer->outcome != TR_ANSWERED) {
        assert_int_equal(answer->outcome, TR_DOWN);
        book->gone++;
        return;
    }
    switch (bank_peek(answer->message)) {
    case BANK_PAID: book->paid++; break;
    case BANK_POOR: book->poor++; break;
    case BANK_LOST: book->lost++; break;
    default: fail();
    }
}

static void
on_transfer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct teller *teller = context;
    note(&teller->book, answer);
    if (teller->begun < teller->part.size.transfers) {
        begin(self, teller);
        return;
    }
    assert_int_equal(bank_book_send(self, tr_parent(self), &teller->book), TR_OK);
    tr_exit(self);
}

static tr_status
teller_init(tr_actor *self, void *state, const void *argument)
{
    struct teller *teller = state;
    teller->part = *(const struct part *)argument;
    teller->seed = teller->part.size.seed + teller->part.number;
    begin(self, teller);
    return TR_OK;
}

static const struct tr_behavior teller_behavior = {
    .name = "teller", .state_size = sizeof(struct teller), .init = teller_init, .receive = ignore};

/* The bank. */

struct bank {
    struct size size;
    struct savina_play play;
    tr_ref accounts[ACCOUNTS_MOST];
    struct total total;
    unsigned books;
};

static tr_status
bank_init(tr_actor *self, void *state, const void *argument)
{
    struct bank *bank = state;
    bank->size = *(const struct size *)argument;
    for (unsigned i = 0; i < bank->size.accounts; i++)
        bank->accounts[i] = savina_cast(self, &bank->play, &account_behavior, i, NULL, 0);
    return TR_OK;
}

static void
play(tr_actor *self, struct bank *bank)
{
    savina_begin(self, &bank->play);
    for (unsigned i = 0; i < bank->size.tellers; i++) {
        struct part part = {bank->size, bank->accounts, i};
        savina_cast(self, &bank->play, &teller_behavior, i, &part, sizeof(part));
    }
}

static void
add_book(tr_actor *self, struct bank *bank, const struct book *book)
{
    struct book *total = &bank->total.book;
    total->paid += book->paid;
    total->poor += book->poor;
    total->lost += book->lost;
    total->gone += book->gone;
    if (++bank->books < bank->size.tellers)
        return;
    for (unsigned i = bank->size.tellers; i < bank->size.accounts; i++)
        assert_int_equal(bank_close_send(self, bank->accounts[i]), TR_OK);
}

static void
one_has_ended(tr_actor *self, struct bank *bank, const tr_message *message)
{
    savina_one_has_ended(&bank->play, message);
    if (bank->play.cast == 0)
        savina_end(self, &bank->play, bank_total_message(&bank->total));
}

static void
bank_receive(tr_actor *self, void *state, tr_message *message)
{
    struct bank *bank = state;
    switch (bank_tag_of(self, message)) {
    case BANK_PLAY: play(self, bank); break;
    case BANK_BOOK: add_book(self, bank, bank_book(message)); break;
    case BANK_BALANCE: bank->total.sum += *bank_balance(message); break;
    default: one_has_ended(self, bank, message);
    }
}

static const struct tr_behavior bank_behavior = {
    .name = "bank", .state_size = sizeof(struct bank), .init = bank_init, .receive = bank_receive};

static void
program(tr_runtime *runtime, const void *argument)
{
    const struct size *size = argument;
    tr_message answer = savina_direct(runtime, &bank_behavior, size, sizeof(*size), bank_play_message());
    const struct total *total = bank_total(&answer);
    assert_non_null(total);
    const struct book *book = &total->book;
    assert_int_equal(total->sum, BALANCE * size->accounts);
    assert_int_equal(book->paid + book->poor + book->lost + book->gone, size->tellers * size->transfers);
    savina_expect_dead(book->lost + book->gone);
    tr_message_drop(&answer);
}

static void
banking_keeps_the_sum_of_all_accounts_also_while_some_are_closed_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.accounts = 100, .tellers = 10, .transfers = 300, .seed = 12});
}

static void
banking_keeps_the_sum_of_all_accounts_also_while_some_are_closed_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.accounts = 6, .tellers = 4, .transfers = 12, .seed = 12});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(banking_keeps_the_sum_of_all_accounts_also_while_some_are_closed_on_many_workers),
        cmocka_unit_test(banking_keeps_the_sum_of_all_accounts_also_while_some_are_closed_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
