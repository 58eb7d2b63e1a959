#include "log-local.h"

#include <arpa/inet.h>

/* Of moby's api/types/plugins/logdriver/entry.proto: the number of a field and its wire type. */
#define FIELD_SOURCE (1 << 3 | 2)
#define FIELD_TIME (2 << 3 | 0)
#define FIELD_LINE (3 << 3 | 2)
#define FIELD_PARTIAL (4 << 3 | 0)

#define HEAD_MAX 40

static size_t put_number(uint8_t *at, uint64_t number) {
    size_t length = 0;
    while (number >= 0x80) {
        at[length++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    at[length++] = (uint8_t)number;
    return length;
}

/* Stream, time, and whether the line goes on. */
static size_t put_head(uint8_t *at, const struct log_message *message) {
    static const uint8_t NAMES[2][6] = {"stdout", "stderr"};
    size_t length = 0;
    at[length++] = FIELD_SOURCE;
    at[length++] = sizeof(NAMES[0]);
    for (size_t index = 0; index < sizeof(NAMES[0]); index++) at[length++] = NAMES[message->stream][index];
    at[length++] = FIELD_TIME;
    length += put_number(at + length, message->time);
    if (!message->whole) {
        at[length++] = FIELD_PARTIAL;
        at[length++] = 1;
    }
    return length;
}

int log_local_format(struct buffer *out, const struct log_message *message, const struct buffer *attributes) {
    uint8_t head[HEAD_MAX];
    uint8_t line[HEAD_MAX] = {FIELD_LINE};
    size_t head_length = put_head(head, message);
    size_t line_length = 1 + put_number(line + 1, message->length);
    uint32_t size = htonl((uint32_t)(head_length + attributes->length + line_length + message->length));
    if (!buffer_reserve(out, ntohl(size) + 2 * sizeof(size))) return -1;
    buffer_append(out, &size, sizeof(size));
    buffer_append(out, head, head_length);
    buffer_append(out, attributes->data, attributes->length);
    buffer_append(out, line, line_length);
    buffer_append(out, message->text, message->length);
    return buffer_append(out, &size, sizeof(size));
}
