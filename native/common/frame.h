/*
 * The framing of every socket and pipe between berthd and its native parts (src/base/framing.ts is the same):
 *
 *     u32 length of what follows | u8 protocol version | u8 type | u16 id | payload
 *
 * all little-endian. A payload is raw bytes (streams) or fields: u16 tag, u32 length, bytes, repeated.
 */
#ifndef BERTH_FRAME_H
#define BERTH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define PROTOCOL_VERSION 2
#define FRAME_HEADER 8
#define FRAME_MAX (16u * 1024 * 1024)

struct frame {
    uint8_t version;
    uint8_t type;
    uint16_t id;
    const uint8_t *payload; /* points into the decoder's input */
    size_t length;
};

enum frame_result { FRAME_WHOLE, FRAME_INCOMPLETE, FRAME_IMPOSSIBLE };

/*
 * Takes the first frame of `data`; `limit` is the longest payload that the caller accepts. `used` is what the frame
 * takes of the input. An impossible length leaves the stream unusable.
 */
enum frame_result frame_decode(const uint8_t *data, size_t length, size_t limit, struct frame *frame, size_t *used);

/* Appends a whole frame; -1 when memory is short or the payload too long. */
int frame_append(struct buffer *out, uint8_t type, uint16_t id, const void *payload, size_t length);

/* The eight bytes before a payload of `length` bytes. */
void frame_header(uint8_t header[FRAME_HEADER], uint8_t type, uint16_t id, size_t length);

struct field {
    uint16_t tag;
    const uint8_t *value;
    uint32_t length;
};

enum field_result { FIELD_NEXT, FIELD_END, FIELD_BROKEN };

/* Takes the field at `*at` of a payload and moves `*at` behind it. */
enum field_result field_next(const uint8_t *payload, size_t length, size_t *at, struct field *field);

/* A u64 field; false when it is none. */
bool field_number(const struct field *field, uint64_t *value);

/* A text field as a new string; NULL when it holds a zero byte or memory is short. */
char *field_text(const struct field *field);

int field_append(struct buffer *out, uint16_t tag, const void *value, size_t length);
int field_append_text(struct buffer *out, uint16_t tag, const char *value);
int field_append_number(struct buffer *out, uint16_t tag, uint64_t value);

#endif
