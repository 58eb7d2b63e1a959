/*
 * Names in a guest: questions to 127.0.0.11:53 go to the host, which asks the name server of the machine's networks. The
 * socket that takes them is at another port, so that a program of the machine's may have every port 53; the processes'
 * own packets are led there and back (redirect.h).
 */
#ifndef BERTH_GUEST_NAMES_H
#define BERTH_GUEST_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "common/failure.h"
#include "common/loop.h"
#include "port.h"

struct names;

/* Takes questions from now on; NULL with the reason when that cannot be. */
struct names *names_open(struct loop *loop, struct port *port, struct failure *why);

/* The same with sockets that are open, which it takes over; they do not block. */
struct names *names_serve(struct loop *loop, struct port *port, int datagrams, int listener, struct failure *why);

/* The host's answer to a question; empty: nobody gave one, which the program is told. */
void names_answer(struct names *names, uint16_t id, const uint8_t *message, size_t length);

void names_close(struct names *names);

#endif
