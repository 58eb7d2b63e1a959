/* One timer for all that waits; it runs only while somebody does. */
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "resolver.h"

uint64_t milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000u + (uint64_t)time.tv_nsec / 1000000u;
}

static void set_timer(struct resolver *resolver, long interval) {
    const struct timespec time = {.tv_sec = interval / 1000, .tv_nsec = interval % 1000 * 1000000};
    const struct itimerspec times = {.it_interval = time, .it_value = time};
    timerfd_settime(resolver->timer.fd, 0, &times, NULL);
    resolver->ticking = interval > 0;
}

void resolver_tick(struct resolver *resolver) {
    if (!resolver->ticking) set_timer(resolver, TICK);
}

static void on_tick(struct watch *watch, uint32_t events) {
    (void)events;
    struct resolver *resolver = container_of(watch, struct resolver, timer);
    uint64_t ticks;
    if (read(watch->fd, &ticks, sizeof(ticks)) != sizeof(ticks)) return;
    uint64_t now = milliseconds();
    forwards_expire(resolver, now);
    streams_expire(resolver, now);
    if (resolver->orphaned) {
        sandboxes_check(resolver);
    } else if (!resolver->forwards && !resolver->streams) {
        set_timer(resolver, 0);
    }
}

int clock_open(struct resolver *resolver) {
    resolver->timer =
        (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = on_tick};
    return resolver->timer.fd < 0 ? -1 : loop_watch(&resolver->loop, &resolver->timer, EPOLLIN);
}
