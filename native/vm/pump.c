#include "pump.h"

#include <errno.h>
#include <unistd.h>

#include "common/io.h"

#define PIECE 16384

static void refuse(struct pump *pump) {
    loop_close(pump->loop, &pump->to);
    buffer_free(&pump->pending);
    if (pump->events->refused) pump->events->refused(pump);
}

/* False when nobody takes it any more: the pump may be closed then. */
static bool hand_on(struct pump *pump) {
    while (pump->to.fd >= 0 && pump->pending.length > 0) {
        ssize_t count = RETRY(write(pump->to.fd, pump->pending.data, pump->pending.length));
        if (count < 0 && errno == EAGAIN) return true;
        if (count < 0) {
            refuse(pump);
            return false;
        }
        buffer_consume(&pump->pending, (size_t)count);
    }
    buffer_free(&pump->pending);
    return true;
}

/* Either the one is waited for or the other. */
static void watch_next(struct pump *pump) {
    bool full = pump->pending.length > 0;
    if (full && loop_watch(pump->loop, &pump->to, EPOLLOUT) < 0) {
        refuse(pump);
        return;
    }
    if (!full) loop_watch(pump->loop, &pump->to, 0);
    if (loop_watch(pump->loop, &pump->from, full ? 0 : EPOLLIN) < 0) loop_close(pump->loop, &pump->from);
    if (!full && pump->from.fd < 0) pump->events->ended(pump);
}

static void on_readable(struct watch *watch, uint32_t events) {
    (void)events;
    struct pump *pump = container_of(watch, struct pump, from);
    uint8_t *room = buffer_reserve(&pump->pending, PIECE);
    ssize_t count = room ? RETRY(read(watch->fd, room, PIECE)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        loop_close(pump->loop, watch);
    } else {
        if (pump->events->came) pump->events->came(pump, room, (size_t)count);
        pump->pending.length += (size_t)count;
    }
    if (hand_on(pump) || !pump->events->refused) watch_next(pump);
}

static void on_writable(struct watch *watch, uint32_t events) {
    (void)events;
    struct pump *pump = container_of(watch, struct pump, to);
    if (hand_on(pump) || !pump->events->refused) watch_next(pump);
}

void pump_open(struct pump *pump, struct loop *loop, int from, int to, const struct pump_events *events) {
    *pump = (struct pump){.loop = loop,
                          .events = events,
                          .from = {.fd = from, .ready = on_readable},
                          .to = {.fd = to, .ready = on_writable}};
    if (from >= 0 && (set_nonblocking(from) < 0 || loop_watch(loop, &pump->from, EPOLLIN) < 0)) {
        loop_close(loop, &pump->from);
    }
    if (to >= 0 && set_nonblocking(to) < 0) loop_close(loop, &pump->to);
}

void pump_add(struct pump *pump, const void *data, size_t length) {
    if (pump->to.fd >= 0 && buffer_append(&pump->pending, data, length) < 0) loop_close(pump->loop, &pump->to);
    if (hand_on(pump) || !pump->events->refused) watch_next(pump);
}

void pump_close(struct pump *pump) {
    if (!pump->loop) return;
    loop_close(pump->loop, &pump->from);
    loop_close(pump->loop, &pump->to);
    buffer_free(&pump->pending);
    pump->loop = NULL;
}
