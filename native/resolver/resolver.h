/*
 * The resolver's whole state, and what its files offer each other.
 *
 * A sandbox is a container's network namespace: a UDP and a TCP socket that were opened there. Who asks is known by
 * the socket; what it may know is in the file `s-ID`, which names the files `n-ID` of its networks.
 */
#ifndef BERTH_RESOLVER_H
#define BERTH_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "common/buffer.h"
#include "common/failure.h"
#include "common/loop.h"
#include "files.h"
#include "message.h"
#include "records.h"

/* One sandbox alone cannot use up what all share. */
#define FORWARDS_MAX 4096
#define SANDBOX_FORWARDS_MAX 256
#define STREAMS_MAX 1024
#define SANDBOX_STREAMS_MAX 64

/* Times in milliseconds. A client gives up after five seconds (resolv.conf(5)): three attempts fit. */
#define ATTEMPT_TIME 1500
#define ATTEMPTS_MAX 3
#define STREAM_IDLE_TIME 10000
#define TICK 250

/* The names of one network, shared by its sandboxes. */
struct network {
    char id[NETWORK_ID_MAX + 1];
    struct stamp stamp;
    struct network_names names;
    bool known; /* `names` holds a file's content */
    size_t uses;
    struct network *next;
};

struct resolver;
struct forward;
struct stream;

struct sandbox {
    uint64_t id; /* the network namespace's inode */
    struct watch udp;
    struct watch tcp;
    struct stamp stamp;
    struct sandbox_view view;
    bool known;
    struct network **networks; /* one for each of the view's */
    size_t forward_count;
    size_t stream_count;
    struct resolver *resolver;
    struct sandbox *next;
};

struct resolver {
    struct loop loop;
    struct watch control;
    struct watch timer;
    bool ticking;
    bool orphaned; /* the launcher has gone: sandboxes end with their files */
    struct sandbox *sandboxes;
    struct network *networks;
    struct forward *forwards;
    size_t forward_count;
    struct stream *streams;
    size_t stream_count;
    struct stamp host_stamp;
    struct address host_servers[SERVERS_MAX];
    size_t host_server_count;
    uint32_t turn;
};

/* Who waits for a forwarded answer: a client by UDP, or a TCP connection. */
struct requester {
    struct sandbox *sandbox;
    struct stream *stream; /* NULL: by UDP, from `client` */
    struct sockaddr_in client;
};

/* clock.c */
int clock_open(struct resolver *resolver);
uint64_t milliseconds(void);
/* Makes sure that the clock ticks while somebody waits. */
void resolver_tick(struct resolver *resolver);

/* control.c: what the launcher says. */
int control_open(struct resolver *resolver, int socket);

/* sandbox.c */
int sandbox_add(struct resolver *resolver, uint64_t id, int udp, int tcp);
void sandbox_remove(struct resolver *resolver, uint64_t id);
/* Without a launcher: removes those whose file is gone, and ends with the last one. */
void sandboxes_check(struct resolver *resolver);

enum outcome { OUTCOME_ANSWERED, OUTCOME_FORWARDED, OUTCOME_SILENCE };

/* Answers one message: into `data`, of which `limit` bytes may be used (`length` tells how many were), or later. */
enum outcome sandbox_ask(const struct requester *requester, const uint8_t *message, size_t length, uint8_t *data,
                         size_t limit, size_t *used);

/* forward.c */
/* Asks servers outside; -1 when there are none or too many questions wait already. */
int forward_start(const struct requester *requester, const uint8_t *query, size_t length);
/* An answer that came to the sandbox's own UDP socket: its servers on its own loopback send it there. */
void forward_take_local(struct sandbox *sandbox, const struct sockaddr_in *from, const uint8_t *message, size_t length);
void forwards_cancel(struct resolver *resolver, const struct sandbox *sandbox, const struct stream *stream);
void forwards_expire(struct resolver *resolver, uint64_t now);

/* stream.c: DNS by TCP. */
void stream_accept(struct sandbox *sandbox);
void stream_deliver(struct stream *stream, const uint8_t *message, size_t length);
void streams_close(struct resolver *resolver, const struct sandbox *sandbox);
void streams_expire(struct resolver *resolver, uint64_t now);

/* confine.c */
/* Into `folder` as root directory, as nobody with nothing; the system calls that are left are those needed here. */
int confine(const char *folder, struct failure *why);

#endif
