/* Who a process is and what it may. */
#ifndef BERTH_GUEST_CREDENTIALS_H
#define BERTH_GUEST_CREDENTIALS_H

#include "common/failure.h"
#include "process-plan.h"

/* Limits of resources. */
int take_limits(const struct process_plan *plan, struct failure *why);

/*
 * Umask, user, groups, capabilities, no-new-privileges, the filter of system calls, and the folder it begins in, which it
 * must be able to enter as who it is then.
 */
int take_credentials(const struct process_plan *plan, struct failure *why);

#endif
