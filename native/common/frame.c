#include "frame.h"

#include <stdlib.h>
#include <string.h>

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint16_t read_u16(const uint8_t *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}

static void write_u32(uint8_t *at, uint32_t value) {
    for (int byte = 0; byte < 4; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
}

static void write_u16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

enum frame_result frame_decode(const uint8_t *data, size_t length, size_t limit, struct frame *frame, size_t *used) {
    if (length < 4) return FRAME_INCOMPLETE;
    uint32_t follows = read_u32(data);
    if (follows < FRAME_HEADER - 4 || follows > FRAME_MAX || follows - (FRAME_HEADER - 4) > limit) {
        return FRAME_IMPOSSIBLE;
    }
    if (length < 4 + (size_t)follows) return FRAME_INCOMPLETE;
    *frame = (struct frame){
        .version = data[4],
        .type = data[5],
        .id = read_u16(data + 6),
        .payload = data + FRAME_HEADER,
        .length = follows - (FRAME_HEADER - 4),
    };
    *used = 4 + (size_t)follows;
    return FRAME_WHOLE;
}

void frame_header(uint8_t header[FRAME_HEADER], uint8_t type, uint16_t id, size_t length) {
    write_u32(header, (uint32_t)(FRAME_HEADER - 4 + length));
    header[4] = PROTOCOL_VERSION;
    header[5] = type;
    write_u16(header + 6, id);
}

int frame_append(struct buffer *out, uint8_t type, uint16_t id, const void *payload, size_t length) {
    if (length > FRAME_MAX - FRAME_HEADER) return -1;
    uint8_t header[FRAME_HEADER];
    frame_header(header, type, id, length);
    if (!buffer_reserve(out, FRAME_HEADER + length)) return -1;
    buffer_append(out, header, FRAME_HEADER);
    return buffer_append(out, payload, length);
}

enum field_result field_next(const uint8_t *payload, size_t length, size_t *at, struct field *field) {
    if (*at == length) return FIELD_END;
    if (length - *at < 6) return FIELD_BROKEN;
    uint32_t size = read_u32(payload + *at + 2);
    if (size > length - *at - 6) return FIELD_BROKEN;
    *field = (struct field){.tag = read_u16(payload + *at), .value = payload + *at + 6, .length = size};
    *at += 6 + (size_t)size;
    return FIELD_NEXT;
}

bool field_number(const struct field *field, uint64_t *value) {
    if (field->length != 8) return false;
    *value = (uint64_t)read_u32(field->value) | (uint64_t)read_u32(field->value + 4) << 32;
    return true;
}

char *field_text(const struct field *field) {
    if (memchr(field->value, 0, field->length)) return NULL;
    char *text = malloc((size_t)field->length + 1);
    if (!text) return NULL;
    memcpy(text, field->value, field->length);
    text[field->length] = 0;
    return text;
}

int field_append(struct buffer *out, uint16_t tag, const void *value, size_t length) {
    if (length > FRAME_MAX || !buffer_reserve(out, 6 + length)) return -1;
    uint8_t head[6];
    write_u16(head, tag);
    write_u32(head + 2, (uint32_t)length);
    buffer_append(out, head, sizeof(head));
    return buffer_append(out, value, length);
}

int field_append_text(struct buffer *out, uint16_t tag, const char *value) {
    return field_append(out, tag, value, strlen(value));
}

int field_append_number(struct buffer *out, uint16_t tag, uint64_t value) {
    uint8_t bytes[8];
    write_u32(bytes, (uint32_t)value);
    write_u32(bytes + 4, (uint32_t)(value >> 32));
    return field_append(out, tag, bytes, sizeof(bytes));
}
