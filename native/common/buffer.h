/* A byte buffer that grows at its end. */
#ifndef BERTH_BUFFER_H
#define BERTH_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

/* Room for `more` bytes behind the content; NULL when memory is short. The caller adds to `length` what it used. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t more);

/* 0, or -1 when memory is short. */
int buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Drops `length` bytes at the beginning. An empty buffer gives its memory back: idle processes stay small. */
void buffer_consume(struct buffer *buffer, size_t length);

void buffer_free(struct buffer *buffer);

#define AUTO_BUFFER __attribute__((cleanup(buffer_free))) struct buffer

#endif
