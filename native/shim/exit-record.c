#include "exit-record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/failure.h"
#include "common/io.h"

#define RECORD "exit"
#define TEMPORARY "exit.tmp"
#define RECORD_MAX 256
#define EARLIER "exits"
#define EARLIER_TEMPORARY "exits.tmp"

static int reserve(void) {
    AUTO_CLOSE file = open(TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return -1;
    errno = posix_fallocate(file, 0, RECORD_MAX);
    return errno == 0 ? 0 : -1;
}

void exit_record_prepare(void) {
    if (unlink(EARLIER) < 0 && errno != ENOENT) log_line("the record of earlier ends stays: %s", strerror(errno));
    if (unlink(RECORD) < 0 && errno != ENOENT) log_line("the old exit record stays: %s", strerror(errno));
    if (reserve() < 0) log_line("no room for the exit record: %s", strerror(errno));
}

static int sync_folder(void) {
    AUTO_CLOSE folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -1 : fsync(folder);
}

/* Over the bytes that are reserved: the file is not emptied first. A full disk may cost the words. */
static int write_record(const char *text, size_t length, const struct buffer *words) {
    AUTO_CLOSE file = open(TEMPORARY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write_all(file, text, length) < 0) return -1;
    if (words && write_all(file, words->data, words->length) == 0) length += words->length;
    if (ftruncate(file, (off_t)length) < 0 || rename(TEMPORARY, RECORD) < 0) return -1;
    /* Renamed before: then the first of the two costs one commit of the file system, and the second hardly any. */
    return fsync(file) < 0 ? -1 : sync_folder();
}

void exit_record_write(const struct run_end *end, const struct buffer *words) {
    char text[RECORD_MAX];
    int length = snprintf(text, sizeof(text),
                          "berth-exit 2\ncode %d\nsignal %d\noom %d\npeak %llu\nlimit %llu\nstarted %llu\n"
                          "finished %llu\nrestarts %llu\n%s",
                          end->code, end->signal, end->memory.oom_killed, (unsigned long long)end->memory.peak,
                          (unsigned long long)end->memory.limit, (unsigned long long)end->started,
                          (unsigned long long)end->finished, (unsigned long long)end->restarts, words ? "\n" : "");
    if (write_record(text, (size_t)length, words) < 0) {
        log_line("the exit record cannot be written: %s", strerror(errno));
    }
}

static int write_earlier(const struct buffer *text) {
    AUTO_CLOSE file = open(EARLIER_TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write_all(file, text->data, text->length) < 0 || fsync(file) < 0) return -1;
    return rename(EARLIER_TEMPORARY, EARLIER);
}

void exit_record_write_earlier(const struct run_end *ends, size_t count) {
    static const char HEAD[] = "berth-exits 1\n";
    AUTO_BUFFER text = {0};
    if (count == 0) return;
    int result = buffer_append(&text, HEAD, sizeof(HEAD) - 1);
    for (size_t index = 0; index < count && result == 0; index++) {
        const struct run_end *end = &ends[index];
        char line[RECORD_MAX];
        int length = snprintf(line, sizeof(line), "%d %d %d %llu %llu %llu %llu %llu\n", end->code, end->signal,
                              end->memory.oom_killed, (unsigned long long)end->memory.peak,
                              (unsigned long long)end->memory.limit, (unsigned long long)end->started,
                              (unsigned long long)end->finished, (unsigned long long)end->restarts);
        result = buffer_append(&text, line, (size_t)length);
    }
    if (result < 0 || write_earlier(&text) < 0) log_line("earlier ends cannot be recorded: %s", strerror(errno));
}
