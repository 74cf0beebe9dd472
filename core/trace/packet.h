/*
 * A packet while it is written: how it begins, and how it grows.
 *
 * The file is the memory: when the process is killed, the system keeps what was stored. The order of the stores makes
 * it readable: what is written is whole before content_size counts it.
 *
 * Thread: that of the stream whose packet it is; for the names', under the lock of names.
 */
#ifndef TROUPE_CORE_TRACE_PACKET_H
#define TROUPE_CORE_TRACE_PACKET_H

#include <stdint.h>
#include <string.h>
#include <troupe/core/trace_format.h>
#include <troupe/core/trace_stream.h>

#include "segment.h"

/* A packet of no content, in a segment that is not shown yet. lost: events of the stream that were lost before it. */
static inline void
tri_packet_begin(const struct tri_segments *segments, struct tri_segment *segment, const uint8_t uuid[16],
                 unsigned class, unsigned number, uint64_t lost)
{
    struct tri_trace_packet *packet = segment->packet;
    memset(packet, 0, sizeof(*packet));
    packet->magic = TRI_TRACE_MAGIC;
    memcpy(packet->uuid, uuid, sizeof(packet->uuid));
    packet->stream_id = class;
    packet->stream_instance_id = number;
    packet->packet_size = (uint64_t)segments->bytes * 8;
    packet->packet_seq_num = segment->sequence;
    packet->events_discarded = lost;
    packet->worker = number;
}

#endif
