#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/io.h"

#define PUNCH_STEP (1024u * 1024)

uint64_t spool_length(const struct spool *spool) {
    return spool->written - spool->read + spool->rest.length;
}

bool spool_is_on_disk(const struct spool *spool) {
    return spool->rest.length == 0;
}

static int open_unnamed(void) {
    int file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) return file;
    /* A file system that has no O_TMPFILE. */
    char name[] = "spool-XXXXXX";
    file = mkostemp(name, O_CLOEXEC);
    if (file >= 0) unlink(name);
    return file;
}

/* False when the disk does not take the whole frame: then it has taken nothing. */
static bool write_frame(struct spool *spool, uint8_t type, const void *payload, size_t length) {
    uint8_t header[FRAME_HEADER];
    frame_header(header, type, 0, length);
    const struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof(header)},
                                   {.iov_base = (void *)payload, .iov_len = length}};
    if (spool->file < 0) spool->file = open_unnamed();
    if (spool->file < 0) return false;
    ssize_t count = RETRY(pwritev(spool->file, parts, 2, (off_t)spool->written));
    if (count != (ssize_t)(sizeof(header) + length)) return false;
    spool->written += (uint64_t)count;
    return true;
}

int spool_append(struct spool *spool, uint8_t type, const void *payload, size_t length) {
    if (spool_is_on_disk(spool) && write_frame(spool, type, payload, length)) return 0;
    return frame_append(&spool->rest, type, 0, payload, length);
}

static void give_space_back(struct spool *spool) {
    uint64_t step = spool->read - spool->punched;
    if (step < PUNCH_STEP) return;
    /* Where that cannot be done, the space comes back with the end of the file. */
    fallocate(spool->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)spool->punched, (off_t)step);
    spool->punched = spool->read;
}

/* Of what frames take at the beginning of `data`: the first one, and all that end within `limit`. */
static size_t whole_frames(const uint8_t *data, size_t length, size_t limit) {
    struct frame frame;
    size_t taken = 0, used;
    while (frame_decode(data + taken, length - taken, FRAME_MAX, &frame, &used) == FRAME_WHOLE) {
        if (taken > 0 && taken + used > limit) break;
        taken += used;
    }
    return taken;
}

static int take_rest(struct spool *spool, struct buffer *out, size_t limit) {
    size_t count = whole_frames(spool->rest.data, spool->rest.length, limit);
    if (buffer_append(out, spool->rest.data, count) < 0) return -1;
    buffer_consume(&spool->rest, count);
    return 0;
}

static void close_file(struct spool *spool) {
    close_fd(&spool->file);
    spool->read = spool->written = spool->punched = 0;
}

int spool_take(struct spool *spool, struct buffer *out, size_t limit) {
    uint64_t left = spool->written - spool->read;
    if (left == 0) return take_rest(spool, out, limit);
    size_t whole = 0;
    for (size_t wanted = limit; whole == 0; wanted *= 2) {
        if (wanted > left) wanted = (size_t)left;
        uint8_t *room = buffer_reserve(out, wanted);
        ssize_t count = room ? RETRY(pread(spool->file, room, wanted, (off_t)spool->read)) : -1;
        if (count < 0) return -1;
        whole = whole_frames(room, (size_t)count, limit);
        if (whole == 0 && wanted == left) {
            errno = EIO;
            return -1;
        }
    }
    out->length += whole;
    spool->read += whole;
    if (spool->read == spool->written) close_file(spool);
    else give_space_back(spool);
    return 0;
}

void spool_close(struct spool *spool) {
    close_file(spool);
    buffer_free(&spool->rest);
}
