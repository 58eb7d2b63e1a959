/* Bytes from one descriptor to another, as they are. What the other does not take is waited with, not read further. */
#ifndef BERTH_VM_PUMP_H
#define BERTH_VM_PUMP_H

#include <stdint.h>

#include "common/buffer.h"
#include "common/loop.h"

struct pump;

struct pump_events {
    /* What came, before it is handed on; may be NULL. */
    void (*came)(struct pump *pump, const uint8_t *data, size_t length);
    /* The source has ended, and everything was handed on. The pump may be closed. */
    void (*ended)(struct pump *pump);
    /* Nobody takes it any more. NULL: then the rest is thrown away, so that the source can go on. */
    void (*refused)(struct pump *pump);
};

struct pump {
    struct loop *loop;
    const struct pump_events *events;
    struct watch from; /* -1: it has ended */
    struct watch to;   /* -1: nobody takes it */
    struct buffer pending;
};

/* Takes both descriptors over, and makes them non-blocking. A source that cannot be waited for, like /dev/null, is empty. */
void pump_open(struct pump *pump, struct loop *loop, int from, int to, const struct pump_events *events);

/* Hands something over behind what came, when the source has ended; `ended` is called again. */
void pump_add(struct pump *pump, const void *data, size_t length);

/* Closes both without calling anything. A pump that was zeroed may be closed. */
void pump_close(struct pump *pump);

#endif
