#include "identity.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"

#define BILLION 1000000000u

int set_clock(uint64_t time, struct failure *why) {
    if (time == 0) return 0;
    struct timespec value = {.tv_sec = (time_t)(time / BILLION), .tv_nsec = (long)(time % BILLION)};
    return clock_settime(CLOCK_REALTIME, &value) < 0 ? fail_errno(why, "the clock cannot be set") : 0;
}

/* The seed is counted as entropy, and the generator begins anew with it: no number may come from the template's state. */
static int set_random_seed(const struct buffer *seed, struct failure *why) {
    if (seed->length == 0) return 0;
    struct rand_pool_info *pool = calloc(1, sizeof(*pool) + seed->length);
    if (!pool) return fail_errno(why, "the random seed");
    pool->entropy_count = (int)seed->length * 8;
    pool->buf_size = (int)seed->length;
    memcpy(pool->buf, seed->data, seed->length);
    AUTO_CLOSE random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    int result = random < 0 || ioctl(random, RNDADDENTROPY, pool) < 0 || ioctl(random, RNDRESEEDCRNG) < 0
                     ? fail_errno(why, "the random seed")
                     : 0;
    explicit_bzero(pool, sizeof(*pool) + seed->length);
    free(pool);
    return result;
}

static int set_names(const struct setup_plan *plan, struct failure *why) {
    if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0) {
        return fail_errno(why, "the host name %s", plan->hostname);
    }
    if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)) < 0) {
        return fail_errno(why, "the domain name %s", plan->domainname);
    }
    return 0;
}

int set_identity(const struct setup_plan *plan, struct failure *why) {
    if (set_clock(plan->time, why) < 0 || set_random_seed(&plan->seed, why) < 0) return -1;
    return set_names(plan, why);
}
