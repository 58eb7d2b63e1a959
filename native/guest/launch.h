/* The way of a process from a copy of PID 1 to its program. */
#ifndef BERTH_GUEST_LAUNCH_H
#define BERTH_GUEST_LAUNCH_H

#include <sys/types.h>

#include "common/failure.h"
#include "process-plan.h"
#include "setup-plan.h"

/* What a process that runs already is in, and new ones join. -1: not open. */
struct namespaces {
    int pid;
    int mount;
    int ipc;
    int uts;
    int cgroup;
};

/* What a new process tells PID 1 over its channel (SOCK_SEQPACKET), whose end means that the program was executed. */
enum launch_word {
    LAUNCH_TERMINAL = 'T', /* with the terminal's master as a descriptor */
    LAUNCH_FAILED = 'F',   /* kind, zero byte, message */
};

#define LAUNCH_WORD_MAX 1200

struct launch {
    const struct process_plan *process;
    const struct setup_plan *setup;      /* the first process: it makes the root; NULL: it joins */
    const struct namespaces *namespaces; /* to be joined */
    int own_pid_namespace;               /* PID 1's */
    int standard[3];                     /* what becomes descriptors 0 to 2; -1 where a terminal will be */
    int connection;                      /* of a file worker; else -1 */
    int channel;                         /* the new process's end */
};

/* Forks; the new process's number as PID 1 sees it, or -1. */
pid_t launch_process(const struct launch *launch, struct failure *why);

#endif
