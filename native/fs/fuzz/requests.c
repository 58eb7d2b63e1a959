/* A client that sends arbitrary frames gets replies or is cut off; the worker neither crashes nor leaves its root. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/frame.h"
#include "fs/protocol.h"
#include "fs/serve.h"

/* Frames whose type and payload come from the input. Packing is left out: nobody reads its answer here. */
static void append_frames(struct buffer *out, const uint8_t *data, size_t size) {
    static const uint8_t types[] = {
        REQUEST_STAT, REQUEST_READ_FILE, REQUEST_REMOVE_EMPTY, REQUEST_UNPACK, STREAM_DATA, STREAM_END, STREAM_CANCEL, 99};
    while (size > 2) {
        uint8_t type = types[data[0] % sizeof types];
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        struct buffer payload = {0};
        if (data[0] & 0x80) field_append(&payload, FIELD_PATH, data + 2, length);
        else buffer_append(&payload, data + 2, length);
        frame_append(out, type, 1, payload.data, payload.length);
        buffer_free(&payload);
        data += 2 + length;
        size -= 2 + length;
    }
}

static void serve_bytes(int root, const uint8_t *data, size_t size) {
    int pair[2];
    int room = 1 << 20;
    if (size > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (send(pair[0], data, size, MSG_DONTWAIT) == (ssize_t)size) {
        shutdown(pair[0], SHUT_WR);
        serve_connection(root, pair[1]);
    }
    close(pair[0]);
    close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int root = -1;
    if (root < 0) {
        char folder[] = "/tmp/berth-fuzz-XXXXXX";
        if (!mkdtemp(folder)) return 0;
        root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rmdir(folder); /* nothing can be made in it any more */
    }
    struct buffer frames = {0};
    append_frames(&frames, data, size);
    serve_bytes(root, frames.data, frames.length);
    buffer_free(&frames);
    serve_bytes(root, data, size);
    return 0;
}
