/* The launcher's whole state, and what its files offer each other. */
#ifndef BERTH_LAUNCHER_H
#define BERTH_LAUNCHER_H

#include <sys/types.h>

#include "common/connection.h"
#include "common/loop.h"
#include "common/plan.h"
#include "common/sealed-program.h"
#include "host-servers.h"
#include "layers.h"
#include "networks.h"
#include "resolver.h"

/* A berthd that is connected. */
struct client {
    struct connection connection;
    struct launcher *launcher;
    struct client *next;
};

/* A supervisor or file worker. Its report pipe carries one frame, the answer to the request that started it. */
struct child {
    pid_t pid;
    struct watch report;
    struct buffer reported;
    bool silence_is_success; /* a file worker's report is closed by its exec */
    struct client *client; /* NULL: nobody waits for the answer any more */
    uint16_t request;
    struct client *awaited_by; /* NULL: nobody waits for its end */
    uint16_t await_request;
    struct layer **layers;
    size_t layer_count;
    bool has_network;
    uint64_t network; /* the handle of the namespace that it was given */
    struct launcher *launcher;
    struct child *next;
};

struct launcher {
    struct loop loop;
    struct watch listening;
    struct watch signals;
    struct layers layers;
    struct networks networks;
    struct resolver_process resolver;
    struct host_servers host_servers;
    struct sealed_program oci_runtime;
    struct client *clients;
    struct child *children;
    int host_mounts; /* the mount namespace that the launcher was started in */
    char *programs;  /* the folder of berth-shim, berth-fs and berth-resolver */
};

/* requests.c */
void client_accept(struct launcher *launcher, int socket);

/* children.c: both answer the request when the child reports. */
int start_supervisor(struct client *client, uint16_t request, const struct plan *plan, const struct frame *frame,
                     struct failure *why);
int start_file_worker(struct client *client, uint16_t request, const char *socket, const struct root_plan *root,
                      const char *directory, struct failure *why);
void reap_children(struct launcher *launcher);
/*
 * Who asked for it has gone. A supervisor that has not reported yet finds nobody to report to, and undoes what it did; one that
 * has can be found by its socket. A file worker ends when its one client does.
 */
void child_disown(struct child *child);
/* Answers the request when the child has gone, at once when there is no such child. */
int child_await(struct client *client, uint16_t request, pid_t pid, struct failure *why);
bool children_use_network(const struct launcher *launcher, uint64_t handle);

/* requests.c: the resolver lets go of it too. */
void release_network(struct launcher *launcher, struct network *network);

#endif
