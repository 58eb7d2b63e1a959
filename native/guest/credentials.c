#include "credentials.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a process has of descriptors unless its plan says otherwise: as much as a container of dockerd's. */
#define USUAL_DESCRIPTORS_SOFT 1024
#define USUAL_DESCRIPTORS_HARD 524288

int take_limits(const struct process_plan *plan, struct failure *why) {
    struct rlimit usual = {.rlim_cur = USUAL_DESCRIPTORS_SOFT, .rlim_max = USUAL_DESCRIPTORS_HARD};
    if (setrlimit(RLIMIT_NOFILE, &usual) < 0) return fail_errno(why, "the limit of descriptors");
    for (size_t index = 0; index < plan->rlimit_count; index++) {
        const struct rlimit_plan *limit = &plan->rlimits[index];
        struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
        if (limit->resource >= RLIM_NLIMITS) return fail(why, FAILURE_INVALID, "limit %d is unknown", (int)limit->resource);
        if (setrlimit((int)limit->resource, &value) < 0) return fail_errno(why, "limit %d", (int)limit->resource);
    }
    return 0;
}

static int drop_bounding(uint64_t bounding, struct failure *why) {
    for (unsigned long capability = 0;; capability++) {
        bool is_kept = capability < 64 && (bounding >> capability & 1);
        if (is_kept || prctl(PR_CAPBSET_DROP, capability) == 0) continue;
        /* The kernel's own ones come without a gap. */
        return errno == EINVAL ? 0 : fail_errno(why, "the bounding capabilities");
    }
}

static int become_user(const struct process_plan *plan, struct failure *why) {
    gid_t gid = (gid_t)plan->gid;
    uid_t uid = (uid_t)plan->uid;
    if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(plan->group_count, plan->groups) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0 || prctl(PR_SET_KEEPCAPS, 0) < 0) {
        return fail_errno(why, "user %u and group %u", uid, gid);
    }
    return 0;
}

static int write_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct failure *why) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int half = 0; half < 2; half++) {
        data[half] = (struct __user_cap_data_struct){
            .effective = (uint32_t)(effective >> (32 * half)),
            .permitted = (uint32_t)(permitted >> (32 * half)),
            .inheritable = (uint32_t)(inheritable >> (32 * half)),
        };
    }
    return syscall(SYS_capset, &header, data) < 0 ? fail_errno(why, "the capabilities") : 0;
}

/* Another user has none of its capabilities in effect; until the end all that are left are. */
static int restore_capabilities(struct failure *why) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return fail_errno(why, "the capabilities");
    uint64_t permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
    return write_capabilities(permitted, permitted, 0, why);
}

static int set_capabilities(const struct capability_plan *plan, struct failure *why) {
    if (write_capabilities(plan->effective, plan->permitted, plan->inheritable, why) < 0) return -1;
    for (unsigned long capability = 0; capability < 64; capability++) {
        bool is_wanted = plan->ambient >> capability & 1;
        if (is_wanted && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) {
            return fail_errno(why, "the ambient capabilities");
        }
    }
    return 0;
}

/* A filter that comes without no-new-privileges needs a capability that the process will not have. */
static int set_filter(const struct process_plan *plan, struct failure *why) {
    if (plan->seccomp.length == 0) return 0;
    struct sock_fprog program = {.len = (unsigned short)(plan->seccomp.length / sizeof(struct sock_filter)),
                                 .filter = (struct sock_filter *)plan->seccomp.data};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) return fail_errno(why, "the seccomp filter");
    return 0;
}

static int enter_directory(const struct process_plan *plan, struct failure *why) {
    const char *directory = plan->directory ? plan->directory : "/";
    return chdir(directory) < 0 ? fail_errno(why, "chdir `%s`", directory) : 0;
}

static int confine(const struct process_plan *plan, struct failure *why) {
    if (plan->no_new_privileges) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno(why, "no new privileges");
        return set_capabilities(&plan->capabilities, why) < 0 ? -1 : set_filter(plan, why);
    }
    return set_filter(plan, why) < 0 ? -1 : set_capabilities(&plan->capabilities, why);
}

int take_credentials(const struct process_plan *plan, struct failure *why) {
    umask((mode_t)plan->umask);
    if (drop_bounding(plan->capabilities.bounding, why) < 0 || become_user(plan, why) < 0) return -1;
    if (restore_capabilities(why) < 0 || confine(plan, why) < 0) return -1;
    return enter_directory(plan, why);
}
