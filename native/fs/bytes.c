#include "fs/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *reallocate(void *memory, size_t size) {
    void *moved = realloc(memory, size ? size : 1);
    if (!moved) {
        fputs("berth-fs: out of memory\n", stderr);
        exit(1);
    }
    return moved;
}

void *allocate(size_t size) { return reallocate(NULL, size); }

char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(allocate(size), text, size);
}

void bytes_append(struct bytes *bytes, const void *data, size_t size) {
    size_t needed = bytes->size + size + 1;
    if (needed > bytes->capacity) {
        size_t doubled = bytes->capacity * 2;
        bytes->capacity = needed > doubled ? needed : doubled;
        bytes->data = reallocate(bytes->data, bytes->capacity);
    }
    if (size) memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = 0;
}

void bytes_append_text(struct bytes *bytes, const char *text) { bytes_append(bytes, text, strlen(text)); }

void bytes_truncate(struct bytes *bytes, size_t size) {
    if (size >= bytes->size) return;
    bytes->size = size;
    bytes->data[size] = 0;
}

void bytes_free(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){0};
}

const char *bytes_text(const struct bytes *bytes) { return bytes->data ? bytes->data : ""; }
