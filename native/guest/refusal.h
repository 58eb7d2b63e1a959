/* The answer to a DNS question that nobody answers. */
#ifndef BERTH_GUEST_REFUSAL_H
#define BERTH_GUEST_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

#define DNS_HEADER 12

/* Appends SERVFAIL (RFC 1035, 4.1.1) to the question in a message of DNS_HEADER bytes or more. */
void append_refusal(struct buffer *out, const uint8_t *message, size_t length);

#endif
