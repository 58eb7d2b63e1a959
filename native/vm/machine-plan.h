/* The plan of a virtual machine (common/vm-plan.h), decoded. */
#ifndef BERTH_VM_MACHINE_PLAN_H
#define BERTH_VM_MACHINE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/fields.h"
#include "lease.h"

struct file_plan {
    char *host_path;
    char *name;
    bool writable;
    bool idmap;
};

/* A command to send, or an event to wait for. */
struct step_plan {
    char *command; /* NULL: it is an event */
    char *event;
    struct texts words;
};

/* A program that runs in a root of its own. */
struct program_plan {
    char *path; /* in its root */
    struct texts arguments;
    struct file_plan *files; /* all that its root holds */
    size_t file_count;
};

struct machine_plan {
    struct program_plan qemu;
    struct program_plan file_server; /* no path: none */
    struct step_plan *steps;
    size_t step_count;
    char *state;           /* NULL: none */
    char *template_memory; /* NULL: none */
    char *memory;          /* NULL: none */
    uint64_t file_size;    /* bytes: QEMU's files become no longer; RLIM_INFINITY: as long as it likes */
    uint64_t boot_timeout; /* milliseconds */
};

struct setting_plan {
    char *file;
    char *value;
};

struct cgroup_plan {
    char *folder;
    struct setting_plan *settings;
    size_t setting_count;
};

struct vm_plan {
    struct machine_plan *machines;
    size_t machine_count;
    uid_t uid_base;
    char *network; /* NULL: none */
    struct texts taps;
    struct cgroup_plan *cgroups;
    size_t cgroup_count;
    struct lease *leases;
    size_t lease_count;
    struct buffer setup;
    struct buffer process;
    bool is_computer; /* without set-up and process */
};

/* Ids of QEMU's user namespace. */
#define VM_ID_COUNT 65536u

/* Fields that are unknown, missing, doubled or out of range are refused by number. `plan` is to be freed either way. */
int vm_plan_decode(const uint8_t *payload, size_t length, struct vm_plan *plan, struct failure *why);

/* Reads and decodes the plan of the bundle in `directory`. */
int vm_plan_read(const char *directory, struct vm_plan *plan, struct failure *why);

void vm_plan_free(struct vm_plan *plan);

/* Whether it writes files of the host's under their owners' names. */
bool program_shares_folders(const struct program_plan *program);

#endif
