/* Control groups of a machine, in one hierarchy (v2) or in several (v1): the plan's folders. */
#ifndef BERTH_VM_CGROUPS_H
#define BERTH_VM_CGROUPS_H

#include "common/failure.h"
#include "machine-plan.h"

/* Makes the folders, writes their settings and joins them: what is started from now on is in them too. */
int cgroups_join(const struct vm_plan *plan, struct failure *why);

/* Ends what is left in a folder and removes it; one that is not there is fine. */
int cgroup_remove(const char *folder, struct failure *why);

#endif
