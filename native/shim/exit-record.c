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
#define RECORD_MAX 128

static int reserve(void) {
    AUTO_CLOSE file = open(TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return -1;
    errno = posix_fallocate(file, 0, RECORD_MAX);
    return errno == 0 ? 0 : -1;
}

void exit_record_prepare(void) {
    if (unlink(RECORD) < 0 && errno != ENOENT) log_line("the old exit record stays: %s", strerror(errno));
    if (reserve() < 0) log_line("no room for the exit record: %s", strerror(errno));
}

/* Over the bytes that are reserved: the file is not emptied first. */
static int write_record(const char *text, size_t length) {
    AUTO_CLOSE file = open(TEMPORARY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write_all(file, text, length) < 0) return -1;
    if (ftruncate(file, (off_t)length) < 0 || fsync(file) < 0) return -1;
    return rename(TEMPORARY, RECORD);
}

void exit_record_write(int code, bool oom_killed, uint64_t finished_at) {
    char text[RECORD_MAX];
    int length = snprintf(text, sizeof(text), "berth-exit 1\ncode %d\noom %d\nfinished %llu\n", code, oom_killed,
                          (unsigned long long)finished_at);
    if (write_record(text, (size_t)length) < 0) {
        log_line("the exit record cannot be written: %s", strerror(errno));
    }
}
