/* Any output, cut anywhere: each log line is one line of printable ASCII or valid UTF-8. */
#include "shim/log-json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct buffer *line) {
    if (line->length == 0 || line->data[line->length - 1] != '\n') abort();
    for (size_t at = 0; at + 1 < line->length; at++) {
        if (line->data[at] < 0x20) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_BUFFER line = {0};
    const struct log_message message = {
        .stream = LOG_STDERR, .text = data, .length = size, .whole = size % 2 == 0, .time = size};
    const struct buffer none = {0};
    log_json_format(&line, &message, &none);
    check_line(&line);
    return 0;
}
