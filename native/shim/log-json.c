#include "log-json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_MAX 64

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

/* What stands for itself in JSON as Go writes it. */
static bool is_plain(uint8_t byte) {
    if (byte < 0x20 || byte >= 0x80) return false;
    return byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&';
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
static size_t format_time(char text[TIME_MAX], uint64_t time) {
    time_t seconds = (time_t)(time / 1000000000u);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    unsigned nanoseconds = (unsigned)(time % 1000000000u);
    if (nanoseconds) {
        length += (size_t)snprintf(text + length, TIME_MAX - length, ".%09u", nanoseconds);
        while (text[length - 1] == '0') length--;
    }
    text[length] = 'Z';
    return length + 1;
}

/* All lines of one read have the same time. */
static void append_time(struct buffer *out, uint64_t time) {
    static uint64_t last;
    static char text[TIME_MAX];
    static size_t length;
    if (length == 0 || time != last) length = format_time(text, time);
    last = time;
    buffer_append(out, text, length);
}

int log_json_format(struct buffer *out, const struct log_message *message, const struct buffer *attributes) {
    append_text(out, "{");
    if (message->length > 0 || message->whole) {
        append_text(out, "\"log\":\"");
        append_json(out, message->text, message->length);
        append_text(out, message->whole ? "\\n\"," : "\",");
    }
    append_text(out, message->stream == LOG_STDOUT ? "\"stream\":\"stdout\"" : "\"stream\":\"stderr\"");
    if (attributes->length > 0) {
        append_text(out, ",\"attrs\":");
        buffer_append(out, attributes->data, attributes->length);
    }
    append_text(out, ",\"time\":\"");
    append_time(out, message->time);
    return append_text(out, "\"}\n");
}
