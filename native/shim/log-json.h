/* The json-file format, byte for byte as Docker writes it (moby: daemon/logger/jsonfilelog). */
#ifndef BERTH_LOG_JSON_H
#define BERTH_LOG_JSON_H

#include "common/buffer.h"
#include "log-message.h"

/* Appends one line; `attributes` is a JSON object, or empty. */
int log_json_format(struct buffer *out, const struct log_message *message, const struct buffer *attributes);

#endif
