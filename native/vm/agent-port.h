/*
 * The way to QEMU's guest agent, which is one stream: whoever has it, has it alone, and others wait. What the agent says
 * while nobody has it is an answer that nobody waited for.
 */
#ifndef BERTH_VM_AGENT_PORT_H
#define BERTH_VM_AGENT_PORT_H

#include <stdbool.h>

#include "pump.h"

struct agent_port {
    struct loop *loop;
    struct watch port; /* watched while nobody has it; -1: there is none */
    bool is_taken;
    bool is_awaited;
    struct pump to_guest;
    struct pump from_guest;
    /* It is free and somebody waits, who may take it. */
    void (*free)(struct agent_port *port);
};

/* `fd`, the connected socket to QEMU, is taken over. */
int agent_port_open(struct agent_port *port, struct loop *loop, int fd, void (*free)(struct agent_port *port));

/* Somebody waits: `free` is called from the loop as soon as nobody has it. */
void agent_port_await(struct agent_port *port);

/* The stream is `client`'s, which is taken over, until it ends. False: there are no descriptors left. */
bool agent_port_take(struct agent_port *port, int client);

void agent_port_close(struct agent_port *port);

#endif
