/* From the kernel's first root to a place to work in: what PID 1 does before the host is heard. */
#ifndef BERTH_GUEST_BOOT_H
#define BERTH_GUEST_BOOT_H

#include "common/failure.h"

/* Where things are once the guest has booted. */
#define LAYERS_DIRECTORY "/layers"       /* one mount for each layer */
#define WRITABLE_DIRECTORY "/writable"   /* what the processes write */
#define CHANGES_DIRECTORY WRITABLE_DIRECTORY "/upper" /* of it, overlayfs's upper folder */
#define ROOT_DIRECTORY "/root"           /* the layers joined: the processes' root */
#define SHARES_DIRECTORY "/shares"       /* the host's folders */
#define FILES_DIRECTORY "/files"         /* files that are mounted over the root's */
#define EMPTY_DIRECTORY "/empty"         /* masks folders */
#define CGROUP_DIRECTORY "/cgroup"       /* the control groups; the processes are in PROCESSES_CGROUP */
#define PROCESSES_CGROUP CGROUP_DIRECTORY "/processes"
#define WORKER_PROGRAM "/berth-fs"
#define INIT_PROGRAM "/berth-init"

/* Mounts what PID 1 works with, loads the modules, and leaves the first root behind. */
int boot(struct failure *why);

/* The port to the host, open and not blocking. */
int open_host_port(struct failure *why);

#endif
