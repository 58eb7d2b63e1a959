/* The log's bytes are Docker's: a dockerd 29 writes the same for the same output, times aside. */
#include "shim/container-log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "shim/log-json.h"
#include "testing/check.h"

static void check_format(const char *text, size_t length, bool whole, uint64_t time, const char *expected) {
    AUTO_BUFFER out = {0};
    const struct log_message message = {
        .stream = LOG_STDOUT, .text = (const uint8_t *)text, .length = length, .whole = whole, .time = time};
    const struct buffer none = {0};
    log_json_format(&out, &message, &none);
    CHECK(out.length == strlen(expected) && memcmp(out.data, expected, out.length) == 0);
}

#define AT_ZERO ",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00Z\"}\n"
#define CHECK_JSON(text, json) check_format(text, sizeof(text) - 1, true, 0, "{\"log\":\"" json "\\n\"" AT_ZERO)

static void text_is_escaped_as_in_go(void) {
    CHECK_JSON("plain", "plain");
    CHECK_JSON("", "");
    CHECK_JSON("\"\\\r\t\x01\x7f", "\\\"\\\\\\r\\u0009\\u0001\x7f");
    CHECK_JSON("<a>&", "\\u003ca\\u003e\\u0026");
    CHECK_JSON("zero\0byte", "zero\\u0000byte");
    CHECK_JSON("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3");
    CHECK_JSON("\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029");
}

static void invalid_utf8_becomes_replacement_characters(void) {
    CHECK_JSON("\xff", "\\ufffd");
    CHECK_JSON("\xc3(", "\\ufffd(");
    CHECK_JSON("\xc0\xaf", "\\ufffd\\ufffd");             /* overlong */
    CHECK_JSON("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"); /* surrogate */
    CHECK_JSON("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    CHECK_JSON("\xe2\x82", "\\ufffd\\ufffd"); /* cut off */
}

static void pieces_have_no_line_end(void) {
    check_format("piece", 5, false, 0, "{\"log\":\"piece\"" AT_ZERO);
}

static void times_lose_zeros_at_their_end(void) {
    check_format("x", 1, true, 1764030000123456789u,
                 "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2025-11-25T00:20:00.123456789Z\"}\n");
    check_format("x", 1, true, 1764030000120000000u,
                 "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2025-11-25T00:20:00.12Z\"}\n");
}

/* The log as text. */
static char *content(const char *path) {
    struct buffer text = {0};
    int file = open(path, O_RDONLY);
    CHECK(file >= 0 && read_until_end(file, &text, 1 << 24) == 0);
    close(file);
    CHECK(buffer_append(&text, "", 1) == 0);
    return (char *)text.data;
}

static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

static void open_new(struct container_log *log, const char *path, uint64_t max_size, uint64_t max_files) {
    static struct plan plan;
    struct failure why;
    unlink(path);
    plan = (struct plan){.log_driver = LOG_JSON_FILE,
                         .log_path = (char *)path,
                         .log_max_size = max_size,
                         .log_max_files = max_files};
    *log = (struct container_log){0};
    CHECK(log_open(log, &plan, &why) == 0);
}

static void lines_are_put_together_from_writes(const char *path) {
    struct container_log log;
    open_new(&log, path, 0, 1);
    log_write(&log, LOG_STDOUT, (const uint8_t *)"be", 2);
    log_write(&log, LOG_STDERR, (const uint8_t *)"other\n", 6);
    log_write(&log, LOG_STDOUT, (const uint8_t *)"gin\nno end", 10);
    log_close(&log);
    char *text = content(path);
    CHECK(strstr(text, "{\"log\":\"other\\n\",\"stream\":\"stderr\"") == text);
    CHECK(strstr(text, "{\"log\":\"begin\\n\",\"stream\":\"stdout\""));
    CHECK(strstr(text, "{\"log\":\"no end\",\"stream\":\"stdout\""));
    CHECK(count_lines(text) == 3);
    free(text);
}

static void long_lines_are_cut_at_16_kib(const char *path) {
    struct container_log log;
    open_new(&log, path, 0, 1);
    static uint8_t line[2 * LOG_PIECE + 11];
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (size_t at = 0; at < sizeof(line); at += 1000) {
        log_write(&log, LOG_STDOUT, line + at, sizeof(line) - at < 1000 ? sizeof(line) - at : 1000);
    }
    log_close(&log);
    char *text = content(path);
    CHECK(count_lines(text) == 3);
    CHECK(strcspn(text + 8, "\"") == LOG_PIECE); /* the first piece, without \n */
    CHECK(strstr(text, "{\"log\":\"aaaaaaaaaa\\n\""));
    const char *first_time = strstr(text, "\"time\"");
    const char *last_time = strstr(strstr(first_time + 1, "\"time\"") + 1, "\"time\"");
    CHECK(strncmp(first_time, last_time, strcspn(first_time, "}")) == 0);
    free(text);
}

static void a_line_of_exactly_16_kib_ends_with_an_empty_piece(const char *path) {
    struct container_log log;
    open_new(&log, path, 0, 1);
    static uint8_t line[LOG_PIECE + 1];
    memset(line, 'a', LOG_PIECE);
    line[LOG_PIECE] = '\n';
    log_write(&log, LOG_STDOUT, line, sizeof(line));
    log_close(&log);
    char *text = content(path);
    CHECK(count_lines(text) == 2);
    CHECK(strstr(text, "{\"log\":\"\\n\",\"stream\""));
    free(text);
}

static void a_full_log_is_rotated(const char *path) {
    char older[64];
    char oldest[64];
    snprintf(older, sizeof(older), "%s.1", path);
    snprintf(oldest, sizeof(oldest), "%s.2", path);
    struct container_log log;
    open_new(&log, path, 100, 2);
    for (int number = 0; number < 10; number++) log_write(&log, LOG_STDOUT, (const uint8_t *)"line\n", 5);
    log_close(&log);
    char *text = content(older);
    CHECK(count_lines(text) == 2); /* a file is closed by the first line that finds it full */
    free(text);
    CHECK(access(oldest, F_OK) < 0);
    unlink(older);
}

int main(void) {
    text_is_escaped_as_in_go();
    invalid_utf8_becomes_replacement_characters();
    pieces_have_no_line_end();
    times_lose_zeros_at_their_end();
    char path[] = "/tmp/berth-log-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    lines_are_put_together_from_writes(path);
    long_lines_are_cut_at_16_kib(path);
    a_line_of_exactly_16_kib_ends_with_an_empty_piece(path);
    a_full_log_is_rotated(path);
    unlink(path);
    return 0;
}
