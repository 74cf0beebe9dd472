/*
 * A crew: a cluster in a process of its own, whose children do what the test tells them.
 *
 *   test --forks--> the cluster's parent --forks--> children
 *
 * The test has no threads, so it can fork; nor has the parent. Each child has a runtime of one worker and, on its main
 * thread, reads orders of the test, one at a time, each of which it answers with a line:
 *
 *   listen NAME HOST PORT [x] [b BACKLOG] [6]           "ok PORT" or the code of what has failed
 *   listen NAME PATH [x] [s] [w]                    the same, "ok 0"
 *   close NAME                                      "ok", when the close event has come
 *   who                                             its process
 *   fds                                             how many descriptors it has
 *   limit MORE                                      it may have so many descriptors more than now: "ok"
 *   actors                                          how many actors are alive in its runtime
 *   cd DIRECTORY                                    "ok"
 *   take                                            begins to deliver messages: "ok"
 *                                                   a descriptor that comes with "leave" is not taken
 *   message                                         the next one: "FROM TEXT", or "FROM TEXT fd:TEXT" of what is in it
 *   send TO TEXT                                    "ok", or a code; "parent" is the parent
 *   pass TO TEXT                                    the same with a file in which TEXT is
 *   fill TO                                         sends messages until one is refused: "COUNT CODE"
 *   lend TO                                         sends both ends of a pair: the first to TO, text over the second
 *   nonsense small|large|fds CHANNEL                says nonsense to the parent over one of its channels: no answer
 *   forge word|peer|size|fds                        sends the parent a message in which that is wrong: no answer
 *   flood TO COUNT                                  sends numbered messages, of the largest size: "ok"
 *   words COUNT                                     tells the parent "word" so many times, and dies: no answer
 *   oversize                                        sends what cannot be sent: the codes of four calls
 *   die                                             by SIGKILL: no answer
 *   wait                                            tr_cluster_child_wait(), then ends the runtime: "stopped RESULT"
 *   hold                                            as wait, but never ends
 *   exit STATUS                                     no answer
 *
 * Its connections get the line "NUMBER PROCESS", and then what they send comes back; "die" kills the child, "give N"
 * hands the connection on to another one, which begins with its own line.
 *
 * The parent tells what its callbacks are told, as lines: "started 0", "ended 0 status 3", "ended 0 signal 9",
 * "given up 0", "message 0 TEXT", "over CODE FDS": its end, and how many more descriptors it has than before. It obeys
 * messages: "stop", "restart", "fds" (says "fds COUNT"), "echo TEXT" (sends it back, with the descriptor that came).
 */
#ifndef TESTS_NET_CREW_H
#define TESTS_NET_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/net/cluster.h>

#define CREW_MOST 4u

struct crew {
    int process; /* the cluster's parent */
    unsigned count;
    int orders[CREW_MOST];
    int words;
    char answer[512], word[512];
};

/* Starts one. options gives what is not the crew's own: children, scheduling, times. */
void crew_start(struct crew *crew, struct tr_cluster_options options);

/* Gives an order and its answer, which is valid until the next one. Fails the test if none comes. */
const char *crew_ask(struct crew *crew, unsigned child, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same in two steps. */
void crew_tell(struct crew *crew, unsigned child, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *crew_answer(struct crew *crew, unsigned child);

/* The next word of the parent. Fails the test if none comes. */
const char *crew_word(struct crew *crew);

/* Waits for this one; others are passed over. */
void crew_await(struct crew *crew, const char *word);

/* Makes a child listen on 127.0.0.1 and a port of the system's. Fails the test if it does not. */
uint16_t crew_listen(struct crew *crew, unsigned child);

/* The process of a child. */
int crew_child(struct crew *crew, unsigned child);

/* Stops a child with all its threads, as SIGSTOP does. Returns its process. */
int crew_freeze(struct crew *crew, unsigned child);

/* Connects and reads the first line: which child, and its process. Returns the descriptor. Fails the test if there is
 * no such line. */
int crew_connect(uint16_t port, unsigned *child, int *process);
bool crew_read_line(int fd, char *line, size_t size);

/* Does nobody listen on this uint16_t? For tests_wait_until(). */
bool crew_is_refused(void *port);

/* Does what is sent come back? */
bool crew_is_alive(int fd);

/* Ends it: the children return 0 when their orders end. Fails the test unless the parent ends with that code, and with
 * no descriptor more than at its beginning. */
void crew_end(struct crew *crew, const char *code);

/* Waits for that end, without making it. */
void crew_await_end(struct crew *crew, const char *code);

#endif
