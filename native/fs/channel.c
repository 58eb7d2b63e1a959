#include "fs/channel.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/io.h"
#include "fs/stream.h"

/* The longest payload from berthd: a piece of a stream, or a few fields. */
#define PAYLOAD_LIMIT STREAM_BUFFER

static bool break_channel(struct channel *channel) {
    channel->broken = true;
    return false;
}

bool channel_receive(struct channel *channel, struct frame *frame) {
    if (channel->broken) return false;
    buffer_consume(&channel->in, channel->used);
    channel->used = 0;
    for (;;) {
        switch (frame_decode(channel->in.data, channel->in.length, PAYLOAD_LIMIT, frame, &channel->used)) {
        case FRAME_WHOLE: return frame->version == PROTOCOL_VERSION || break_channel(channel);
        case FRAME_IMPOSSIBLE: return break_channel(channel);
        case FRAME_INCOMPLETE: break;
        }
        uint8_t *room = buffer_reserve(&channel->in, PAYLOAD_LIMIT);
        if (!room) return break_channel(channel);
        ssize_t got = RETRY(recv(channel->socket, room, PAYLOAD_LIMIT, 0));
        if (got <= 0) return break_channel(channel);
        channel->in.length += (size_t)got;
    }
}

bool channel_is_readable(const struct channel *channel) {
    char byte;
    if (channel->broken || channel->in.length > channel->used) return true;
    ssize_t got = recv(channel->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

bool channel_send(struct channel *channel, uint8_t type, uint16_t id, const void *payload, size_t length) {
    uint8_t header[FRAME_HEADER];
    if (channel->broken) return false;
    frame_header(header, type, id, length);
    if (write_all(channel->socket, header, sizeof header) < 0) return break_channel(channel);
    if (length && write_all(channel->socket, payload, length) < 0) return break_channel(channel);
    return true;
}
