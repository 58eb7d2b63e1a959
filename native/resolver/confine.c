/* Gives up everything that answering questions does not need. */
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/resolver-protocol.h"
#include "common/system-calls.h"
#include "resolver.h"

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
    return allow_system_calls(ALLOWED, sizeof(ALLOWED) / sizeof(*ALLOWED), why);
}
