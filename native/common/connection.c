#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"
#include "protocol.h"

static void update_watch(struct connection *connection) {
    uint32_t events = connection_queued(connection) > 0 || connection->asked ? EPOLLOUT : 0;
    /* What comes after the end was asked for is only thrown away: that can wait until everything is sent. */
    if (!connection->closing || events == 0) events |= EPOLLIN;
    loop_watch(connection->loop, &connection->watch, events);
}

static void break_off(struct connection *connection) {
    buffer_free(&connection->out);
    connection->sent = 0;
    connection->closing = true;
    connection->broken = true;
    shutdown(connection->watch.fd, SHUT_RDWR);
    update_watch(connection);
}

/* Everything is sent: the peer sees the end, and we wait for its. */
static void end_stream(struct connection *connection) {
    shutdown(connection->watch.fd, SHUT_WR);
    update_watch(connection);
}

/* Throws away what the peer still sends; false at its end. */
static bool discard(const struct connection *connection) {
    uint8_t nobody[4096];
    ssize_t count = RETRY(recv(connection->watch.fd, nobody, sizeof(nobody), 0));
    return count > 0 || (count < 0 && errno == EAGAIN);
}

static void send_queue(struct connection *connection) {
    while (connection_queued(connection) > 0) {
        ssize_t count = RETRY(send(connection->watch.fd, connection->out.data + connection->sent,
                                   connection_queued(connection), MSG_NOSIGNAL));
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) {
            break_off(connection);
            return;
        }
        connection->sent += (size_t)count;
    }
    buffer_free(&connection->out);
    connection->sent = 0;
}

static void refuse_version(struct connection *connection, const struct frame *frame) {
    struct failure why;
    fail(&why, FAILURE_NOT_IMPLEMENTED, "protocol version %u is not spoken here (this is version %u)", frame->version,
         PROTOCOL_VERSION);
    connection_refuse(connection, frame->id, &why);
    connection_finish(connection);
}

/* Hands over the frames that are here; false when the stream is unusable. */
static bool take_frames(struct connection *connection) {
    size_t at = 0;
    enum frame_result result = FRAME_INCOMPLETE;
    while (!connection->closing) {
        struct frame frame;
        size_t used;
        result = frame_decode(connection->in.data + at, connection->in.length - at, connection->frame_limit, &frame,
                              &used);
        if (result != FRAME_WHOLE) break;
        at += used;
        if (frame.version != PROTOCOL_VERSION) {
            refuse_version(connection, &frame);
        } else {
            connection->events->frame(connection, &frame);
        }
    }
    buffer_consume(&connection->in, at);
    return result != FRAME_IMPOSSIBLE;
}

/* False when the connection has ended. */
static bool receive(struct connection *connection) {
    uint8_t *room = buffer_reserve(&connection->in, 16384);
    if (!room) return false;
    ssize_t count = RETRY(recv(connection->watch.fd, room, 16384, 0));
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    connection->in.length += (size_t)count;
    return take_frames(connection);
}

static void on_ready(struct watch *watch, uint32_t events) {
    struct connection *connection = container_of(watch, struct connection, watch);
    if (connection->broken) {
        connection->events->closed(connection);
        return;
    }
    if (connection->closing && connection_queued(connection) == 0) {
        if (!discard(connection)) connection->events->closed(connection);
        return;
    }
    if (events & EPOLLOUT) {
        send_queue(connection);
        if (connection_queued(connection) == 0 && connection->closing) {
            end_stream(connection);
            return;
        }
        if (connection_queued(connection) == 0 && connection->events->drained) {
            connection->asked = false;
            connection->events->drained(connection);
        }
    }
    bool gone = events & (EPOLLERR | EPOLLHUP);
    if ((events & EPOLLIN) && !connection->closing) gone = !receive(connection);
    if (gone) {
        connection->events->closed(connection);
        return;
    }
    update_watch(connection);
}

int connection_open(struct connection *connection, struct loop *loop, int fd, size_t frame_limit,
                    const struct connection_events *events) {
    *connection = (struct connection){
        .watch = {.fd = fd, .ready = on_ready}, .loop = loop, .events = events, .frame_limit = frame_limit};
    if (loop_watch(loop, &connection->watch, EPOLLIN) == 0) return 0;
    loop_close(loop, &connection->watch);
    return -1;
}

void connection_send(struct connection *connection, uint8_t type, uint16_t id, const void *payload, size_t length) {
    if (connection->closing) return;
    if (frame_append(&connection->out, type, id, payload, length) < 0) {
        break_off(connection);
        return;
    }
    send_queue(connection);
    update_watch(connection);
}

void connection_send_frames(struct connection *connection, const void *data, size_t length) {
    if (connection->closing) return;
    if (buffer_append(&connection->out, data, length) < 0) {
        break_off(connection);
        return;
    }
    send_queue(connection);
    update_watch(connection);
}

void connection_ask(struct connection *connection) {
    connection->asked = true;
    update_watch(connection);
}

void connection_refuse(struct connection *connection, uint16_t id, const struct failure *why) {
    AUTO_BUFFER payload = {0};
    field_append_text(&payload, TAG_KIND, why->kind);
    field_append_text(&payload, TAG_MESSAGE, why->message);
    connection_send(connection, MESSAGE_ERROR, id, payload.data, payload.length);
}

size_t connection_queued(const struct connection *connection) {
    return connection->out.length - connection->sent;
}

void connection_finish(struct connection *connection) {
    if (connection->closing) return;
    connection->closing = true;
    if (connection_queued(connection) == 0) end_stream(connection);
    else update_watch(connection);
}

void connection_release(struct connection *connection) {
    loop_close(connection->loop, &connection->watch);
    buffer_free(&connection->in);
    buffer_free(&connection->out);
}
