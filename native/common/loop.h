/*
 * The event loop: one epoll set, one event at a time. A handler may free any watch, its own included, because no
 * further event of the same epoll_wait can point to it.
 */
#ifndef BERTH_LOOP_H
#define BERTH_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop {
    int epoll;
    bool stopped;
};

struct watch {
    int fd; /* owned by the watch; -1: none */
    uint32_t events;
    bool added;
    void (*ready)(struct watch *watch, uint32_t events);
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

int loop_open(struct loop *loop);

/* Watches `watch->fd` for `events` (EPOLLIN, EPOLLOUT); 0 stops watching but keeps the descriptor. */
int loop_watch(struct loop *loop, struct watch *watch, uint32_t events);

/* Stops watching and closes the descriptor. */
void loop_close(struct loop *loop, struct watch *watch);

/* Calls handlers until loop->stopped; -1 when epoll itself fails. */
int loop_run(struct loop *loop);

#endif
