/* The process on the host that stands for one of the guest's: it is signalled and ends in its place. */
#ifndef BERTH_VM_PROXY_H
#define BERTH_VM_PROXY_H

#include "options.h"

/* Gives our streams to the monitor, and exits as the process did. */
int proxy_run(const struct options *options);

#endif
