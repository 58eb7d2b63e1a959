/*
 * berth-launcher SOCKET FOLDER: the long-lived native process of one berth instance. It mounts layers, keeps network
 * namespaces, runs the resolver and starts supervisors and file workers. It outlives berthd; when it is killed, a new
 * one takes its place and the supervisors do not notice. SIGTERM ends it together with the resolver.
 *
 * Descriptor 3, if open, gets one byte when the socket answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io.h"
#include "crash-point.h"
#include "launcher.h"

#define READY_FD 3

static bool answers(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    AUTO_CLOSE fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void say_ready(void) {
    if (write(READY_FD, "R", 1) == 1) close(READY_FD);
}

/* Own mount namespace: what is mounted here never shows on the host, what is unmounted there goes here too. */
static int enter_own_mounts(struct launcher *launcher, const char *folder, struct failure *why) {
    AUTO_TEXT scratch = NULL;
    if (asprintf(&scratch, "%s/m", folder) < 0) return fail_errno(why, "the folder");
    if (mkdir(scratch, 0700) < 0 && errno != EEXIST) return fail_errno(why, "%s", scratch);
    launcher->host_mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (launcher->host_mounts < 0) return fail_errno(why, "/proc/self/ns/mnt");
    if (unshare(CLONE_NEWNS) < 0) return fail_errno(why, "no mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) return fail_errno(why, "mount propagation");
    return layers_open(&launcher->layers, scratch, why);
}

static int find_programs(struct launcher *launcher, struct failure *why) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (length < 0) return fail_errno(why, "/proc/self/exe");
    path[length] = 0;
    launcher->programs = strdup(dirname(path));
    return launcher->programs ? 0 : fail_errno(why, "the program folder");
}

static void on_connect(struct watch *watch, uint32_t events) {
    (void)events;
    struct launcher *launcher = container_of(watch, struct launcher, listening);
    int socket = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) client_accept(launcher, socket);
}

static void on_signal(struct watch *watch, uint32_t events) {
    (void)events;
    struct signalfd_siginfo info;
    struct launcher *launcher = container_of(watch, struct launcher, signals);
    if (read(watch->fd, &info, sizeof(info)) != sizeof(info)) return;
    if (info.ssi_signo == SIGTERM) launcher->loop.stopped = true;
    else reap_children(launcher);
}

static int watch_signals(struct launcher *launcher, struct failure *why) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return fail_errno(why, "signals");
    signal(SIGPIPE, SIG_IGN);
    launcher->signals =
        (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
    if (launcher->signals.fd < 0) return fail_errno(why, "signals");
    return loop_watch(&launcher->loop, &launcher->signals, EPOLLIN) < 0 ? fail_errno(why, "signals") : 0;
}

static int watch_socket(struct launcher *launcher, const char *path, struct failure *why) {
    launcher->listening = (struct watch){.fd = listen_at(path, why), .ready = on_connect};
    if (launcher->listening.fd < 0) return -1;
    return loop_watch(&launcher->loop, &launcher->listening, EPOLLIN) < 0 ? fail_errno(why, "%s", path) : 0;
}

static int open_launcher(struct launcher *launcher, const char *socket, const char *folder, struct failure *why) {
    raise_descriptor_limit();
    if (loop_open(&launcher->loop) < 0) return fail_errno(why, "epoll");
    if (find_programs(launcher, why) < 0 || networks_open(&launcher->networks, why) < 0) return -1;
    if (enter_own_mounts(launcher, folder, why) < 0) return -1;
    crash_point("start.mounts");
    if (watch_signals(launcher, why) < 0 || resolver_open(launcher, folder, why) < 0) return -1;
    if (host_servers_open(&launcher->host_servers, &launcher->loop, launcher->resolver.folder, why) < 0) return -1;
    if (watch_socket(launcher, socket, why) < 0) return -1;
    crash_point("start.listening");
    return 0;
}

/* Two that start at once: the second waits for the lock and then finds that the first one answers. */
static int lock_start(const char *folder) {
    AUTO_TEXT path = NULL;
    if (asprintf(&path, "%s/l.lock", folder) < 0) return -1;
    AUTO_CLOSE lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || RETRY(flock(lock, LOCK_EX)) < 0) return -1;
    return take_fd(&lock);
}

/* So that whoever takes the instance away finds us. */
static void write_pid(const char *folder) {
    AUTO_TEXT path = NULL;
    if (asprintf(&path, "%s/l.pid", folder) < 0) return;
    AUTO_CLOSE file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || dprintf(file, "%d\n", (int)getpid()) < 0) log_line("%s: %s", path, strerror(errno));
}

int main(int argc, char **argv) {
    if (argc != 3) {
        log_line("usage: berth-launcher SOCKET FOLDER");
        return 2;
    }
    fcntl(READY_FD, F_SETFD, FD_CLOEXEC);
    umask(022); /* containers inherit it */
    int lock = lock_start(argv[2]);
    if (lock < 0) {
        log_line("the folder %s cannot be locked: %s", argv[2], strerror(errno));
        return 1;
    }
    if (answers(argv[1])) {
        say_ready();
        return 0;
    }
    struct launcher launcher = {.oci_runtime.copy = -1};
    struct failure why;
    if (open_launcher(&launcher, argv[1], argv[2], &why) < 0) {
        log_line("the launcher cannot start: %s", why.message);
        return 1;
    }
    write_pid(argv[2]);
    say_ready();
    close_fd(&lock);
    int result = loop_run(&launcher.loop);
    if (result < 0) log_line("the launcher ends: %s", strerror(errno));
    resolver_close(&launcher);
    return result < 0;
}
