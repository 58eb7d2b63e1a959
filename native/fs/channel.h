/* A blocking framed socket. */
#ifndef BERTH_FS_CHANNEL_H
#define BERTH_FS_CHANNEL_H

#include <stdbool.h>

#include "common/buffer.h"
#include "common/frame.h"

struct channel {
    int socket;
    struct buffer in;
    size_t used; /* by the frame that was returned last */
    bool broken; /* the peer has gone or broke the protocol */
};

/* Waits for the next frame, valid until the next call. False when there will be none: the channel is broken. */
bool channel_receive(struct channel *channel, struct frame *frame);
/* Whether something from the peer is here or the peer has gone, so that channel_receive() would not wait long. */
bool channel_is_readable(const struct channel *channel);
/* False, and the channel is broken, when the peer has gone. */
bool channel_send(struct channel *channel, uint8_t type, uint16_t id, const void *payload, size_t length);

#endif
