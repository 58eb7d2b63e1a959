#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/system-calls.h"

#define BIT(number) (UINT64_C(1) << (number))

const uint64_t FILE_CAPABILITIES = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |
                                   BIT(CAP_FSETID);

const uint64_t FILE_SERVER_CAPABILITIES = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
                                          BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SYS_CHROOT) | BIT(CAP_SETPCAP);

/* Threads: of the processors and of QEMU's own pool for input and output, which ends at 64. */
#define PROCESSES_MAX 1024
#define DESCRIPTORS_MAX 65536

/* A program that has been taken over could otherwise fill the host's disk through a file that it may write to. */
static int set_limits(rlim_t file_size, struct failure *why) {
    const struct {
        int resource;
        rlim_t value;
    } limits[] = {{RLIMIT_CORE, 0},
                  {RLIMIT_NPROC, PROCESSES_MAX},
                  {RLIMIT_NOFILE, DESCRIPTORS_MAX},
                  {RLIMIT_MSGQUEUE, 0},
                  {RLIMIT_FSIZE, file_size}};
    for (size_t index = 0; index < sizeof(limits) / sizeof(*limits); index++) {
        struct rlimit limit;
        if (getrlimit((unsigned)limits[index].resource, &limit) < 0) return fail_errno(why, "QEMU's limits");
        if (limits[index].value < limit.rlim_max) limit.rlim_max = limits[index].value;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit((unsigned)limits[index].resource, &limit) < 0) return fail_errno(why, "QEMU's limits");
    }
    return 0;
}

/* Of the mask, what we have. */
static int set_capabilities(uint64_t mask, struct failure *why) {
    for (int number = 0; number < 64; number++) {
        if (mask & BIT(number)) continue;
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno != EINVAL) return fail_errno(why, "capabilities");
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return fail_errno(why, "capabilities");
    for (int half = 0; half < 2; half++) {
        data[half].permitted &= (uint32_t)(mask >> (32 * half));
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) < 0 ? fail_errno(why, "capabilities") : 0;
}

int confine_program(int user_namespace, uint64_t capabilities, rlim_t file_size, struct failure *why) {
    if (set_limits(file_size, why) < 0) return -1;
    if (setns(user_namespace, CLONE_NEWUSER) < 0) return fail_errno(why, "QEMU's user namespace");
    if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
        return fail_errno(why, "QEMU's user");
    }
    if (set_capabilities(capabilities, why) < 0) return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno(why, "no_new_privs");
    /* Last: a change of the user clears it. */
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? fail_errno(why, "the end with the monitor") : 0;
}

/* ---- the monitor ---- */

static const int ALLOWED[] = {
    SYS_read,         SYS_write,         SYS_writev,        SYS_close,          SYS_fstat,           SYS_fcntl,
    SYS_ioctl,        SYS_socket,        SYS_connect,       SYS_accept4,        SYS_sendto,          SYS_recvfrom,
    SYS_sendmsg,      SYS_recvmsg,       SYS_shutdown,      SYS_epoll_ctl,      SYS_epoll_pwait,     SYS_getrandom,
    SYS_clock_gettime, SYS_mmap,         SYS_munmap,        SYS_mremap,         SYS_brk,             SYS_madvise,
    SYS_mprotect,     SYS_exit_group,    SYS_exit,          SYS_rt_sigreturn,   SYS_rt_sigprocmask,  SYS_rt_sigaction,
    SYS_timerfd_settime, SYS_restart_syscall, SYS_futex,    SYS_kill,           SYS_wait4,           SYS_getpid,
    SYS_prlimit64,     SYS_pwrite64,
#if defined(__x86_64__)
    SYS_epoll_wait,   SYS_setrlimit,
#endif
};

int confine_monitor(struct failure *why) {
    if (set_capabilities(BIT(CAP_KILL) | BIT(CAP_SYS_RESOURCE), why) < 0) return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno(why, "no_new_privs");
    return allow_system_calls(ALLOWED, sizeof(ALLOWED) / sizeof(*ALLOWED), why);
}
