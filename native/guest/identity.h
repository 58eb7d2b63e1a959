/* What must differ between two guests of one template: the clock, random numbers, names. */
#ifndef BERTH_GUEST_IDENTITY_H
#define BERTH_GUEST_IDENTITY_H

#include <stdint.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "setup-plan.h"

/* `time` in nanoseconds since the epoch; 0 leaves the clock. */
int set_clock(uint64_t time, struct failure *why);

/* Clock, random numbers, host and domain name. */
int set_identity(const struct setup_plan *plan, struct failure *why);

#endif
