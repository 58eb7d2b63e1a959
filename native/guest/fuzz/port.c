/* A host that sends noise: each frame is taken whole, and the port notices when nothing can be understood any more. */
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "guest/port.h"

static void on_frame(struct port *port, const struct frame *frame) {
    static volatile uint8_t sum;
    for (size_t at = 0; at < frame->length; at++) sum = (uint8_t)(sum + frame->payload[at]);
    port_send(port, frame->type, frame->id, frame->payload, frame->length);
}

static void on_broken(struct port *port) {
    (void)port;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct port port = {.frame = on_frame, .broken = on_broken};
    struct loop loop;
    int pair[2];
    if (size > 65536 || loop_open(&loop) < 0) return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        set_nonblocking(pair[0]);
        set_nonblocking(pair[1]);
        if (port_open(&port, &loop, pair[1]) == 0) {
            size_t half = size / 2;
            if (write(pair[0], data, half) == (ssize_t)half) port.watch.ready(&port.watch, EPOLLIN);
            if (port.watch.added && write(pair[0], data + half, size - half) > 0) port.watch.ready(&port.watch, EPOLLIN);
            port_close(&port);
        }
        close(pair[0]);
    }
    close(loop.epoll);
    return 0;
}
