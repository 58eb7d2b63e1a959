#include "process-plan.h"

#include <linux/filter.h>
#include <signal.h>
#include <stdlib.h>

#include "common/guest-protocol.h"

#define GROUPS_MAX 65536
#define RLIMITS_MAX 64
#define OOM_SCORE_MAX 2000
#define ID_MAX (UINT32_MAX - 1)

static int take_group(const struct field *field, struct process_plan *plan, struct failure *why) {
    uint64_t group = 0;
    if (plan->group_count >= GROUPS_MAX || take_number_to(field, ID_MAX, &group, why) < 0) {
        return field_broken(field, why);
    }
    gid_t *groups = realloc(plan->groups, (plan->group_count + 1) * sizeof(*groups));
    if (!groups) return field_broken(field, why);
    plan->groups = groups;
    plan->groups[plan->group_count++] = (gid_t)group;
    return 0;
}

static uint64_t little_endian(const uint8_t *at) {
    uint64_t value = 0;
    for (int byte = 7; byte >= 0; byte--) value = value << 8 | at[byte];
    return value;
}

static int take_rlimit(const struct field *field, struct process_plan *plan, struct failure *why) {
    if (field->length != 24 || plan->rlimit_count >= RLIMITS_MAX) return field_broken(field, why);
    struct rlimit_plan *rlimits = realloc(plan->rlimits, (plan->rlimit_count + 1) * sizeof(*rlimits));
    if (!rlimits) return field_broken(field, why);
    plan->rlimits = rlimits;
    plan->rlimits[plan->rlimit_count++] = (struct rlimit_plan){
        .resource = little_endian(field->value),
        .soft = little_endian(field->value + 8),
        .hard = little_endian(field->value + 16),
    };
    return 0;
}

static int take_seccomp(const struct field *field, struct process_plan *plan, struct failure *why) {
    bool is_whole = field->length > 0 && field->length % sizeof(struct sock_filter) == 0 &&
                    field->length / sizeof(struct sock_filter) <= BPF_MAXINSNS && plan->seccomp.length == 0;
    if (!is_whole || buffer_append(&plan->seccomp, field->value, field->length) < 0) return field_broken(field, why);
    return 0;
}

static int take_process_field(const struct field *field, void *into, struct failure *why) {
    struct process_plan *plan = into;
    switch (field->tag) {
        case GUEST_PROCESS_ARGUMENT: return take_item(field, &plan->arguments, why);
        case GUEST_PROCESS_ENVIRONMENT: return take_item(field, &plan->environment, why);
        case GUEST_PROCESS_DIRECTORY: return take_text(field, &plan->directory, why);
        case GUEST_PROCESS_UID: return take_number_to(field, ID_MAX, &plan->uid, why);
        case GUEST_PROCESS_GID: return take_number_to(field, ID_MAX, &plan->gid, why);
        case GUEST_PROCESS_GROUP: return take_group(field, plan, why);
        case GUEST_PROCESS_TERMINAL: return take_flag(field, &plan->terminal, why);
        case GUEST_PROCESS_ROWS: return take_number_to(field, UINT16_MAX, &plan->rows, why);
        case GUEST_PROCESS_COLUMNS: return take_number_to(field, UINT16_MAX, &plan->columns, why);
        case GUEST_PROCESS_STDIN: return take_flag(field, &plan->takes_input, why);
        case GUEST_PROCESS_BOUNDING: return take_number(field, &plan->capabilities.bounding, why);
        case GUEST_PROCESS_EFFECTIVE: return take_number(field, &plan->capabilities.effective, why);
        case GUEST_PROCESS_PERMITTED: return take_number(field, &plan->capabilities.permitted, why);
        case GUEST_PROCESS_INHERITABLE: return take_number(field, &plan->capabilities.inheritable, why);
        case GUEST_PROCESS_AMBIENT: return take_number(field, &plan->capabilities.ambient, why);
        case GUEST_PROCESS_NO_NEW_PRIVILEGES: return take_flag(field, &plan->no_new_privileges, why);
        case GUEST_PROCESS_RLIMIT: return take_rlimit(field, plan, why);
        case GUEST_PROCESS_UMASK: return take_number_to(field, 0777, &plan->umask, why);
        case GUEST_PROCESS_OOM_SCORE: return take_number_to(field, OOM_SCORE_MAX, &plan->oom_score, why);
        case GUEST_PROCESS_INIT: return take_flag(field, &plan->init, why);
        case GUEST_PROCESS_PROBE: return take_flag(field, &plan->probe, why);
        case GUEST_PROCESS_STOP_SIGNAL: return take_number_to(field, (uint64_t)SIGRTMAX, &plan->stop_signal, why);
        case GUEST_PROCESS_STOP_GROUP: return take_flag(field, &plan->stop_group, why);
        case GUEST_PROCESS_WORKER: return take_number_to(field, GUEST_WORKER_WAIT, &plan->worker, why);
        case GUEST_PROCESS_SECCOMP: return take_seccomp(field, plan, why);
        default: return field_broken(field, why);
    }
}

int process_decode(const uint8_t *payload, size_t length, struct process_plan *plan, struct failure *why) {
    *plan = (struct process_plan){.umask = 0022, .oom_score = 1000};
    if (take_fields(payload, length, take_process_field, plan, why) < 0) return -1;
    bool has_program = plan->arguments.count > 0 || plan->worker != 0;
    return has_program ? 0 : fail(why, FAILURE_INVALID, "the process has no command");
}

void process_plan_free(struct process_plan *plan) {
    texts_free(&plan->arguments);
    texts_free(&plan->environment);
    free(plan->directory);
    free(plan->groups);
    free(plan->rlimits);
    buffer_free(&plan->seccomp);
    *plan = (struct process_plan){0};
}
