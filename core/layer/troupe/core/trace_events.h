/*
 * The events that the core records.
 *
 * Each layer has such a table, and nothing else in the header, since the readers of traces include it, too. From a row
 * come the event's number and its description in the files, the function that records it, tri_trace_<name>() (trace.h),
 * and what the trace command knows of it. X(id, name, actor, flags, arg, message, doc): every event has the four
 * fields, and a row says of each what it is and what it is called:
 *
 *   NOTHING  without a meaning, always 0         REF      an actor, 0: none
 *   NUMBER                                       MESSAGE  the id of a message
 *   STATUS   a tr_status                         PARCEL   the id of what goes from process to process
 *                                                TAG      the tag of a message
 *   NAME     the number of a name                WORD     a number that stands for a word, in the list that follows:
 *                                                         (WORD, how, stop_modes) is one of TRI_TRACE_WORDS_stop_modes
 *
 * A NUMBER may have such a list, too, of values that are no numbers but stand for a word.
 *
 * A table has a part for each category of events, which can be switched off while the program runs (trace_row.h).
 * Numbers are never used again, and names are lower case and underscores: old traces stay readable.
 */
#ifndef TROUPE_CORE_TRACE_EVENTS_H
#define TROUPE_CORE_TRACE_EVENTS_H

#define TRI_TRACE_WORDS_no_cpu(X) X(0xffffffff, none)
#define TRI_TRACE_WORDS_switches(X) X(0, as_others) X(1, on) X(2, off)

/* As Linux numbers them. */
#define TRI_TRACE_WORDS_fatal_signals(X) X(4, sigill) X(6, sigabrt) X(7, sigbus) X(8, sigfpe) X(11, sigsegv)

/* Recorded whatever is switched off. */
#define TRI_TRACE_ALWAYS_EVENTS(X)                                                                                     \
    X(TRI_TRACE_CORE + 0, lost, (NOTHING, ), (NOTHING, ), (NUMBER, events), (NOTHING, ),                               \
      "arg events were lost here because no segment was free")                                                         \
    X(TRI_TRACE_CORE + 1, worker_start, (NOTHING, ), (NOTHING, ), (NUMBER, cpu, no_cpu), (NOTHING, ),                  \
      "a worker began; arg is its cpu, or 0xffffffff if it is not pinned")                                             \
    X(TRI_TRACE_CORE + 2, worker_stop, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NOTHING, ), "a worker ended")           \
    X(TRI_TRACE_CORE + 12, switched, (REF, actor), (WORD, how, switches), (NUMBER, categories), (NOTHING, ),           \
      "from now on the events of actor are recorded as the word in flags says; with actor 0, those of the categories " \
      "whose bits are in arg: 1 messages, 2 actors, 4 timers, 8 workers, 16 servers, 32 sockets, 64 marks")            \
    X(TRI_TRACE_CORE + 14, attached, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NUMBER, messages),                        \
      "the recorder was switched on while the program ran: the stream begins in the middle; message is how many "      \
      "message ids it had given before")                                                                               \
    X(TRI_TRACE_CORE + 15, detached, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NOTHING, ),                               \
      "the recorder was switched off while the program ran on: the stream ends in the middle")                         \
    X(TRI_TRACE_CORE + 16, crash, (REF, actor), (WORD, signal, fatal_signals), (TAG, tag), (NUMBER, address),          \
      "a fatal signal has hit the worker, in actor's handler of a message with tag arg; actor 0: in none. message is " \
      "the address at fault, or 0")

#define TRI_TRACE_WORKER_EVENTS(X)                                                                                     \
    X(TRI_TRACE_CORE + 3, sleep, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NOTHING, ),                                   \
      "a worker goes to sleep in its loop")                                                                            \
    X(TRI_TRACE_CORE + 4, wake, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NOTHING, ),                                    \
      "a worker's sleep is over, and the callbacks of its loop that ended it")                                         \
    X(TRI_TRACE_CORE + 5, stall, (REF, actor), (NOTHING, ), (NUMBER, ms), (TAG, tag),                                  \
      "the watchdog found actor in one callback for arg ms; message is the tag it handles. Actor 0: libuv callbacks")  \
    X(TRI_TRACE_CORE + 6, lane_full, (NOTHING, ), (NOTHING, ), (NUMBER, to_worker), (NOTHING, ),                       \
      "the lane to worker arg is full, messages wait on this side")                                                    \
    X(TRI_TRACE_CORE + 7, unpinned, (NOTHING, ), (NOTHING, ), (NUMBER, of_worker), (NUMBER, waited_us),                \
      "worker arg may run on all CPUs of the program: it waited for its own for message us in a tenth of a second")    \
    X(TRI_TRACE_CORE + 8, pinned, (NOTHING, ), (NOTHING, ), (NUMBER, of_worker), (NUMBER, cpu),                        \
      "worker arg is pinned again, to CPU message")                                                                    \
    X(TRI_TRACE_CORE + 9, memory_limit, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NUMBER, bytes),                        \
      "message bytes are in use, the memory limit is reached: the worker sends nothing new and reads nothing")         \
    X(TRI_TRACE_CORE + 10, memory_free, (NOTHING, ), (NOTHING, ), (NOTHING, ), (NUMBER, bytes),                        \
      "message bytes are in use, and the worker goes on")                                                              \
    X(TRI_TRACE_CORE + 13, over_budget, (NOTHING, ), (NOTHING, ), (NUMBER, us), (NUMBER, handled),                     \
      "a worker's turn took arg us and was ended with messages left; message is how many it handled")

#define TRI_TRACE_MARK_EVENTS(X)                                                                                       \
    X(TRI_TRACE_CORE + 11, mark, (REF, actor), (NOTHING, ), (NAME, text), (NUMBER, number),                            \
      "what the program itself says, tr_trace_mark(): arg is a text, message a number; actor 0: a thread outside")

/* All of them. */
#define TRI_TRACE_CORE_EVENTS(X) TRI_TRACE_ALWAYS_EVENTS(X) TRI_TRACE_WORKER_EVENTS(X) TRI_TRACE_MARK_EVENTS(X)

#endif
