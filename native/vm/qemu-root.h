/* The root of QEMU, or of a file server: an empty file system with its files bound into it, and nothing else of the host. */
#ifndef BERTH_VM_QEMU_ROOT_H
#define BERTH_VM_QEMU_ROOT_H

#include "machine-plan.h"

/*
 * Makes it the caller's root. The caller has mount and pid namespaces of its own; `scratch` is an empty folder,
 * `user_namespace` that of the files whose owners are mapped, `owner` its root. `extra` may be NULL: one file more.
 */
int qemu_root_enter(const struct program_plan *program, const struct file_plan *extra, const char *scratch,
                    int user_namespace, uid_t owner, struct failure *why);

#endif
