/*
 * `berth-vm run` and `berth-vm exec` leave a process behind, as an OCI runtime does: our own program again, with a word
 * of ours for a command. It is executed anew so that the kernel sees a program of its own in it (native/shim/execution.h).
 */
#ifndef BERTH_VM_LAUNCH_H
#define BERTH_VM_LAUNCH_H

#include "options.h"

/* Where such a process writes one byte when the guest executes what it stands for; else it ends. */
#define LAUNCH_REPORT 3

/*
 * Starts it with the words of our command line, `command` in place of the command. Waits, and writes its pid file.
 * Returns 0, or -1 when it has failed and told why.
 */
int launch(const struct options *options, char **arguments, const char *command);

/* Ends as the guest's process did. */
void exit_as(int code, int signal_number) __attribute__((noreturn));

#endif
