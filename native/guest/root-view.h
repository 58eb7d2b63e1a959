/* What the processes see as their root: made by the first of them, in its own namespaces. */
#ifndef BERTH_GUEST_ROOT_VIEW_H
#define BERTH_GUEST_ROOT_VIEW_H

#include <stdbool.h>

#include "common/failure.h"
#include "setup-plan.h"

/*
 * Mounts /proc, /dev, /sys and what the plan asks for, and makes the result the root, with `directory` in it. With
 * `with_init`, berth's init is at INIT_POINT.
 */
int enter_root(const struct setup_plan *plan, const char *directory, bool with_init, struct failure *why);

#define INIT_POINT "/sbin/docker-init"

#endif
