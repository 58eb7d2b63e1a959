/* The resolver's process: started with the launcher, and again whenever it ends. */
#ifndef BERTH_LAUNCHER_RESOLVER_H
#define BERTH_LAUNCHER_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/failure.h"
#include "common/loop.h"

struct launcher;

struct resolver_process {
    pid_t pid;           /* 0: none runs */
    struct watch socket; /* to it */
    struct watch timer;  /* until the next attempt, when one ended at once */
    uint64_t started;
    uint64_t *removed; /* sandboxes that it has not been told of yet */
    size_t removed_count;
    char *folder; /* what it reads, and what becomes its root directory */
    char *pid_file;
};

int resolver_open(struct launcher *launcher, const char *folder, struct failure *why);

/* Tells it of sandboxes that are new or gone: now, or when its socket has room. */
void resolver_update(struct launcher *launcher);

/* The namespace with this inode is let go of. */
void resolver_forget(struct launcher *launcher, uint64_t inode);

/* True when it was the resolver that ended; it is started again, with all sandboxes. */
bool resolver_reaped(struct launcher *launcher, pid_t pid);

/* Ends it for good. */
void resolver_close(struct launcher *launcher);

#endif
