/* Whether the kernel killed a process of the container for lack of memory, from its memory cgroup (v1 and v2). */
#ifndef BERTH_OOM_H
#define BERTH_OOM_H

#include <stdbool.h>
#include <sys/types.h>

struct oom_counter {
    int file; /* -1: the process has no memory cgroup of its own */
};

/*
 * Opens the counter of the cgroup that `pid` is in, which was made for this run of the container. A process that has
 * ended already shows no cgroup any more (v1): then nothing is known.
 */
void oom_open(struct oom_counter *counter, pid_t pid);

/* Whether anything was killed; closes the counter. */
bool oom_close(struct oom_counter *counter);

#endif
