/* Whether the kernel killed a process of the container for lack of memory, from its memory cgroup (v1 and v2). */
#ifndef BERTH_OOM_H
#define BERTH_OOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct oom_counter {
    int file; /* -1: the process has no memory cgroup of its own */
    uint64_t before;
};

/* Opens the counter of the cgroup that `pid` is in. */
void oom_open(struct oom_counter *counter, pid_t pid);

/* Whether the counter has grown since; closes it. */
bool oom_close(struct oom_counter *counter);

#endif
