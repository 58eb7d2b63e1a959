/*
 * ROOT/ID, the folder of a machine that was made and not deleted. It holds the control socket, an empty folder that
 * QEMU's root is built at, and a file with what `delete` must end and remove.
 */
#ifndef BERTH_VM_STATE_FOLDER_H
#define BERTH_VM_STATE_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/failure.h"
#include "machine-plan.h"

#define STATE_ROOT "root"

/* Makes the folder, and ROOT if it is missing. A conflict where the machine is there already. Returns a descriptor. */
int state_create(const char *root, const char *id, struct failure *why);

/* The folder of a machine that is there. */
int state_open(const char *root, const char *id, struct failure *why);

/* Writes who must be ended: `qemu` may be 0. */
int state_write(int folder, pid_t monitor, pid_t qemu, const struct vm_plan *plan, struct failure *why);

/* Ends what runs, and removes its cgroups and the folder. */
int state_delete(const char *root, const char *id, bool force, struct failure *why);

#endif
