/* One message of a log: a line of output, or a piece of a long one. */
#ifndef BERTH_LOG_MESSAGE_H
#define BERTH_LOG_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_stream { LOG_STDOUT, LOG_STDERR };

struct log_message {
    enum log_stream stream;
    const uint8_t *text; /* without the line's end */
    size_t length;
    bool whole;    /* the line ends here */
    uint64_t time; /* nanoseconds since the epoch */
};

#endif
