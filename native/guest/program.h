/* The program of a process: found as execvp(3) would, with errors in the words of OCI runtimes. */
#ifndef BERTH_GUEST_PROGRAM_H
#define BERTH_GUEST_PROGRAM_H

#include "common/failure.h"
#include "process-plan.h"

/* Executes the plan's command; returns -1 only. */
int execute_program(const struct process_plan *plan, struct failure *why);

#endif
