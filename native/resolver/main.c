/*
 * berth-resolver SOCKET FOLDER: answers the DNS questions of an instance's containers, as one process for all of them.
 * SOCKET is an inherited descriptor on which the launcher hands over sandboxes; FOLDER holds what berthd and the
 * launcher write, and becomes the root directory. It goes on when berthd and the launcher are killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "resolver.h"

#define FIRST_OWN 3

static int open_resolver(struct resolver *resolver, int control, const char *folder, struct failure *why) {
    raise_descriptor_limit();
    if (loop_open(&resolver->loop) < 0) return fail_errno(why, "epoll");
    if (clock_open(resolver) < 0) return fail_errno(why, "no timer");
    if (confine(folder, why) < 0) return -1;
    return control_open(resolver, control) < 0 ? fail_errno(why, "the launcher's socket") : 0;
}

/* Whatever else was inherited is closed; the socket becomes descriptor 3. */
static int keep_only(int control) {
    if (control != FIRST_OWN) dup2(control, FIRST_OWN);
    syscall(SYS_close_range, FIRST_OWN + 1, ~0u, 0); /* kernels before 5.9 have none: they keep what came */
    return FIRST_OWN;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        log_line("usage: berth-resolver SOCKET FOLDER (started by berth-launcher)");
        return 2;
    }
    int control = keep_only(atoi(argv[1]));
    fcntl(control, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    struct resolver resolver = {.control.fd = -1, .timer.fd = -1};
    struct failure why;
    if (open_resolver(&resolver, control, argv[2], &why) < 0) {
        log_line("the resolver cannot start: %s", why.message);
        return 1;
    }
    if (loop_run(&resolver.loop) == 0) return 0;
    log_line("the resolver ends: %s", strerror(errno));
    return 1;
}
