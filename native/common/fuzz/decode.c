/* Any bytes as a stream of frames, each payload as fields and as a plan. */
#include <stdlib.h>

#include "common/frame.h"
#include "common/plan.h"

static void read_fields(const struct frame *frame) {
    size_t at = 0;
    struct field field;
    while (field_next(frame->payload, frame->length, &at, &field) == FIELD_NEXT) {
        uint64_t number;
        field_number(&field, &number);
        free(field_text(&field));
    }
}

static void read_plan(const uint8_t *payload, size_t length) {
    struct plan plan;
    struct failure why;
    plan_decode(payload, length, &plan, &why);
    plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t at = 0;
    struct frame frame;
    size_t used;
    while (frame_decode(data + at, size - at, 65536, &frame, &used) == FRAME_WHOLE) {
        read_fields(&frame);
        read_plan(frame.payload, frame.length);
        at += used;
    }
    read_plan(data, size); /* most inputs are no frame: the plan decoder gets them directly too */
    return 0;
}
