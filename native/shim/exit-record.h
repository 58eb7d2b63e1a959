/*
 * How the container ended, in the file `exit` of its folder; src/runtime/exit-record.ts reads it:
 *
 *     berth-exit 2
 *     code 137
 *     signal 9
 *     oom 1
 *     peak 67108864
 *     limit 67108864
 *     finished 1764030000123456789
 */
#ifndef BERTH_EXIT_RECORD_H
#define BERTH_EXIT_RECORD_H

#include <stdint.h>

#include "oom.h"

/* `signal`: 0 when it ended by itself. `finished` is in nanoseconds since the epoch. */
struct run_end {
    int code;
    int signal;
    struct memory_end memory;
    uint64_t finished;
};

/* Forgets the record of an earlier run and takes the room for the next one: a disk that is full by then does not matter. */
void exit_record_prepare(void);

/* In the working directory: temporary file, fsync, rename. Failure goes to the log: nobody can do more about it. */
void exit_record_write(const struct run_end *end);

#endif
