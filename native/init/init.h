/* The init of a container: runs its command, passes signals on to it, and reaps whoever loses its parent. */
#ifndef BERTH_INIT_INIT_H
#define BERTH_INIT_INIT_H

/*
 * Runs `command` (ends with NULL) as a child and waits for its end; meant for PID 1 or a child subreaper. Returns the
 * command's exit code, 128 + the signal that killed it, 127 when there is no such program, or 126 when it cannot be
 * executed. Processes that are left over end with the container.
 */
int init_run(char *const command[]);

#endif
