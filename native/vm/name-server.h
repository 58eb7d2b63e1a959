/*
 * Where the guests of computers ask for names: at the address of a card's lease, by UDP and TCP (RFC 1035, 4.2). The
 * questions are passed on to where the namespace's are asked (names.h), and so are the answers.
 */
#ifndef BERTH_VM_NAME_SERVER_H
#define BERTH_VM_NAME_SERVER_H

#include <netinet/in.h>

#include "common/buffer.h"
#include "lease-link.h"
#include "names.h"

/* As many as can be under way, and the one for which the oldest is given up. */
#define NAME_SERVER_QUESTIONS (NAMES_BY_UDP + NAMES_BY_TCP + 1)
#define NAME_SERVER_CONNECTIONS NAMES_BY_TCP

struct name_server;

/* One card's sockets. */
struct name_port {
    struct name_server *server;
    struct watch datagrams;
    struct watch listening;
};

/* A guest's connection: a question, then its answer, again and again. */
struct name_connection {
    struct name_server *server;
    struct watch watch; /* -1: none */
    uint64_t number;    /* no other one ever has it */
    bool asked;         /* the answer is awaited */
    struct buffer in;
    struct buffer out;
};

struct name_question {
    const struct name_port *port; /* by UDP: where it came; NULL: it did not */
    struct sockaddr_in from;
    uint64_t connection; /* by TCP: its number; 0: it is not */
};

struct name_server {
    struct loop *loop;
    struct names names;
    struct name_question questions[NAME_SERVER_QUESTIONS]; /* by the numbers that names.h knows them by */
    struct name_connection connections[NAME_SERVER_CONNECTIONS];
    uint64_t last_connection;
};

/* The caller is in the namespace, and stays there. */
void name_server_open(struct name_server *server, struct loop *loop);

/* Listens at one card. */
int name_server_listen(struct name_server *server, struct name_port *port, const struct lease_link *link,
                       struct failure *why);

/* A connection of a guest's, taken over. The oldest one makes room. */
void name_server_connect(struct name_server *server, int fd);

void name_server_close(struct name_server *server);

#endif
