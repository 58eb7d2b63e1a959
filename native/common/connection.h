/* A framed connection on the event loop: whole frames in, a queue out. */
#ifndef BERTH_CONNECTION_H
#define BERTH_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "failure.h"
#include "frame.h"
#include "loop.h"

struct connection;

struct connection_events {
    /* A frame of our protocol version came. The payload is valid until the handler returns. */
    void (*frame)(struct connection *connection, const struct frame *frame);
    /* The peer has gone or broke the protocol; the owner frees the connection. Called once, from the loop. */
    void (*closed)(struct connection *connection);
    /* The queue is empty again, or connection_ask was called; may be NULL. */
    void (*drained)(struct connection *connection);
};

struct connection {
    struct watch watch;
    struct loop *loop;
    const struct connection_events *events;
    size_t frame_limit;
    struct buffer in;
    struct buffer out;
    size_t sent; /* of `out` */
    bool asked;   /* `drained` is to be called once more */
    bool closing; /* says that it has ended when the queue is empty */
    bool broken;  /* nothing more goes either way */
};

/* Takes `fd` over. -1 when it cannot be watched (the descriptor is closed). */
int connection_open(struct connection *connection, struct loop *loop, int fd, size_t frame_limit,
                    const struct connection_events *events);

/* Never blocks: what the socket does not take is queued. A broken connection reports `closed` from the loop later. */
void connection_send(struct connection *connection, uint8_t type, uint16_t id, const void *payload, size_t length);

/* As connection_send, of bytes that are frames already. */
void connection_send_frames(struct connection *connection, const void *data, size_t length);

/* Has `drained` called as soon as the socket takes more, after other events had their turn. */
void connection_ask(struct connection *connection);

/* Sends an error frame. */
void connection_refuse(struct connection *connection, uint16_t id, const struct failure *why);

/* Bytes that wait for the peer. */
size_t connection_queued(const struct connection *connection);

/*
 * Ends the stream when everything is sent. `closed` is called when the peer has ended its own: closing before would
 * lose what it has not read yet, should it be sending (unix(7): unread data resets the connection).
 */
void connection_finish(struct connection *connection);

/* Closes at once, without calling `closed`. */
void connection_release(struct connection *connection);

#endif
