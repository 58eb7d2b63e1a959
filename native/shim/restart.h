/* Whether and when a container is restarted: Docker's rule (moby, restartmanager.go). */
#ifndef BERTH_RESTART_H
#define BERTH_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "common/plan.h"

#define RESTART_FIRST_DELAY 100   /* milliseconds */
#define RESTART_LONGEST_DELAY 60000
#define RESTART_STABLE_RUN 10000 /* a run of this length resets the delay */

struct restart {
    struct restart_plan plan;
    uint64_t count;
    uint64_t delay; /* of the last restart; 0: none yet */
    bool cancelled; /* the user stops it: this run is the last */
};

/* What follows a run of `ran` milliseconds: the milliseconds until the restart, which is counted; -1: there is none. */
int64_t restart_after(struct restart *restart, int exit_code, uint64_t ran);

#endif
