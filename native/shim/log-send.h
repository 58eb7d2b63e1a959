/* The log messages that go to a syslog server or to journald: as datagrams, or as lines of a TCP connection. */
#ifndef BERTH_LOG_SEND_H
#define BERTH_LOG_SEND_H

#include <stdbool.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/plan.h"
#include "log-message.h"

struct log_send {
    int socket; /* -1: nowhere */
    const struct send_plan *plan;
    bool stream;         /* TCP: a message ends with its line */
    struct buffer begun; /* the end of a message whose beginning was sent */
    uint64_t closed_at;  /* milliseconds of the clock that never jumps; 0: the connection is there */
    uint64_t lost;
};

/* The plan must stay valid. Refused when the receiver is not there. */
int log_send_open(struct log_send *send, const struct send_plan *plan, struct failure *why);

/*
 * Waits at most a second for a receiver that is busy, and asks one that has gone at most once a second whether it is there
 * again; what is not taken then is lost, and counted.
 */
void log_send_message(struct log_send *send, const struct log_message *message);

void log_send_close(struct log_send *send);

/* The datagram of a message (exported for its tests). */
int log_send_format(struct buffer *out, const struct send_plan *plan, const struct log_message *message);

#endif
