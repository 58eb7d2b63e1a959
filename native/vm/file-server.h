/* The server of a guest's folders by virtiofs (virtiofsd), as a child. */
#ifndef BERTH_VM_FILE_SERVER_H
#define BERTH_VM_FILE_SERVER_H

#include <sys/types.h>

#include "confined-program.h"

struct file_server_ends {
    int listening; /* the server's */
    int client;    /* QEMU's: connected to it already */
};

int file_server_connect(struct file_server_ends *ends, struct failure *why);

/* Returns the process. What it says goes to `words`. */
pid_t file_server_start(const struct program_plan *plan, const struct confinement *confinement, int listening, int words,
                        struct failure *why);

#endif
