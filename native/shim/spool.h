/*
 * What a client that falls behind has not read yet: frames in a file without a name in the container's folder, so that
 * the container need not wait for the client. json-file could not serve it: it does not keep bytes that are no UTF-8.
 */
#ifndef BERTH_SPOOL_H
#define BERTH_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

struct spool {
    int file; /* -1: empty, and no file */
    uint64_t read;
    uint64_t written;
    uint64_t punched; /* up to here the disk has its space back */
    struct buffer rest; /* comes behind the file: what a full disk did not take */
};

uint64_t spool_length(const struct spool *spool);

/* Whether the disk took everything; if not, memory holds the rest, and no more should come. */
bool spool_is_on_disk(const struct spool *spool);

/* Appends one frame; -1 when memory is short. */
int spool_append(struct spool *spool, uint8_t type, const void *payload, size_t length);

/*
 * Moves the oldest frames to the end of `out`: those that take at most `limit` bytes, or one that is longer. Each is moved whole, as
 * answers to the client go in between. -1 when they cannot be read.
 */
int spool_take(struct spool *spool, struct buffer *out, size_t limit);

void spool_close(struct spool *spool);

#endif
