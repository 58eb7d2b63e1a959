/*
 * The files of a log: `path` is the newest, `path.1` the one before, and so on (moby: loggerutils/logfile.go). Rotated
 * ones may be compressed, to `path.1.gz`, by a program that works beside us; it keeps the time of the last change.
 */
#ifndef BERTH_LOG_FILES_H
#define BERTH_LOG_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/plan.h"

struct log_files {
    int file; /* -1: none */
    const char *path;
    uint64_t size;
    uint64_t max_size; /* 0: never rotated */
    uint64_t max_files;
    const char *compressor; /* NULL: none */
    pid_t compressing;      /* 0: nothing is being compressed */
    uint64_t compressing_number; /* of the file, which rotation moves on */
};

/* Goes on at the end of a log that exists. The plan must stay valid. */
int log_files_open(struct log_files *files, const struct plan *plan, struct failure *why);

/* Whether the newest file has all that it may have: what comes next belongs into a new one. */
bool log_files_full(const struct log_files *files);

void log_files_rotate(struct log_files *files);

/* A log that cannot be written (a full disk) loses lines; the container goes on. */
void log_files_write(struct log_files *files, const struct buffer *data);

/* Takes the end of the compressor; false when `pid` is somebody else. */
bool log_files_compressed(struct log_files *files, pid_t pid, int status);

void log_files_close(struct log_files *files);

#endif
