/* The last words of a program: what it wrote into a pipe, the beginning forgotten. */
#ifndef BERTH_VM_WORDS_H
#define BERTH_VM_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "common/loop.h"

#define WORDS_MAX 8192

struct words {
    struct watch watch;
    struct loop *loop;
    uint8_t data[WORDS_MAX];
    size_t length;
};

/* Listens to a pipe's end, which it takes over. */
int words_open(struct words *words, struct loop *loop, int fd);

/* Takes what is in the pipe still, and closes it. */
void words_close(struct words *words);

void words_add(struct words *words, const uint8_t *data, size_t length);

/* What a terminal takes for a command becomes spaces: control characters, also those beyond ASCII (U+0080 to U+009F). */
void words_disarm(char *text);

/* The last lines as text for people: printable, without an end of line behind. Empty where nothing was said. */
void words_text(const struct words *words, char *into, size_t size);

/* The same of a kernel's console: why it panicked, if it did, and not where. */
void console_text(const struct words *words, char *into, size_t size);

#endif
