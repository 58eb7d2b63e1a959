#include "restart.h"

#include "common/protocol.h"

static bool is_due(const struct restart *restart, int exit_code) {
    if (restart->cancelled || restart->plan.policy == RESTART_NO) return false;
    if (restart->plan.policy == RESTART_ALWAYS) return true;
    bool spent = restart->plan.maximum > 0 && restart->count >= restart->plan.maximum;
    return exit_code != 0 && !spent;
}

static uint64_t next_delay(uint64_t last) {
    if (last == 0) return RESTART_FIRST_DELAY;
    return last * 2 < RESTART_LONGEST_DELAY ? last * 2 : RESTART_LONGEST_DELAY;
}

int64_t restart_after(struct restart *restart, int exit_code, uint64_t ran) {
    if (!is_due(restart, exit_code)) return -1;
    restart->count++;
    restart->delay = next_delay(ran >= RESTART_STABLE_RUN ? 0 : restart->delay);
    return (int64_t)restart->delay;
}
