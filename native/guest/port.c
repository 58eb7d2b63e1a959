#include "port.h"

#include <errno.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"

#define CHUNK (64u * 1024)

static void send_queue(struct port *port) {
    while (port->out.length > port->sent) {
        ssize_t count = RETRY(write(port->watch.fd, port->out.data + port->sent, port->out.length - port->sent));
        if (count <= 0) return; /* full, or nobody is connected: the port says when that changes */
        port->sent += (size_t)count;
    }
    buffer_free(&port->out);
    port->sent = 0;
}

/* Hands over the frames that are here; false when the stream is unusable. */
static bool take_frames(struct port *port) {
    size_t at = 0;
    struct frame frame;
    size_t used;
    enum frame_result result;
    while ((result = frame_decode(port->in.data + at, port->in.length - at, GUEST_REQUEST_MAX, &frame, &used)) ==
           FRAME_WHOLE) {
        at += used;
        if (frame.version != PROTOCOL_VERSION) return false;
        port->frame(port, &frame);
    }
    buffer_consume(&port->in, at);
    return result == FRAME_INCOMPLETE;
}

/*
 * The port is watched for changes, not for states: one that no host is connected to reports a hang-up for as long as
 * that lasts, and reads as at its end. So everything is read until nothing is left.
 */
static void on_ready(struct watch *watch, uint32_t events) {
    struct port *port = container_of(watch, struct port, watch);
    (void)events;
    send_queue(port);
    for (;;) {
        uint8_t *room = buffer_reserve(&port->in, CHUNK);
        if (!room) break;
        ssize_t count = RETRY(read(port->watch.fd, room, CHUNK));
        if (count <= 0) return;
        port->in.length += (size_t)count;
        if (!take_frames(port)) break;
    }
    loop_watch(port->loop, &port->watch, 0);
    port->broken(port);
}

int port_open(struct port *port, struct loop *loop, int fd) {
    port->loop = loop;
    port->watch = (struct watch){.fd = fd, .ready = on_ready};
    if (loop_watch(loop, &port->watch, EPOLLIN | EPOLLOUT | EPOLLET) == 0) return 0;
    loop_close(loop, &port->watch);
    return -1;
}

void port_send(struct port *port, uint8_t type, uint16_t id, const void *payload, size_t length) {
    if (frame_append(&port->out, type, id, payload, length) == 0) send_queue(port);
    else log_line("memory is short: a message for the host is lost");
}

void port_refuse(struct port *port, uint16_t id, const struct failure *why) {
    AUTO_BUFFER payload = {0};
    field_append_text(&payload, GUEST_TAG_KIND, why->kind);
    field_append_text(&payload, GUEST_TAG_MESSAGE, why->message);
    port_send(port, GUEST_ERROR, id, payload.data, payload.length);
}

void port_close(struct port *port) {
    loop_close(port->loop, &port->watch);
    buffer_free(&port->in);
    buffer_free(&port->out);
}
