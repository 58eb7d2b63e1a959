/* The port to the host: whole frames in, a queue out. A character device, or a socket in tests. */
#ifndef BERTH_GUEST_PORT_H
#define BERTH_GUEST_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/frame.h"
#include "common/loop.h"

struct port {
    struct watch watch;
    struct loop *loop;
    struct buffer in;
    struct buffer out;
    size_t sent; /* of `out` */
    /* A frame of our protocol version came; its payload is valid until the handler returns. */
    void (*frame)(struct port *port, const struct frame *frame);
    /* The host broke the protocol: nothing that comes can be understood any more. */
    void (*broken)(struct port *port);
};

/* Takes `fd` over, which does not block. `frame` and `broken` are set by the caller before. */
int port_open(struct port *port, struct loop *loop, int fd);

/* Never blocks: what the port does not take is queued. */
void port_send(struct port *port, uint8_t type, uint16_t id, const void *payload, size_t length);

/* Sends an error frame in place of an answer. */
void port_refuse(struct port *port, uint16_t id, const struct failure *why);

void port_close(struct port *port);

#endif
