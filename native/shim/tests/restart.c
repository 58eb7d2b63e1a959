#include "shim/restart.h"

#include "common/protocol.h"
#include "testing/check.h"

static struct restart with(uint64_t policy, uint64_t maximum) {
    return (struct restart){.plan = {.policy = policy, .maximum = maximum}};
}

static void nothing_is_restarted_without_a_policy(void) {
    struct restart restart = with(RESTART_NO, 0);
    CHECK(restart_after(&restart, 1, 0) == -1);
    CHECK(restart.count == 0);
}

static void the_delay_doubles_up_to_a_minute(void) {
    struct restart restart = with(RESTART_ALWAYS, 0);
    static const int64_t DELAYS[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
    for (size_t index = 0; index < sizeof(DELAYS) / sizeof(*DELAYS); index++) {
        CHECK(restart_after(&restart, 0, RESTART_STABLE_RUN - 1) == DELAYS[index]);
        CHECK(restart.count == index + 1);
    }
}

static void a_run_of_ten_seconds_resets_the_delay(void) {
    struct restart restart = with(RESTART_ALWAYS, 0);
    CHECK(restart_after(&restart, 1, 0) == 100);
    CHECK(restart_after(&restart, 1, 0) == 200);
    CHECK(restart_after(&restart, 1, RESTART_STABLE_RUN) == 100);
    CHECK(restart.count == 3);
}

static void a_failure_is_restarted_as_often_as_it_may(void) {
    struct restart restart = with(RESTART_ON_FAILURE, 2);
    CHECK(restart_after(&restart, 0, 0) == -1);
    CHECK(restart_after(&restart, 3, 0) == 100);
    CHECK(restart_after(&restart, 3, 0) == 200);
    CHECK(restart_after(&restart, 3, 0) == -1);
    CHECK(restart.count == 2);
    restart.plan.maximum = 0;
    CHECK(restart_after(&restart, 3, 0) == 400);
}

static void a_cancelled_one_is_not_restarted(void) {
    struct restart restart = with(RESTART_ALWAYS, 0);
    restart.cancelled = true;
    CHECK(restart_after(&restart, 1, 0) == -1);
}

int main(void) {
    nothing_is_restarted_without_a_policy();
    the_delay_doubles_up_to_a_minute();
    a_run_of_ten_seconds_resets_the_delay();
    a_failure_is_restarted_as_often_as_it_may();
    a_cancelled_one_is_not_restarted();
    return 0;
}
