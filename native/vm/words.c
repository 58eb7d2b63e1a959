#include "words.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"

void words_add(struct words *words, const uint8_t *data, size_t length) {
    if (length > WORDS_MAX) {
        data += length - WORDS_MAX;
        length = WORDS_MAX;
    }
    if (words->length + length > WORDS_MAX) {
        size_t forgotten = words->length + length - WORDS_MAX;
        words->length -= forgotten;
        memmove(words->data, words->data + forgotten, words->length);
    }
    memcpy(words->data + words->length, data, length);
    words->length += length;
}

/* One piece; false at the end, or when nothing is there. */
static bool take(struct words *words) {
    uint8_t piece[1024];
    ssize_t count = RETRY(read(words->watch.fd, piece, sizeof(piece)));
    if (count > 0) words_add(words, piece, (size_t)count);
    if (count == 0) loop_watch(words->loop, &words->watch, 0);
    return count > 0;
}

static void on_words(struct watch *watch, uint32_t events) {
    (void)events;
    take(container_of(watch, struct words, watch));
}

int words_open(struct words *words, struct loop *loop, int fd) {
    words->watch = (struct watch){.fd = fd, .ready = on_words};
    words->loop = loop;
    words->length = 0;
    if (set_nonblocking(fd) == 0 && loop_watch(loop, &words->watch, EPOLLIN) == 0) return 0;
    loop_close(loop, &words->watch);
    return -1;
}

/* A guest that floods its console is not waited for. */
void words_close(struct words *words) {
    if (words->watch.fd < 0) return;
    for (int pieces = 0; pieces < 64 && take(words); pieces++) continue;
    loop_close(words->loop, &words->watch);
}

void words_disarm(char *text) {
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        bool is_control = (*at < ' ' && *at != '\n') || *at == 0x7f;
        bool is_wide_control = *at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
        if (is_wide_control) at[1] = ' ';
        if (is_control || is_wide_control) *at = ' ';
    }
}

static void copy_text(const uint8_t *data, size_t length, char *into, size_t size) {
    size_t used = 0;
    for (size_t at = length > size - 1 ? length - (size - 1) : 0; at < length; at++) {
        if (data[at] == '\n' || data[at] >= ' ') into[used++] = (char)data[at];
    }
    while (used > 0 && into[used - 1] == '\n') used--;
    into[used] = 0;
    words_disarm(into);
}

void words_text(const struct words *words, char *into, size_t size) {
    copy_text(words->data, words->length, into, size);
}

void console_text(const struct words *words, char *into, size_t size) {
    static const char PANIC[] = "Kernel panic";
    const uint8_t *line = memmem(words->data, words->length, PANIC, sizeof(PANIC) - 1);
    if (!line) {
        words_text(words, into, size);
        return;
    }
    size_t rest = words->length - (size_t)(line - words->data);
    const uint8_t *end = memchr(line, '\n', rest);
    copy_text(line, end ? (size_t)(end - line) : rest, into, size);
}
