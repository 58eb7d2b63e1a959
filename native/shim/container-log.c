#include "container-log.h"

#include <string.h>

#include "common/io.h"
#include "log-json.h"
#include "log-local.h"

int log_open(struct container_log *log, const struct plan *plan, struct failure *why) {
    log->driver = plan->log_driver;
    log->attributes = &plan->log_attributes;
    log->send.socket = -1;
    log->files.file = -1;
    if (log->driver != LOG_NONE && log_files_open(&log->files, plan, why) < 0) return -1;
    return log_send_open(&log->send, &plan->log_send, why);
}

static void flush(struct container_log *log) {
    log_files_write(&log->files, &log->pending);
    buffer_free(&log->pending);
}

static void store(struct container_log *log, const struct log_message *message) {
    if (log_files_full(&log->files)) {
        flush(log);
        log_files_rotate(&log->files);
    }
    size_t before = log->pending.length;
    if (log->driver == LOG_LOCAL) log_local_format(&log->pending, message, log->attributes);
    else log_json_format(&log->pending, message, log->attributes);
    log->files.size += log->pending.length - before;
}

static void add_message(struct container_log *log, const struct log_message *message) {
    if (log->driver != LOG_NONE) store(log, message);
    log_send_message(&log->send, message);
}

static void end_line(struct container_log *log, enum log_stream stream, const uint8_t *text, size_t length,
                     bool whole, uint64_t time) {
    struct log_line *line = &log->lines[stream];
    if (!line->continued) line->first_time = time;
    const struct log_message message = {
        .stream = stream, .text = text, .length = length, .whole = whole, .time = line->first_time};
    add_message(log, &message);
    line->continued = !whole;
}

/* Takes what belongs to the current line out of the data; returns how much that was. */
static size_t take_part(struct container_log *log, enum log_stream stream, const uint8_t *data, size_t length,
                        uint64_t time) {
    struct log_line *line = &log->lines[stream];
    size_t room = LOG_PIECE - line->text.length;
    size_t looked = length < room ? length : room;
    const uint8_t *end = memchr(data, '\n', looked);
    size_t part = end ? (size_t)(end - data) : looked;
    bool full = line->text.length + part == LOG_PIECE;
    if (!end && !full) {
        buffer_append(&line->text, data, part);
        return part;
    }
    if (line->text.length == 0) {
        end_line(log, stream, data, part, end != NULL, time);
    } else {
        buffer_append(&line->text, data, part);
        end_line(log, stream, line->text.data, line->text.length, end != NULL, time);
        buffer_free(&line->text);
    }
    return end ? part + 1 : part;
}

static bool is_open(const struct container_log *log) {
    return log->files.file >= 0 || log->send.socket >= 0;
}

void log_write(struct container_log *log, enum log_stream stream, const uint8_t *data, size_t length) {
    if (!is_open(log)) return;
    uint64_t time = now();
    for (size_t at = 0; at < length;) at += take_part(log, stream, data + at, length - at, time);
    flush(log);
}

void log_close(struct container_log *log) {
    if (!is_open(log)) return;
    for (enum log_stream stream = LOG_STDOUT; stream <= LOG_STDERR; stream++) {
        struct log_line *line = &log->lines[stream];
        if (line->text.length > 0) end_line(log, stream, line->text.data, line->text.length, false, now());
        buffer_free(&line->text);
    }
    flush(log);
    log_files_close(&log->files);
    log_send_close(&log->send);
}
