/* What a run of the container had of memory, from its memory cgroup (v1 and v2): OOM kills, the most it took, its limit. */
#ifndef BERTH_OOM_H
#define BERTH_OOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct oom_counter {
    int folder;   /* of the cgroup; -1: the process has none of its own */
    bool unified; /* v2, whose files have other names */
};

/* Sizes are bytes. */
struct memory_end {
    bool oom_killed;
    uint64_t peak;  /* 0: not known */
    uint64_t limit; /* 0: none */
};

/*
 * Opens the cgroup that `pid` is in, which was made for this run of the container. A process that has ended already
 * shows no cgroup any more (v1): then nothing is known.
 */
void oom_open(struct oom_counter *counter, pid_t pid);

/* What became of it; closes the cgroup. */
struct memory_end oom_close(struct oom_counter *counter);

#endif
