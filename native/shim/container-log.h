/*
 * The container's log: lines put together from its output, long ones in pieces of 16 KiB of which only the last ends the
 * line (moby: daemon/logger/copier.go), in files of one of two formats, and in messages to a receiver.
 */
#ifndef BERTH_CONTAINER_LOG_H
#define BERTH_CONTAINER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/plan.h"
#include "log-files.h"
#include "log-message.h"
#include "log-send.h"

#define LOG_PIECE 16384

/* The line that a stream is in the middle of. */
struct log_line {
    struct buffer text;
    bool continued;      /* pieces of it are in the log */
    uint64_t first_time; /* of those pieces; all have the first one's */
};

struct container_log {
    enum log_driver driver;
    const struct buffer *attributes; /* of every message, in the driver's format */
    struct log_files files;
    struct log_send send;
    struct log_line lines[2];
    struct buffer pending; /* formatted, not yet written */
};

/* The plan must stay valid. Goes on at the end of a log that exists. */
int log_open(struct container_log *log, const struct plan *plan, struct failure *why);

void log_write(struct container_log *log, enum log_stream stream, const uint8_t *data, size_t length);

/* Writes the last lines that have no end, and closes. */
void log_close(struct container_log *log);

#endif
