/*
 * How the container ended, in the file `exit` of its folder; src/runtime/exit-record.ts reads it:
 *
 *     berth-exit 2
 *     code 137
 *     signal 9
 *     oom 1
 *     peak 67108864
 *     limit 67108864
 *     started 1764030000123456789
 *     finished 1764030000123456789
 *     restarts 0
 *
 * Behind that, when a restart failed, an empty line and the OCI runtime's words.
 *
 * The ends before it that a restart followed are in the file `exits`, for a berthd that was away: a line each, the oldest
 * first, of the same numbers in the same order.
 *
 *     berth-exits 1
 *     7 0 0 1048576 0 1764030000123456789 1764030001123456789 1
 */
#ifndef BERTH_EXIT_RECORD_H
#define BERTH_EXIT_RECORD_H

#include <stdint.h>

#include "common/buffer.h"
#include "oom.h"

/* `signal`: 0 when it ended by itself. Times are nanoseconds since the epoch. */
struct run_end {
    int code;
    int signal;
    struct memory_end memory;
    uint64_t started;
    uint64_t finished;
    uint64_t restarts; /* those before this end, and the one that follows it */
};

/* Forgets the record of an earlier run and takes the room for the next one: a disk that is full by then does not matter. */
void exit_record_prepare(void);

/*
 * In the working directory; on disk when it returns. After a power cut in the middle of it the file may be empty.
 * `words` may be NULL. Failure goes to the log: nobody can do more about it.
 */
void exit_record_write(const struct run_end *end, const struct buffer *words);

/* Before the record of the last end. */
void exit_record_write_earlier(const struct run_end *ends, size_t count);

#endif
