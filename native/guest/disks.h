/* The machine's disks: what is on them came after the guest had booted. */
#ifndef BERTH_GUEST_DISKS_H
#define BERTH_GUEST_DISKS_H

#include "common/failure.h"
#include "setup-plan.h"

/* Mounts the layers, each at LAYERS_DIRECTORY/INDEX, and what is writable at WRITABLE_DIRECTORY. */
int mount_disks(const struct setup_plan *plan, struct failure *why);

#endif
