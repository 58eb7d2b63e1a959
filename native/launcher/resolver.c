#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/resolver-protocol.h"
#include "crash-point.h"
#include "launcher.h"

#define SECOND 1000000000ull

static struct launcher *launcher_of(struct resolver_process *resolver) {
    return container_of(resolver, struct launcher, resolver);
}

static void run_resolver(const struct launcher *launcher, int socket) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    AUTO_TEXT program = NULL;
    char number[16];
    snprintf(number, sizeof(number), "%d", socket);
    if (asprintf(&program, "%s/berth-resolver", launcher->programs) >= 0 && set_inheritable(socket) == 0) {
        char *arguments[] = {program, number, launcher->resolver.folder, NULL};
        execv(program, arguments);
    }
    log_line("the resolver cannot be started: %s", strerror(errno));
    _exit(1);
}

/* So that whoever looks at an instance finds it. */
static void write_pid(const struct resolver_process *resolver) {
    AUTO_CLOSE file = open(resolver->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || dprintf(file, "%d\n", (int)resolver->pid) < 0) {
        log_line("%s: %s", resolver->pid_file, strerror(errno));
    }
}

static void on_socket(struct watch *watch, uint32_t events) {
    struct resolver_process *resolver = container_of(watch, struct resolver_process, socket);
    struct launcher *launcher = launcher_of(resolver);
    /* It says nothing; its end follows. */
    if (events & (EPOLLHUP | EPOLLERR)) loop_close(&launcher->loop, watch);
    else resolver_update(launcher);
}

static int start(struct launcher *launcher) {
    struct resolver_process *resolver = &launcher->resolver;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -1;
    AUTO_CLOSE ours = ends[0];
    AUTO_CLOSE theirs = ends[1];
    if (set_nonblocking(ours) < 0) return -1;
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid == 0) run_resolver(launcher, theirs);
    crash_point("resolver.started");
    resolver->pid = pid;
    resolver->started = now();
    resolver->socket = (struct watch){.fd = take_fd(&ours), .ready = on_socket};
    resolver->removed_count = 0; /* it has not heard of any */
    for (size_t index = 0; index < launcher->networks.count; index++) launcher->networks.held[index].handed_over = false;
    write_pid(resolver);
    resolver_update(launcher);
    return 0;
}

static void on_timer(struct watch *watch, uint32_t events) {
    (void)events;
    uint64_t ticks;
    struct resolver_process *resolver = container_of(watch, struct resolver_process, timer);
    if (read(watch->fd, &ticks, sizeof(ticks)) != sizeof(ticks)) return;
    struct launcher *launcher = launcher_of(resolver);
    if (resolver->pid == 0 && start(launcher) < 0) log_line("the resolver cannot be started: %s", strerror(errno));
}

/* One that ends at once is not started in a circle. */
static void start_later(struct resolver_process *resolver) {
    const struct itimerspec times = {.it_value = {.tv_sec = 1}};
    timerfd_settime(resolver->timer.fd, 0, &times, NULL);
}

static int make_folder(const char *path, struct failure *why) {
    if (mkdir(path, 0750) < 0 && errno != EEXIST) return fail_errno(why, "%s", path);
    /* The group is inherited by the files in it, so that whoever writes one need not know of it. */
    if (chown(path, 0, RESOLVER_USER) < 0 || chmod(path, 02750) < 0) return fail_errno(why, "%s", path);
    return 0;
}

int resolver_open(struct launcher *launcher, const char *folder, struct failure *why) {
    struct resolver_process *resolver = &launcher->resolver;
    resolver->socket.fd = -1;
    if (asprintf(&resolver->folder, "%s/n", folder) < 0 || asprintf(&resolver->pid_file, "%s/r.pid", folder) < 0) {
        return fail_errno(why, "the resolver");
    }
    if (make_folder(resolver->folder, why) < 0) return -1;
    resolver->timer =
        (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = on_timer};
    if (resolver->timer.fd < 0 || loop_watch(&launcher->loop, &resolver->timer, EPOLLIN) < 0) {
        return fail_errno(why, "the resolver's timer");
    }
    return start(launcher) < 0 ? fail_errno(why, "the resolver") : 0;
}

static int send_message(int socket, uint16_t command, uint64_t inode, const int fds[RESOLVER_SOCKETS]) {
    struct resolver_message message = {.version = RESOLVER_VERSION, .command = command, .sandbox = inode};
    union {
        char bytes[CMSG_SPACE(sizeof(int[RESOLVER_SOCKETS]))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds) {
        memset(&control, 0, sizeof(control));
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int[RESOLVER_SOCKETS]));
        memcpy(CMSG_DATA(rights), fds, sizeof(int[RESOLVER_SOCKETS]));
    }
    return RETRY(sendmsg(socket, &header, MSG_NOSIGNAL)) < 0 ? -1 : 0;
}

/* Removals first: an inode may have come back. */
static int tell_all(struct launcher *launcher) {
    struct resolver_process *resolver = &launcher->resolver;
    for (; resolver->removed_count > 0; resolver->removed_count--) {
        uint64_t inode = resolver->removed[resolver->removed_count - 1];
        if (send_message(resolver->socket.fd, RESOLVER_REMOVE, inode, NULL) < 0) return -1;
    }
    for (size_t index = 0; index < launcher->networks.count; index++) {
        struct network *network = &launcher->networks.held[index];
        if (network->handed_over) continue;
        if (send_message(resolver->socket.fd, RESOLVER_ADD, network->inode, network->sockets) < 0) return -1;
        network->handed_over = true;
    }
    return 0;
}

void resolver_update(struct launcher *launcher) {
    struct resolver_process *resolver = &launcher->resolver;
    if (resolver->socket.fd < 0) return; /* the next one is told everything */
    uint32_t events = 0;
    if (tell_all(launcher) < 0) {
        if (errno == EAGAIN) events = EPOLLOUT;
        else log_line("the resolver does not listen: %s", strerror(errno));
    }
    loop_watch(&launcher->loop, &resolver->socket, events);
}

void resolver_forget(struct launcher *launcher, uint64_t inode) {
    struct resolver_process *resolver = &launcher->resolver;
    uint64_t *removed = realloc(resolver->removed, (resolver->removed_count + 1) * sizeof(*removed));
    if (!removed) return;
    resolver->removed = removed;
    removed[resolver->removed_count++] = inode;
    resolver_update(launcher);
}

bool resolver_reaped(struct launcher *launcher, pid_t pid) {
    struct resolver_process *resolver = &launcher->resolver;
    if (pid != resolver->pid) return false;
    resolver->pid = 0;
    loop_close(&launcher->loop, &resolver->socket);
    log_line("the resolver ended and is started again");
    if (now() - resolver->started < SECOND || start(launcher) < 0) start_later(resolver);
    return true;
}

void resolver_close(struct launcher *launcher) {
    struct resolver_process *resolver = &launcher->resolver;
    if (resolver->pid == 0) return;
    kill(resolver->pid, SIGKILL);
    RETRY(waitpid(resolver->pid, NULL, 0));
    resolver->pid = 0;
}
