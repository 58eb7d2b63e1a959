/* Handles what has happened, without waiting for more. */
#ifndef BERTH_VM_TESTS_TURN_H
#define BERTH_VM_TESTS_TURN_H

#include <sys/epoll.h>

#include "common/loop.h"

static inline void turn(struct loop *loop) {
    struct epoll_event event;
    while (epoll_wait(loop->epoll, &event, 1, 0) == 1) {
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
}

#endif
