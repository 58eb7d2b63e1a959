/* Gives up what is not needed: by QEMU before it is executed, by the monitor before it listens to a guest's process. */
#ifndef BERTH_VM_CONFINE_H
#define BERTH_VM_CONFINE_H

#include <stdint.h>
#include <sys/resource.h>

#include "common/failure.h"

/* What QEMU needs to give files their owners on behalf of the guest (capabilities(7)), in its own namespace. */
extern const uint64_t FILE_CAPABILITIES;

/* And what a file server needs: it acts as the guest's users do; it makes its folder its root and gives up the rest itself. */
extern const uint64_t FILE_SERVER_CAPABILITIES;

/*
 * Becomes root of `user_namespace` with no capability but those of the mask (bit N is capability N), there and for
 * everything that is executed, with limits, one of them that no file becomes longer than `file_size` bytes through it
 * (RLIMIT_FSIZE), without new privileges; killed when the parent dies. The caller is root.
 */
int confine_program(int user_namespace, uint64_t capabilities, rlim_t file_size, struct failure *why);

/*
 * What a guest sends is read by us: from now on we can end QEMU and enlarge pipes, and open, execute and mount nothing.
 */
int confine_monitor(struct failure *why);

#endif
