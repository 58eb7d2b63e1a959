/*
 * How the container ended, in the file `exit` of its folder; src/runtime/exit-record.ts reads it:
 *
 *     berth-exit 1
 *     code 137
 *     oom 1
 *     finished 1764030000123456789
 */
#ifndef BERTH_EXIT_RECORD_H
#define BERTH_EXIT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

/* Forgets the record of an earlier run and takes the room for the next one: a disk that is full by then does not matter. */
void exit_record_prepare(void);

/* In the working directory: temporary file, fsync, rename. Failure goes to the log: nobody can do more about it. */
void exit_record_write(int code, bool oom_killed, uint64_t finished_at);

#endif
