#include "container-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"

static int append_text(struct buffer *out, const char *text) {
    return buffer_append(out, text, strlen(text));
}

/* The length of a valid UTF-8 sequence, or 0; as Go's utf8.DecodeRune, so no surrogates and no overlong forms. */
static size_t utf8_length(const uint8_t *text, size_t length) {
    uint8_t first = text[0];
    size_t size = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
    if (size == 0 || size > length) return 0;
    for (size_t index = 1; index < size; index++) {
        if ((text[index] & 0xc0) != 0x80) return 0;
    }
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool surrogate = first == 0xed && text[1] > 0x9f;
    bool beyond = first == 0xf4 && text[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : size;
}

static int append_escaped(struct buffer *out, uint8_t byte) {
    char code[8];
    switch (byte) {
        case '"': return append_text(out, "\\\"");
        case '\\': return append_text(out, "\\\\");
        case '\n': return append_text(out, "\\n");
        case '\r': return append_text(out, "\\r");
        default:
            snprintf(code, sizeof(code), "\\u%04x", byte);
            return append_text(out, code);
    }
}

static bool is_plain(uint8_t byte) {
    return byte >= 0x20 && byte < 0x80 && !strchr("\"\\<>&", byte);
}

/* U+2028 and U+2029, which JavaScript takes for line ends. */
static bool is_line_separator(const uint8_t *text) {
    return text[0] == 0xe2 && text[1] == 0x80 && (text[2] == 0xa8 || text[2] == 0xa9);
}

/* Moves over one character that needs care and appends its JSON form. */
static size_t append_special(struct buffer *out, const uint8_t *text, size_t length) {
    if (text[0] < 0x80) {
        append_escaped(out, text[0]);
        return 1;
    }
    size_t size = utf8_length(text, length);
    if (size == 0) {
        append_text(out, "\\ufffd");
        return 1;
    }
    if (size == 3 && is_line_separator(text)) {
        append_text(out, text[2] == 0xa8 ? "\\u2028" : "\\u2029");
    } else {
        buffer_append(out, text, size);
    }
    return size;
}

static void append_json(struct buffer *out, const uint8_t *text, size_t length) {
    size_t at = 0;
    while (at < length) {
        size_t plain = at;
        while (plain < length && is_plain(text[plain])) plain++;
        buffer_append(out, text + at, plain - at);
        at = plain;
        if (at < length) at += append_special(out, text + at, length - at);
    }
}

/* RFC3339Nano as Go writes it: no zeros at the end of the fraction, no fraction when it is 0. */
static void append_time(struct buffer *out, uint64_t time) {
    time_t seconds = (time_t)(time / 1000000000u);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char text[64];
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    unsigned nanoseconds = (unsigned)(time % 1000000000u);
    if (nanoseconds) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, ".%09u", nanoseconds);
        while (text[length - 1] == '0') length--;
    }
    text[length] = 'Z';
    buffer_append(out, text, length + 1);
}

int log_format(struct buffer *out, enum log_stream stream, const uint8_t *text, size_t length, bool whole,
               uint64_t time) {
    append_text(out, "{");
    if (length > 0 || whole) {
        append_text(out, "\"log\":\"");
        append_json(out, text, length);
        append_text(out, whole ? "\\n\"," : "\",");
    }
    append_text(out, stream == LOG_STDOUT ? "\"stream\":\"stdout\"" : "\"stream\":\"stderr\"");
    append_text(out, ",\"time\":\"");
    append_time(out, time);
    return append_text(out, "\"}\n");
}

static int open_file(struct container_log *log, int flags) {
    log->file = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640);
    struct stat status;
    log->size = log->file >= 0 && fstat(log->file, &status) == 0 ? (uint64_t)status.st_size : 0;
    return log->file;
}

int log_open(struct container_log *log, const char *path, uint64_t max_size, uint64_t max_files, struct failure *why) {
    *log = (struct container_log){.path = path, .max_size = max_size, .max_files = max_files};
    return open_file(log, 0) < 0 ? fail_errno(why, "the log %s cannot be opened", path) : 0;
}

/* A log that cannot be written (a full disk) loses lines; the container goes on. */
static void flush(struct container_log *log) {
    if (log->pending.length > 0 && write_all(log->file, log->pending.data, log->pending.length) < 0) {
        log_line("the log %s cannot be written: %s", log->path, strerror(errno));
    }
    buffer_free(&log->pending);
}

static void shift_files(const struct container_log *log) {
    for (uint64_t number = log->max_files - 1; number >= 1; number--) {
        AUTO_TEXT from = NULL;
        AUTO_TEXT to = NULL;
        int made = number == 1 ? asprintf(&from, "%s", log->path)
                               : asprintf(&from, "%s.%llu", log->path, (unsigned long long)number - 1);
        if (made < 0 || asprintf(&to, "%s.%llu", log->path, (unsigned long long)number) < 0) return;
        if (rename(from, to) < 0 && errno != ENOENT) log_line("%s cannot be rotated: %s", from, strerror(errno));
    }
}

static void rotate(struct container_log *log) {
    flush(log);
    close_fd(&log->file);
    if (log->max_files > 1) shift_files(log);
    if (open_file(log, O_TRUNC) < 0) log_line("the log %s is lost: %s", log->path, strerror(errno));
}

static void add_message(struct container_log *log, enum log_stream stream, const uint8_t *text, size_t length,
                        bool whole, uint64_t time) {
    if (log->max_size > 0 && log->size >= log->max_size) rotate(log);
    size_t before = log->pending.length;
    log_format(&log->pending, stream, text, length, whole, time);
    log->size += log->pending.length - before;
}

static void end_line(struct container_log *log, enum log_stream stream, const uint8_t *text, size_t length,
                     bool whole, uint64_t time) {
    struct log_line *line = &log->lines[stream];
    if (!line->continued) line->first_time = time;
    add_message(log, stream, text, length, whole, line->first_time);
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

void log_write(struct container_log *log, enum log_stream stream, const uint8_t *data, size_t length) {
    if (log->file < 0) return;
    uint64_t time = now();
    for (size_t at = 0; at < length;) at += take_part(log, stream, data + at, length - at, time);
    flush(log);
}

void log_close(struct container_log *log) {
    if (log->file < 0) return;
    for (enum log_stream stream = LOG_STDOUT; stream <= LOG_STDERR; stream++) {
        struct log_line *line = &log->lines[stream];
        if (line->text.length > 0) end_line(log, stream, line->text.data, line->text.length, false, now());
        buffer_free(&line->text);
    }
    flush(log);
    close_fd(&log->file);
}
