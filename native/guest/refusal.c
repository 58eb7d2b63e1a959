#include "refusal.h"

#include <string.h>

#define RESPONSE 0x80
#define RECURSION_AVAILABLE 0x80
#define SERVER_FAILURE 2

/* Where the first question ends; 0 when the message has none that is whole. */
static size_t question_end(const uint8_t *message, size_t length) {
    size_t at = DNS_HEADER;
    while (at < length && message[at] != 0) at += 1 + (size_t)message[at]; /* a question's name is not compressed */
    return at + 5 <= length ? at + 5 : 0; /* the root's label, type, class */
}

void append_refusal(struct buffer *out, const uint8_t *message, size_t length) {
    uint8_t head[DNS_HEADER] = {0};
    size_t end = question_end(message, length);
    memcpy(head, message, 4);
    head[2] |= RESPONSE;
    head[3] = RECURSION_AVAILABLE | SERVER_FAILURE;
    head[5] = end > 0 ? 1 : 0;
    buffer_append(out, head, sizeof(head));
    if (end > 0) buffer_append(out, message + DNS_HEADER, end - DNS_HEADER);
}
