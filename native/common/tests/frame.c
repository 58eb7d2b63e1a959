/* Frames and fields: what is written is read back, what is impossible is refused. */
#include "common/frame.h"

#include <stdlib.h>
#include <string.h>

#include "testing/check.h"

static void whole_frames_are_read_back(void) {
    AUTO_BUFFER out = {0};
    CHECK(frame_append(&out, 7, 513, "payload", 7) == 0);
    CHECK(frame_append(&out, 8, 0, NULL, 0) == 0);
    struct frame frame;
    size_t used;
    CHECK(frame_decode(out.data, out.length, 100, &frame, &used) == FRAME_WHOLE);
    CHECK(frame.version == PROTOCOL_VERSION && frame.type == 7 && frame.id == 513);
    CHECK(frame.length == 7 && memcmp(frame.payload, "payload", 7) == 0);
    CHECK(used == FRAME_HEADER + 7);
    CHECK(frame_decode(out.data + used, out.length - used, 100, &frame, &used) == FRAME_WHOLE);
    CHECK(frame.type == 8 && frame.length == 0);
}

static void every_beginning_is_incomplete(void) {
    AUTO_BUFFER out = {0};
    frame_append(&out, 1, 1, "abc", 3);
    struct frame frame;
    size_t used;
    for (size_t length = 0; length < out.length; length++) {
        CHECK(frame_decode(out.data, length, 100, &frame, &used) == FRAME_INCOMPLETE);
    }
}

static void impossible_lengths_are_refused(void) {
    struct frame frame;
    size_t used;
    const uint8_t too_short[8] = {3, 0, 0, 0};
    CHECK(frame_decode(too_short, 8, 100, &frame, &used) == FRAME_IMPOSSIBLE);
    const uint8_t too_long[8] = {0xff, 0xff, 0xff, 0xff};
    CHECK(frame_decode(too_long, 8, FRAME_MAX, &frame, &used) == FRAME_IMPOSSIBLE);
    const uint8_t above_limit[8] = {4 + 101, 0, 0, 0};
    CHECK(frame_decode(above_limit, 8, 100, &frame, &used) == FRAME_IMPOSSIBLE);
}

static void fields_are_read_back(void) {
    AUTO_BUFFER out = {0};
    CHECK(field_append_text(&out, 1, "text") == 0);
    CHECK(field_append_number(&out, 2, UINT64_MAX - 1) == 0);
    size_t at = 0;
    struct field field;
    CHECK(field_next(out.data, out.length, &at, &field) == FIELD_NEXT && field.tag == 1);
    char *text = field_text(&field);
    CHECK(text && strcmp(text, "text") == 0);
    free(text);
    CHECK(field_next(out.data, out.length, &at, &field) == FIELD_NEXT && field.tag == 2);
    uint64_t number;
    CHECK(field_number(&field, &number) && number == UINT64_MAX - 1);
    CHECK(field_next(out.data, out.length, &at, &field) == FIELD_END);
}

static void broken_fields_are_refused(void) {
    size_t at = 0;
    struct field field;
    const uint8_t beyond[7] = {1, 0, 2, 0, 0, 0, 'x'};
    CHECK(field_next(beyond, sizeof(beyond), &at, &field) == FIELD_BROKEN);
    CHECK(field_next(beyond, 5, &at, &field) == FIELD_BROKEN);
    const struct field with_zero = {.tag = 1, .value = (const uint8_t *)"a\0b", .length = 3};
    CHECK(field_text(&with_zero) == NULL);
    uint64_t number;
    CHECK(!field_number(&with_zero, &number));
}

static void an_empty_buffer_holds_no_memory(void) {
    struct buffer buffer = {0};
    CHECK(buffer_append(&buffer, "abcdef", 6) == 0);
    buffer_consume(&buffer, 2);
    CHECK(buffer.length == 4 && memcmp(buffer.data, "cdef", 4) == 0);
    buffer_consume(&buffer, 4);
    CHECK(buffer.data == NULL && buffer.capacity == 0);
}

int main(void) {
    whole_frames_are_read_back();
    every_beginning_is_incomplete();
    impossible_lengths_are_refused();
    fields_are_read_back();
    broken_fields_are_refused();
    an_empty_buffer_holds_no_memory();
    return 0;
}
