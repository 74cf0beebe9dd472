/*
 * What the programs of the Savina suite share (github.com/shamsimam/savina), by which actor libraries are compared.
 *
 * Each has a director, an actor that is asked from outside to play. It spawns the cast, and answers with what came of
 * it when the last one has ended. A program is played by a function of the test, which knows the answer: on workers
 * with threads, and in a simulated runtime under many seeds. Whatever it did, no actor is left of it afterwards, and
 * there was no word that nobody heard.
 */
#ifndef TESTS_SAVINA_H
#define TESTS_SAVINA_H

#include "stage.h"

#include <troupe/actors/ask.h>
#include <troupe/actors/typed.h>
#include <troupe/actors/watch.h>

/* Plays a program of that size and checks its answer. */
typedef void savina_program(tr_runtime *runtime, const void *size);

/* Plays it on 1, 2 and 4 workers. */
void savina_on_workers(savina_program *program, const void *size);

/* Plays it under 1,000 seeds, on 1 to 4 simulated workers: see seeded.h. */
void savina_under_seeds(savina_program *program, const void *size);

/* Spawns the director with a copy of size bytes, asks it, and gives its answer, which the caller drops. */
tr_message savina_direct(tr_runtime *runtime, const struct tr_behavior *director, const void *argument, size_t size,
                         tr_message question);

/* Of a program that sends some messages in vain: so many must have become dead letters, and not one more. */
void savina_expect_dead(uint64_t count);

/* What a director knows of its play. */
struct savina_play {
    tr_question question;
    unsigned cast; /* how many of it there are, and have not ended */
};

/* Keeps the question that is being handled: it is that for the play. */
void savina_begin(tr_actor *director, struct savina_play *play);

/* Spawns one of the cast with a copy of size bytes, and monitors it. Numbers in a row come to all placements in turn.
 * */
tr_ref savina_cast(tr_actor *director, struct savina_play *play, const struct tr_behavior *behavior, unsigned number,
                   const void *argument, size_t size);

/* Takes the notice that one of the cast has ended, as it wanted; the test fails if it is another message. */
void savina_one_has_ended(struct savina_play *play, const tr_message *message);

/* All of the cast have ended: the director answers, and ends too. */
void savina_end(tr_actor *director, struct savina_play *play, tr_message answer);

/* Sends, asks and answers; the message moves, and the test fails if it is refused. */
void savina_send(tr_actor *self, tr_ref to, tr_message message);
void savina_ask(tr_actor *self, tr_ref to, tr_message question,
                void (*done)(tr_actor *self, void *context, const struct tr_answer *answer));
void savina_reply(tr_actor *self, tr_message answer);
void savina_reply_kept(tr_actor *self, tr_question *question, tr_message answer);

/* Questions that wait in a line, each with a number. */
#define SAVINA_LINE 256u

struct savina_line {
    struct savina_kept {
        tr_question question;
        uint64_t number;
    } at[SAVINA_LINE];
    unsigned first, count;
};

/* Keeps the question that is being handled: it is the last in the line. */
void savina_line_keep(tr_actor *self, struct savina_line *line, uint64_t number);

/* Takes the first out of the line, which is not empty. */
struct savina_kept savina_line_take(struct savina_line *line);

#endif
