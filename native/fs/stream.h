/* Buffered byte streams: where a tar comes from and where it goes. */
#ifndef BERTH_FS_STREAM_H
#define BERTH_FS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"

#define STREAM_BUFFER 65536

/* Bytes are given to `flush` in pieces of at most STREAM_BUFFER. */
struct sink {
    int (*flush)(void *context, const char *data, size_t size, struct failure *failure);
    void *context;
    size_t used;
    char buffer[STREAM_BUFFER];
};

int sink_write(struct sink *sink, const void *data, size_t size, struct failure *failure);
int sink_flush(struct sink *sink, struct failure *failure);

/* `fill` puts at most STREAM_BUFFER bytes into `buffer` and returns how many: 0 at the end, -1 on failure. */
struct source {
    long (*fill)(void *context, char *buffer, struct failure *failure);
    void *context;
    size_t start, end;
    char buffer[STREAM_BUFFER];
};

/* Points `data` at up to `wanted` next bytes and takes them; returns how many, 0 at the end, -1 on failure. */
long source_take(struct source *source, size_t wanted, const char **data, struct failure *failure);
/* Takes exactly `size` bytes. Returns 1, 0 when the stream ended before the first byte, -1 on failure. */
int source_read(struct source *source, void *data, size_t size, struct failure *failure);
int source_skip(struct source *source, uint64_t size, struct failure *failure);
/* Takes what is left, so that a writer can finish: archives are padded after their end. */
int source_drain(struct source *source, struct failure *failure);

/* Streams over a descriptor, which `context` points at. */
int flush_to_descriptor(void *context, const char *data, size_t size, struct failure *failure);
long fill_from_descriptor(void *context, char *buffer, struct failure *failure);

#endif
