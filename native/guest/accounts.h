/* What the kernel says about the machine and its processes, as it says it. */
#ifndef BERTH_GUEST_ACCOUNTS_H
#define BERTH_GUEST_ACCOUNTS_H

#include "common/buffer.h"

/* Appends the payload of FILES: the accounts of the processes' group and of the machine. Files that are not there are left out. */
void append_statistics(struct buffer *payload);

/* Appends the payload of PROCESS_LIST. */
void append_processes(struct buffer *payload);

#endif
