/* A filter that leaves a process only the system calls that it needs (seccomp(2)). */
#ifndef BERTH_SYSTEM_CALLS_H
#define BERTH_SYSTEM_CALLS_H

#include <stddef.h>

#include "failure.h"

#define SYSTEM_CALLS_MAX 100

/*
 * Calls that are not among these fail with EPERM from now on, in this process and its children; one of another
 * architecture kills. Needs no_new_privs or CAP_SYS_ADMIN. A kernel without seccomp, and a build with sanitizers, which
 * have needs of their own, go without.
 */
int allow_system_calls(const int *calls, size_t count, struct failure *why);

#endif
