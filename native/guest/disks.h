/* The machine's disks: found after they were plugged in, and mounted. */
#ifndef BERTH_GUEST_DISKS_H
#define BERTH_GUEST_DISKS_H

#include <stdbool.h>

#include "common/failure.h"
#include "setup-plan.h"

/* Looks for disks that were plugged in, and waits until those of the plan are there. */
int find_disks(const struct setup_plan *plan, struct failure *why);

/* Mounts the layers, each at LAYERS_DIRECTORY/INDEX, and what is writable at WRITABLE_DIRECTORY. */
int mount_disks(const struct setup_plan *plan, struct failure *why);

#endif
