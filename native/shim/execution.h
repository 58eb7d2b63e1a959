/*
 * Whether a process that the OCI runtime left behind executes the container's program already, or is still a copy of
 * the runtime. crun and runc report success before execve, so that a missing interpreter or a file of another machine
 * shows only afterwards, as the end of that copy.
 *
 * The kernel says which of the two a process is (PF_FORKNOEXEC in /proc/PID/stat, also of a process that has ended but
 * was not reaped). No program can pretend to be the runtime's copy: execve clears the flag for good, so one that ends
 * at once, with the runtime's very words on its stderr, has still been executed.
 *
 * When to look: the process holds the write end of a pipe that is closed on execve; the other end is process.execution.
 * The end of file comes with execve, or with the end of the process.
 */
#ifndef BERTH_EXECUTION_H
#define BERTH_EXECUTION_H

#include <sys/types.h>

enum execution {
    EXECUTION_AHEAD,  /* it lives, and is still the runtime's copy */
    EXECUTION_DONE,   /* also what a process that cannot be looked at is taken for */
    EXECUTION_MISSED, /* it ends or has ended, and never was anything but the runtime's copy */
};

enum execution execution_of(pid_t pid);

/* The same from a line of /proc/PID/stat. */
enum execution execution_parse(const char *stat);

#endif
