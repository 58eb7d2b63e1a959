/* Gives up everything that answering questions does not need. */
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/resolver-protocol.h"
#include "resolver.h"

#if defined(__SANITIZE_ADDRESS__)

/* The sanitizer has needs of its own. */
static int filter_system_calls(struct failure *why) {
    (void)why;
    return 0;
}

#else

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the numbers of this architecture's system calls are not checked yet"
#endif

/* No fork, no exec, no ptrace, no write to a file: what is not here fails with EPERM. */
static const int ALLOWED[] = {
    SYS_read,        SYS_write,      SYS_close,         SYS_fstat,      SYS_newfstatat, SYS_openat,   SYS_fcntl,
    SYS_socket,      SYS_connect,    SYS_accept4,       SYS_sendto,     SYS_recvfrom,   SYS_recvmsg,  SYS_epoll_ctl,
    SYS_epoll_pwait, SYS_getrandom,  SYS_clock_gettime, SYS_mmap,       SYS_munmap,     SYS_mremap,   SYS_brk,
    SYS_madvise,     SYS_exit_group, SYS_rt_sigreturn,  SYS_timerfd_settime, SYS_restart_syscall, SYS_futex,
#if defined(__x86_64__)
    SYS_epoll_wait, SYS_stat, SYS_open,
#endif
};

#define ALLOWED_COUNT (sizeof(ALLOWED) / sizeof(*ALLOWED))

static int filter_system_calls(struct failure *why) {
    struct sock_filter code[4 + 2 * ALLOWED_COUNT + 1];
    size_t count = 0;
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t index = 0; index < ALLOWED_COUNT; index++) {
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ALLOWED[index], 0, 1);
        code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return 0;
    return errno == EINVAL ? 0 : fail_errno(why, "the filter of system calls"); /* a kernel without seccomp */
}

#endif

int confine(const char *folder, struct failure *why) {
    const struct rlimit none = {0};
    if (chroot(folder) < 0 || chdir("/") < 0) return fail_errno(why, "the folder %s", folder);
    if (setrlimit(RLIMIT_CORE, &none) < 0) return fail_errno(why, "limits");
    if (setgroups(0, NULL) < 0 || setresgid(RESOLVER_USER, RESOLVER_USER, RESOLVER_USER) < 0 ||
        setresuid(RESOLVER_USER, RESOLVER_USER, RESOLVER_USER) < 0) {
        return fail_errno(why, "the user %d", RESOLVER_USER);
    }
    /* Without user 0 and with no_new_privs, no capability is left or comes back. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno(why, "no_new_privs");
    return filter_system_calls(why);
}
