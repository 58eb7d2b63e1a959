/*
 * The format of the `local` driver, Docker's own (moby: daemon/logger/local): a protobuf message of stream, time and text
 * between two copies of its length (u32, big-endian), so that it can be read from its end as well.
 */
#ifndef BERTH_LOG_LOCAL_H
#define BERTH_LOG_LOCAL_H

#include "common/buffer.h"
#include "log-message.h"

/* `attributes` are encoded fields, or empty. The text comes last. */
int log_local_format(struct buffer *out, const struct log_message *message, const struct buffer *attributes);

#endif
