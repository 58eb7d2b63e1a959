#include "buffer.h"

#include <stdlib.h>
#include <string.h>

uint8_t *buffer_reserve(struct buffer *buffer, size_t more) {
    if (more > SIZE_MAX / 2 - buffer->length) return NULL;
    size_t needed = buffer->length + more;
    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 256;
        while (capacity < needed) capacity *= 2;
        uint8_t *data = realloc(buffer->data, capacity);
        if (!data) return NULL;
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

int buffer_append(struct buffer *buffer, const void *data, size_t length) {
    if (length == 0) return 0;
    uint8_t *room = buffer_reserve(buffer, length);
    if (!room) return -1;
    memcpy(room, data, length);
    buffer->length += length;
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t length) {
    if (length >= buffer->length) {
        buffer_free(buffer);
        return;
    }
    memmove(buffer->data, buffer->data + length, buffer->length - length);
    buffer->length -= length;
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}
