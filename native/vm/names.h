/*
 * The guest's questions about names, asked where a container's are: at 127.0.0.11 in its network namespace. What comes
 * back is passed on as it is. Nothing here understands DNS, but the two bytes that tell one answer from another.
 */
#ifndef BERTH_VM_NAMES_H
#define BERTH_VM_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/loop.h"

/* Questions under way at the same time; the oldest ones are given up beyond. */
#define NAMES_BY_UDP 128
#define NAMES_BY_TCP 16

struct names;

struct datagram_question {
    bool waits;
    uint16_t guest_id;
    uint16_t message_id; /* as the guest's program chose it */
};

/* A connection to the name server: first what is still to be sent, then what has come. */
struct stream_question {
    struct watch watch;
    struct names *names;
    uint16_t guest_id;
    bool sent;
    struct buffer data;
};

struct names {
    struct loop *loop;
    struct watch datagrams;
    struct datagram_question by_udp[NAMES_BY_UDP];
    size_t next_datagram;
    struct stream_question by_tcp[NAMES_BY_TCP];
    size_t next_stream;
    /* An empty answer: nobody gave one. */
    void (*answer)(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length);
};

/* The caller is in the namespace, and stays there. */
void names_open(struct names *names, struct loop *loop,
                void (*answer)(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length));

void names_ask(struct names *names, uint16_t guest_id, bool by_tcp, const uint8_t *message, size_t length);

void names_close(struct names *names);

#endif
