#include "shim/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/protocol.h"
#include "testing/check.h"

static void gives_back_what_it_took(void) {
    struct spool spool = {.file = -1};
    AUTO_BUFFER out = {0};
    CHECK(spool_length(&spool) == 0);
    CHECK(spool_append(&spool, MESSAGE_STDOUT, "hello", 5) == 0);
    CHECK(spool_append(&spool, MESSAGE_STDERR, "", 0) == 0);
    CHECK(spool_length(&spool) == 2 * FRAME_HEADER + 5);
    while (spool_length(&spool) > 0) CHECK(spool_take(&spool, &out, 3) == 0);
    CHECK(spool.file == -1); /* an empty one holds no file */
    struct frame frame;
    size_t used;
    CHECK(frame_decode(out.data, out.length, 100, &frame, &used) == FRAME_WHOLE);
    CHECK(frame.type == MESSAGE_STDOUT && frame.length == 5 && memcmp(frame.payload, "hello", 5) == 0);
    CHECK(frame_decode(out.data + used, out.length - used, 100, &frame, &used) == FRAME_WHOLE);
    CHECK(frame.type == MESSAGE_STDERR && frame.length == 0);
}

/* What the client is told besides goes in between. */
static void never_ends_within_a_frame(void) {
    static const uint8_t data[1000];
    struct spool spool = {.file = -1};
    for (int count = 0; count < 5; count++) CHECK(spool_append(&spool, MESSAGE_STDOUT, data, sizeof(data)) == 0);
    CHECK(frame_append(&spool.rest, MESSAGE_STDERR, 0, data, sizeof(data)) == 0);
    CHECK(frame_append(&spool.rest, MESSAGE_STDERR, 0, data, sizeof(data)) == 0);
    const size_t limit = 2500, frame_size = FRAME_HEADER + sizeof(data);
    static const size_t expected[] = {2, 2, 1, 2};
    for (size_t take = 0; take < 4; take++) {
        AUTO_BUFFER out = {0};
        CHECK(spool_take(&spool, &out, limit) == 0);
        CHECK(out.length == expected[take] * frame_size);
        struct frame frame;
        size_t used;
        CHECK(frame_decode(out.data, out.length, FRAME_MAX, &frame, &used) == FRAME_WHOLE);
        CHECK(frame.type == (take < 3 ? MESSAGE_STDOUT : MESSAGE_STDERR) && frame.length == sizeof(data));
    }
    CHECK(spool_length(&spool) == 0);
}

static void the_disk_has_the_space_of_what_was_read(void) {
    static uint8_t data[1024 * 1024];
    struct spool spool = {.file = -1};
    for (int count = 0; count < 8; count++) CHECK(spool_append(&spool, MESSAGE_STDOUT, data, sizeof(data)) == 0);
    AUTO_BUFFER out = {0};
    for (int count = 0; count < 7; count++) {
        CHECK(spool_take(&spool, &out, sizeof(data)) == 0);
        buffer_free(&out);
    }
    struct stat status;
    CHECK(fstat(spool.file, &status) == 0);
    CHECK((uint64_t)status.st_blocks * 512 <= 2 * sizeof(data));
    spool_close(&spool);
    CHECK(spool_length(&spool) == 0);
}

int main(void) {
    char folder[] = "/tmp/berth-spool-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    gives_back_what_it_took();
    never_ends_within_a_frame();
    the_disk_has_the_space_of_what_was_read();
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
