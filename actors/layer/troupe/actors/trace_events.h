/*
 * The events that the actors' layer records: a table as in core's trace_events.h.
 *
 * An actor's begin, end and messages are in the stream of its worker. Elsewhere stand what threads outside send, and
 * dead letters: in the stream of the thread that buries them.
 */
#ifndef TROUPE_ACTORS_TRACE_EVENTS_H
#define TROUPE_ACTORS_TRACE_EVENTS_H

/* enum tr_dead_reason */
#define TRI_TRACE_WORDS_dead_reasons(X)                                                                                \
    X(0, no_actor)                                                                                                     \
    X(1, mailbox_full)                                                                                                 \
    X(2, dropped)                                                                                                      \
    X(3, stopped) X(4, init_failed) X(5, late) X(6, expired) X(7, replaced) X(8, bad_message) X(9, memory)

/* enum tr_stop_mode */
#define TRI_TRACE_WORDS_stop_modes(X) X(0, drain) X(1, now) X(2, kill)

/* enum tr_outcome, and what no asker hears */
#define TRI_TRACE_WORDS_ask_outcomes(X)                                                                                \
    X(0, answered) X(1, timed_out) X(2, down) X(3, overloaded) X(4, cancelled) X(5, asker_ended) X(6, not_sent)

#define TRI_TRACE_WORDS_timer_ends(X) X(0, cancelled) X(1, actor_ended)

#define TRI_TRACE_WORDS_presences(X) X(0, lives) X(1, rests)

#define TRI_TRACE_MESSAGE_EVENTS(X)                                                                                    \
    X(TRI_TRACE_ACTORS + 2, send, (REF, actor), (NUMBER, owed), (TAG, tag), (MESSAGE, message),                        \
      "actor (0: a thread outside) sends message with tag arg; flags is 1 if it was owed, for lack of memory: then "   \
      "actor may have ended meanwhile")                                                                                \
    X(TRI_TRACE_ACTORS + 3, receive, (REF, actor), (NUMBER, at_once), (TAG, tag), (MESSAGE, message),                  \
      "actor is given message with tag arg; flags is 1 if the handler before it on its worker returned at this "       \
      "moment, "                                                                                                       \
      "and has no event `handled` of its own")                                                                         \
    X(TRI_TRACE_ACTORS + 4, dead_letter, (REF, actor), (NOTHING, ), (WORD, reason, dead_reasons), (MESSAGE, message),  \
      "message to actor finds nobody; arg is the reason")                                                              \
    X(TRI_TRACE_ACTORS + 11, ask, (REF, actor), (NOTHING, ), (NOTHING, ), (MESSAGE, message),                          \
      "actor asks: message, which it sends next, is a question")                                                       \
    X(TRI_TRACE_ACTORS + 12, ask_over, (REF, actor), (NOTHING, ), (WORD, outcome, ask_outcomes), (MESSAGE, message),   \
      "the question that message was is over; arg is 0 answered, 1 timed out, 2 down, 3 overloaded, 4 cancelled, 5 "   \
      "its "                                                                                                           \
      "asker has ended, 6 it could not be sent")                                                                       \
    X(TRI_TRACE_ACTORS + 13, forward, (REF, actor), (NOTHING, ), (TAG, tag), (NOTHING, ),                              \
      "actor hands a question on: what it sends next, with tag arg, is sent in the name of who asked")                 \
    X(TRI_TRACE_ACTORS + 15, stash, (REF, actor), (NOTHING, ), (NOTHING, ), (MESSAGE, message),                        \
      "actor sets message aside: it is received once more")                                                            \
    X(TRI_TRACE_ACTORS + 20, publish, (REF, actor), (NOTHING, ), (TAG, tag), (NUMBER, members),                        \
      "actor (0: a thread outside) publishes to a group of so many members, with tag arg")                             \
    X(TRI_TRACE_ACTORS + 17, handled, (REF, actor), (NOTHING, ), (TAG, tag), (MESSAGE, message),                       \
      "actor's handler of message, with tag arg, has returned")

#define TRI_TRACE_LIFE_EVENTS(X)                                                                                       \
    X(TRI_TRACE_ACTORS + 0, spawn, (REF, actor), (NOTHING, ), (NAME, behavior), (REF, parent),                         \
      "actor begins; arg is the name of its behavior, message its parent's ref")                                       \
    X(TRI_TRACE_ACTORS + 1, init_failed, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                     \
      "actor was not born; arg is the status")                                                                         \
    X(TRI_TRACE_ACTORS + 5, stop, (REF, actor), (NOTHING, ), (WORD, how, stop_modes), (NOTHING, ),                     \
      "actor is asked to stop; arg is 0 drain, 1 now, 2 kill")                                                         \
    X(TRI_TRACE_ACTORS + 6, stopped, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                              \
      "actor ends: its last event")                                                                                    \
    X(TRI_TRACE_ACTORS + 7, fail, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                            \
      "actor fails; arg is the status")                                                                                \
    X(TRI_TRACE_ACTORS + 8, monitor, (REF, actor), (NOTHING, ), (NOTHING, ), (REF, other),                             \
      "actor begins to monitor another, whose ref is message")                                                         \
    X(TRI_TRACE_ACTORS + 9, unmonitor, (REF, actor), (NOTHING, ), (NOTHING, ), (REF, other),                           \
      "one of actor's monitors of another, whose ref is message, is over without a notice")                            \
    X(TRI_TRACE_ACTORS + 10, down, (REF, actor), (NOTHING, ), (NOTHING, ), (REF, other),                               \
      "actor is about to be given the notice of a monitor: another, whose ref is message, has ended")                  \
    X(TRI_TRACE_ACTORS + 14, become, (REF, actor), (NOTHING, ), (NAME, behavior), (NOTHING, ),                         \
      "actor has another behavior from now on; arg is its name")                                                       \
    X(TRI_TRACE_ACTORS + 16, restart, (REF, actor), (NOTHING, ), (NAME, behavior), (REF, parent),                      \
      "actor, which had ended, begins another life under its name; the fields are those of spawn")                     \
    X(TRI_TRACE_ACTORS + 22, present, (REF, actor), (WORD, how, presences), (NAME, behavior), (REF, parent),           \
      "actor was there when its worker was attached; flags is 1 if it had ended, and rests; else as in spawn")

#define TRI_TRACE_TIMER_EVENTS(X)                                                                                      \
    X(TRI_TRACE_ACTORS + 18, timer, (REF, actor), (NUMBER, periodic), (NUMBER, ms), (NUMBER, timer),                   \
      "actor begins a timer, whose number on its worker is message, for arg ms; flags is 1 if it comes again")         \
    X(TRI_TRACE_ACTORS + 19, timer_fired, (REF, actor), (NUMBER, periodic), (NUMBER, times), (NUMBER, timer),          \
      "the timer of actor sends its message next, unless there is no memory: then it begins again, or fires once "     \
      "more; arg is how often it has fired, flags is 1 if it comes again")                                             \
    X(TRI_TRACE_ACTORS + 21, timer_over, (REF, actor), (NOTHING, ), (WORD, how, timer_ends), (NUMBER, timer),          \
      "the timer of actor is over and does not fire any more; arg is 0 cancelled, 1 its actor has ended")

/* All of them. */
#define TRI_TRACE_ACTORS_EVENTS(X) TRI_TRACE_MESSAGE_EVENTS(X) TRI_TRACE_LIFE_EVENTS(X) TRI_TRACE_TIMER_EVENTS(X)

#endif
