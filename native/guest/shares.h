/* The host's folders that are shared with this machine, and what they are reached by. */
#ifndef BERTH_GUEST_SHARES_H
#define BERTH_GUEST_SHARES_H

#include <stdbool.h>

#include "common/failure.h"
#include "setup-plan.h"

/* Whether the kernel's words (GUEST_SHARES_VARIABLE) let the host share folders by `transport`, "9p" or "virtiofs". */
bool may_be_shared_by(const char *transport);

/* Mounts what the host shares at SHARES_DIRECTORY, if the plan has mounts from there. */
int mount_shares(const struct setup_plan *plan, struct failure *why);

#endif
