#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "guest.h"
#include "process.h"

/* PID 1 is the parent of whoever has lost its own. */
static void reap(struct guest *guest) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *process = process_of_pid(guest, pid);
        if (process) process_ended(process, status);
    }
}

static void on_children(struct watch *watch, uint32_t events) {
    struct signalfd_siginfo ended[16];
    (void)events;
    while (read(watch->fd, ended, sizeof(ended)) > 0) continue;
    reap(container_of(watch, struct guest, children));
}

int children_open(struct guest *guest, struct failure *why) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    guest->children = (struct watch){.fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_children};
    if (guest->children.fd < 0 || loop_watch(&guest->loop, &guest->children, EPOLLIN) < 0) {
        return fail_errno(why, "the ends of processes");
    }
    return 0;
}
