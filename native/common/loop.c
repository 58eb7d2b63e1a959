#include "loop.h"

#include <errno.h>
#include <unistd.h>

#include "io.h"

int loop_open(struct loop *loop) {
    loop->stopped = false;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll < 0 ? -1 : 0;
}

int loop_watch(struct loop *loop, struct watch *watch, uint32_t events) {
    if (watch->fd < 0 || (watch->added && watch->events == events)) return 0;
    if (events == 0) {
        /* Removed, not set to 0: epoll reports a hang-up whatever the mask is, and that would be a busy loop. */
        if (!watch->added) return 0;
        watch->added = false;
        return epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    }
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll, watch->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event) < 0) return -1;
    watch->added = true;
    watch->events = events;
    return 0;
}

void loop_close(struct loop *loop, struct watch *watch) {
    loop_watch(loop, watch, 0);
    close_fd(&watch->fd);
}

int loop_run(struct loop *loop) {
    while (!loop->stopped) {
        struct epoll_event event;
        int count = epoll_wait(loop->epoll, &event, 1, -1);
        if (count < 0 && errno != EINTR) return -1;
        if (count != 1) continue;
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
    return 0;
}
