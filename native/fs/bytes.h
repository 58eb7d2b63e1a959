/* A growing byte array that always ends with a NUL beyond its size. Running out of memory ends the program. */
#ifndef BERTH_FS_BYTES_H
#define BERTH_FS_BYTES_H

#include <stddef.h>

struct bytes {
    char *data; /* NULL while empty and never used */
    size_t size;
    size_t capacity;
};

void bytes_append(struct bytes *bytes, const void *data, size_t size);
void bytes_append_text(struct bytes *bytes, const char *text);
/* Cuts back to an earlier size. */
void bytes_truncate(struct bytes *bytes, size_t size);
void bytes_free(struct bytes *bytes);
/* The content as a C string, "" when empty. Valid until the next change. */
const char *bytes_text(const struct bytes *bytes);

/* malloc and strdup that never return NULL. */
void *allocate(size_t size);
void *reallocate(void *memory, size_t size);
char *copy_text(const char *text);

#endif
