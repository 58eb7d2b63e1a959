/*
 * The json-file log, byte for byte as Docker writes it: one JSON object per line of output, long lines in pieces of
 * 16 KiB of which only the last ends with \n (moby: daemon/logger/copier.go, jsonfilelog, loggerutils/logfile.go).
 */
#ifndef BERTH_CONTAINER_LOG_H
#define BERTH_CONTAINER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/failure.h"

#define LOG_PIECE 16384

enum log_stream { LOG_STDOUT, LOG_STDERR };

/* The line that a stream is in the middle of. */
struct log_line {
    struct buffer text;
    bool continued;      /* pieces of it are in the log */
    uint64_t first_time; /* of those pieces; all have the first one's */
};

struct container_log {
    int file; /* -1: no log */
    const char *path;
    uint64_t size;
    uint64_t max_size; /* 0: never rotated */
    uint64_t max_files;
    struct log_line lines[2];
    struct buffer pending; /* formatted, not yet written */
};

/* `path` must stay valid. Goes on at the end of a log that exists. */
int log_open(struct container_log *log, const char *path, uint64_t max_size, uint64_t max_files, struct failure *why);

void log_write(struct container_log *log, enum log_stream stream, const uint8_t *data, size_t length);

/* Writes the last lines that have no end, and closes. */
void log_close(struct container_log *log);

/* One log line (exported for its tests); `whole` adds the \n. */
int log_format(struct buffer *out, enum log_stream stream, const uint8_t *text, size_t length, bool whole,
               uint64_t time);

#endif
