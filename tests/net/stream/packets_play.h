/*
 * A client that writes bytes and files, and what the kernel says has left.
 */
#ifndef TESTS_PACKETS_PLAY_H
#define TESTS_PACKETS_PLAY_H

#include "cast.h"

#include <linux/tcp.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD 100u
#define FILE_SIZE 1024u
#define BIG 300000u /* more than the narrow socket's kernel takes */

extern int watched; /* a duplicate of the client's descriptor */
extern int packets_file, wrong_file;

/* How many bytes a letter stands for, and which. */
size_t size_of(char letter);
const char *bytes_of(char letter);

/* Before and after all tests: the files. */
int packets_set_up(void **state);
int packets_tear_down(void **state);
struct tcp_info tcp_info_of(int fd);

/* Bytes that the kernel has not sent. */
int unsent(int fd);

/* What the client writes: bytes of a letter, a part of the file, the first bytes, and these with the file. */
void put_bytes(char letter);
tr_status put_file(uint64_t offset, uint64_t length);
void put_head(void);
void put_head_and_file(void);

extern uint32_t segments_before;

#endif
