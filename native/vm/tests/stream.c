/* What is said last is in the pipe, however full it was, for whoever reads it later. */
#include "vm/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "testing/check.h"

/* No two fit into a page, so a full pipe holds far less than its size. */
#define PIECE 2500
#define WORDS "berth: the virtual machine has stopped\n"

struct ends {
    int reader;
    int writer;
};

static struct ends open_full_pipe(void) {
    static const uint8_t piece[PIECE];
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    while (write(ends[1], piece, sizeof(piece)) > 0) continue;
    CHECK(errno == EAGAIN);
    return (struct ends){.reader = ends[0], .writer = ends[1]};
}

/* Into `last`: the end of all that is there. */
static void read_last(int reader, uint8_t *last, size_t length) {
    uint8_t piece[8192];
    ssize_t count;
    while ((count = read(reader, piece, sizeof(piece))) > 0) {
        size_t fresh = (size_t)count < length ? (size_t)count : length;
        memmove(last, last + fresh, length - fresh);
        memcpy(last + length - fresh, piece + (size_t)count - fresh, fresh);
    }
}

static void a_line_is_said_into_a_full_pipe(void) {
    struct ends ends = open_full_pipe();
    uint8_t last[sizeof(WORDS) - 1] = {0};
    CHECK(output_say(ends.writer, WORDS, strlen(WORDS)) == 0);
    read_last(ends.reader, last, sizeof(last));
    CHECK(memcmp(last, WORDS, sizeof(last)) == 0);
    close(ends.reader);
    CHECK(output_say(ends.writer, WORDS, strlen(WORDS)) == -1);
    close(ends.writer);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    a_line_is_said_into_a_full_pipe();
    return 0;
}
