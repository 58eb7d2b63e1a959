/*
 * The host ports of the container. The supervisor holds them from the preparation to the exit, so that nobody else
 * takes them, and forwards what reaches its sockets: that is loopback clients, the others are translated in the kernel. SCTP is
 * never forwarded.
 */
#ifndef BERTH_PORTS_H
#define BERTH_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/loop.h"
#include "common/plan.h"

struct tcp_forward;
struct udp_client;

struct port {
    struct watch watch; /* no descriptor: it was withdrawn */
    struct ports *ports;
    struct port_plan plan;
    uint16_t bound;
    struct sockaddr_storage target;
    socklen_t target_length;
    struct udp_client *udp_clients;
    size_t udp_client_count;
};

struct ports {
    struct loop *loop;
    struct port **items; /* withdrawn ones keep their place: connections through them may go on */
    size_t count;
    struct tcp_forward *forwards;
    void (*refused)(const struct port *port); /* a connection found nobody in the container */
};

/* Binds all ports of the plan, which hands them over, or none. When one is taken, `why` is a conflict and `taken` its index. */
int ports_bind(struct ports *ports, struct loop *loop, struct plan *plan, size_t *taken, struct failure *why);

/* Binds one more port, which is handed over whatever happens. NULL: `why` is a conflict when it is taken. */
struct port *ports_add(struct ports *ports, struct port_plan *plan, struct failure *why);

/* Lets go of the host's port. Connections through it go on. */
void ports_withdraw(struct ports *ports, const struct port_plan *plan);

/* Begins to accept; until then connections wait in the kernel's queue. */
void ports_serve(struct ports *ports);

/* Appends one port as it was bound. */
void port_report(const struct port *port, struct buffer *out);

/* Appends the ports as they were bound. */
void ports_encode(const struct ports *ports, struct buffer *out);

void ports_close(struct ports *ports);

void ports_free(struct ports *ports);

/* tcp-forward.c */
void tcp_accept(struct port *port);
void tcp_close_all(struct ports *ports);

/* udp-forward.c */
void udp_receive(struct port *port);
void udp_close_all(struct port *port);

#endif
