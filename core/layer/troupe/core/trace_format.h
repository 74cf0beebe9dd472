/*
 * A trace on disk: what the recorder writes and troupe-trace reads. docs/trace-format.md tells it in full.
 *
 * A trace is a directory: a text, `metadata`, that describes everything else in CTF 1.8's language, and files of one
 * packet each. A packet is a struct tri_trace_packet and then, in steps of TRI_TRACE_STEP bytes, events. Its
 * content_size is stored after each event and is the word that counts: what lies beyond it does not exist. Numbers
 * are in the byte order of the machine that wrote them. Files whose names begin with a dot are not part of the trace.
 */
#ifndef TROUPE_CORE_TRACE_FORMAT_H
#define TROUPE_CORE_TRACE_FORMAT_H

#include <inttypes.h>
#include <stdint.h>

#define TRI_TRACE_VERSION 1
#define TRI_TRACE_MAGIC 0xc1fc1fc1u
#define TRI_TRACE_STEP 32u /* events begin at multiples of it */

/* Classes of streams. */
#define TRI_TRACE_CLASS_EVENTS 0u
#define TRI_TRACE_CLASS_NAMES 1u

/* Streams are numbered as the workers are; this one is of all threads that are no workers, and the names'. */
#define TRI_TRACE_OUTSIDE 0xffffu

/* The beginning of every file. Sizes are in bits. */
struct tri_trace_packet {
    uint32_t magic;
    uint8_t uuid[16];   /* of the trace, as in the metadata */
    uint32_t stream_id; /* the class */
    uint64_t stream_instance_id;
    uint64_t timestamp_begin;  /* of the first event */
    uint64_t content_size;     /* up to the end of the last whole event */
    uint64_t packet_size;      /* of the file */
    uint64_t packet_seq_num;   /* counts the packets of one stream; what is missing in front was overwritten, full */
    uint64_t events_discarded; /* of this stream, from its beginning to the end of this packet */
    uint32_t worker;           /* the stream's number again, for people who read with babeltrace2 */
    uint8_t padding[20];
};
_Static_assert(sizeof(struct tri_trace_packet) == 96, "events begin at a multiple of their size");

/* An event of TRI_TRACE_CLASS_EVENTS. */
struct tri_trace_record {
    uint64_t timestamp; /* ticks of the metadata's clock; never decreases in a stream */
    union {
        struct {
            uint16_t id;
            uint16_t flags;
            uint32_t arg;
        };
        uint64_t what; /* the three: TRI_TRACE_WHAT() */
    };
    uint64_t actor;
    uint64_t message;
};
_Static_assert(sizeof(struct tri_trace_record) == TRI_TRACE_STEP, "one event is one step");

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TRI_TRACE_WHAT(id, flags, arg)                                                                                 \
    ((uint64_t)(uint16_t)(id) | (uint64_t)(uint16_t)(flags) << 16 | (uint64_t)(uint32_t)(arg) << 32)
#else
#define TRI_TRACE_WHAT(id, flags, arg)                                                                                 \
    ((uint64_t)(uint16_t)(id) << 48 | (uint64_t)(uint16_t)(flags) << 32 | (uint64_t)(uint32_t)(arg))
#endif

/*
 * A name, of TRI_TRACE_CLASS_NAMES: these 14 bytes, then the text and its zero byte. The next begins at the next step.
 * content_size ends with the last zero byte.
 */
#define TRI_TRACE_NAME_TIMESTAMP 0 /* 64 bits */
#define TRI_TRACE_NAME_ID 8        /* 16 bits: 0 */
#define TRI_TRACE_NAME_NUMBER 10   /* 32 bits, counted from 1 */
#define TRI_TRACE_NAME_TEXT 14
#define TRI_TRACE_NAME_MAX 1000u /* bytes of text; longer names are cut */

/* The name of a tag among the messages of actors of one behavior: likewise, with 18 bytes, among the names. */
#define TRI_TRACE_TAG_NAME 1u          /* its id */
#define TRI_TRACE_TAG_NAME_BEHAVIOR 10 /* 32 bits: the number of the behavior's name, which stands before it */
#define TRI_TRACE_TAG_NAME_TAG 14      /* 32 bits */
#define TRI_TRACE_TAG_NAME_TEXT 18

/* Events that one full packet holds: the last place is kept for the event `lost`. */
#define TRI_TRACE_FULL(bytes) (((bytes) - sizeof(struct tri_trace_packet)) / TRI_TRACE_STEP - 1)

/* An actor's name: 28 bits of generation, 12 of worker, 24 of slot. */
#define TRI_TRACE_REF_GENERATION(ref) ((uint32_t)((uint64_t)(ref) >> 36))
#define TRI_TRACE_REF_WORKER(ref) ((uint32_t)((uint64_t)(ref) >> 24) & 0xfffu)
#define TRI_TRACE_REF_SLOT(ref) ((uint32_t)(ref)&0xffffffu)
#define TRI_TRACE_REF(worker, slot, generation)                                                                        \
    ((uint64_t)(generation) << 36 | (uint64_t)(worker) << 24 | (uint64_t)(slot))

/* How it is written, everywhere: the format, and what goes into it. */
#define TRI_TRACE_REF_FORMAT "%" PRIu32 ":%" PRIu32 ".%" PRIu32
#define TRI_TRACE_REF_WORDS(ref) TRI_TRACE_REF_WORKER(ref), TRI_TRACE_REF_SLOT(ref), TRI_TRACE_REF_GENERATION(ref)

/* A message's id: the stream that made it, and its count there, from 1. */
#define TRI_TRACE_MESSAGE_STREAM(id) ((uint32_t)((uint64_t)(id) >> 48))
#define TRI_TRACE_MESSAGE_COUNT(id) ((uint64_t)(id)&0xffffffffffffu)
#define TRI_TRACE_MESSAGE(stream, count) ((uint64_t)(stream) << 48 | (uint64_t)(count))

#endif
