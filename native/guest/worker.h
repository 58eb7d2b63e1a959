/* Berth's own workers in a guest: they are none of the machine's processes, and have PID 1's rights. */
#ifndef BERTH_GUEST_WORKER_H
#define BERTH_GUEST_WORKER_H

#include "common/failure.h"
#include "launch.h"

/* The new process becomes the worker of its plan, whose connection is `launch->connection`; returns -1 only. */
int become_worker(const struct launch *launch, struct failure *why);

#endif
