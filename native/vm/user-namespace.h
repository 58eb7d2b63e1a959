/* A user namespace for one machine: QEMU's, and that of the id-mapped mounts it sees. */
#ifndef BERTH_VM_USER_NAMESPACE_H
#define BERTH_VM_USER_NAMESPACE_H

#include <sys/types.h>

#include "common/failure.h"

/* Users and groups 0… are the host's `base`…, VM_ID_COUNT of them. Returns a descriptor of the namespace. */
int user_namespace_make(uid_t base, struct failure *why);

#endif
