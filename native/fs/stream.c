#include "fs/stream.h"
#include "fs/fail-call.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int sink_write(struct sink *sink, const void *data, size_t size, struct failure *failure) {
    const char *from = data;
    while (size) {
        size_t room = STREAM_BUFFER - sink->used;
        size_t piece = size < room ? size : room;
        memcpy(sink->buffer + sink->used, from, piece);
        sink->used += piece;
        from += piece;
        size -= piece;
        if (sink->used == STREAM_BUFFER && sink_flush(sink, failure) < 0) return -1;
    }
    return 0;
}

int sink_flush(struct sink *sink, struct failure *failure) {
    size_t size = sink->used;
    sink->used = 0;
    return size ? sink->flush(sink->context, sink->buffer, size, failure) : 0;
}

long source_take(struct source *source, size_t wanted, const char **data, struct failure *failure) {
    if (source->start == source->end) {
        long got = source->fill(source->context, source->buffer, failure);
        if (got <= 0) return got;
        source->start = 0;
        source->end = (size_t)got;
    }
    size_t present = source->end - source->start;
    size_t taken = wanted < present ? wanted : present;
    *data = source->buffer + source->start;
    source->start += taken;
    return (long)taken;
}

int source_read(struct source *source, void *data, size_t size, struct failure *failure) {
    size_t done = 0;
    while (done < size) {
        const char *piece;
        long got = source_take(source, size - done, &piece, failure);
        if (got < 0) return -1;
        if (got == 0) return done == 0 ? 0 : fail(failure, FAILURE_INVALID, "the archive ends too early");
        memcpy((char *)data + done, piece, (size_t)got);
        done += (size_t)got;
    }
    return 1;
}

int source_skip(struct source *source, uint64_t size, struct failure *failure) {
    while (size) {
        const char *piece;
        long got = source_take(source, size < STREAM_BUFFER ? (size_t)size : STREAM_BUFFER, &piece, failure);
        if (got < 0) return -1;
        if (got == 0) return fail(failure, FAILURE_INVALID, "the archive ends too early");
        size -= (uint64_t)got;
    }
    return 0;
}

int source_drain(struct source *source, struct failure *failure) {
    for (;;) {
        const char *piece;
        long got = source_take(source, STREAM_BUFFER, &piece, failure);
        if (got <= 0) return (int)got;
    }
}

int flush_to_descriptor(void *context, const char *data, size_t size, struct failure *failure) {
    int descriptor = *(int *)context;
    while (size) {
        ssize_t written = write(descriptor, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_call(failure, "the archive cannot be written");
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

long fill_from_descriptor(void *context, char *buffer, struct failure *failure) {
    int descriptor = *(int *)context;
    for (;;) {
        ssize_t got = read(descriptor, buffer, STREAM_BUFFER);
        if (got >= 0) return got;
        if (errno != EINTR) return fail_call(failure, "the archive cannot be read");
    }
}
