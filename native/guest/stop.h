/*
 * A stop that stops: the kernel drops a signal for the first process of a pid namespace that has no handler for it
 * (pid_namespaces(7)), so that a plain `sh -c` or `sleep` would live on until it is killed. Its other processes get the
 * signal then, and one that is alone is killed. The same rule as src/engine/containers/stop-signal.ts has it.
 */
#ifndef BERTH_GUEST_STOP_H
#define BERTH_GUEST_STOP_H

#include "process.h"

/* Sends the first process its stop signal. */
int stop_processes(struct process *process, struct failure *why);

/* Whether the texts of /proc/PID/status and /proc/PID/syscall are those of a process to which the signal means nothing. */
bool is_dropped(const char *status, const char *syscall, int signal);

#endif
