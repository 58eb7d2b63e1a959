/* What START says, decoded: one process. */
#ifndef BERTH_GUEST_PROCESS_PLAN_H
#define BERTH_GUEST_PROCESS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/fields.h"

struct rlimit_plan {
    uint64_t resource;
    uint64_t soft;
    uint64_t hard;
};

/* Masks as capset(2) has them. */
struct capability_plan {
    uint64_t bounding;
    uint64_t effective;
    uint64_t permitted;
    uint64_t inheritable;
    uint64_t ambient;
};

struct process_plan {
    struct texts arguments;
    struct texts environment;
    char *directory;
    uint64_t uid;
    uint64_t gid;
    gid_t *groups;
    size_t group_count;
    bool terminal;
    uint64_t rows;
    uint64_t columns;
    bool takes_input;
    struct capability_plan capabilities;
    bool no_new_privileges;
    struct rlimit_plan *rlimits;
    size_t rlimit_count;
    uint64_t umask;
    uint64_t oom_score; /* oom_score_adj + 1000 */
    bool init;
    bool probe;
    uint64_t stop_signal; /* 0: none */
    bool stop_group;
    uint64_t worker; /* enum guest_worker; 0: a program */
    struct buffer seccomp; /* struct sock_filter, repeated */
};

/* Fields that are unknown, doubled or out of range are refused. `plan` is to be freed either way. */
int process_decode(const uint8_t *payload, size_t length, struct process_plan *plan, struct failure *why);
void process_plan_free(struct process_plan *plan);

#endif
