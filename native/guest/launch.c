#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "common/io.h"
#include "credentials.h"
#include "program.h"
#include "root-view.h"
#include "worker.h"

_Noreturn static void give_up(int channel, const struct failure *why) {
    char word[LAUNCH_WORD_MAX];
    int length = snprintf(word, sizeof(word), "%c%s%c%s", LAUNCH_FAILED, why->kind, 0, why->message);
    if (send(channel, word, (size_t)length, MSG_NOSIGNAL) < 0) _exit(1); /* PID 1 sees the end at least */
    _exit(1);
}

static int write_number(const char *path, long number) {
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld", number);
    AUTO_CLOSE file = open(path, O_WRONLY | O_CLOEXEC);
    return file < 0 ? -1 : write_all(file, text, (size_t)length);
}

/* Before the namespaces hide the file that this is done by. */
static int take_oom_score(const struct process_plan *plan, struct failure *why) {
    long score = (long)plan->oom_score - 1000;
    return write_number("/proc/self/oom_score_adj", score) < 0 ? fail_errno(why, "the OOM score") : 0;
}

static int enter_namespaces(const struct launch *launch, struct failure *why) {
    if (launch->setup) {
        int all = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
        return unshare(all) < 0 ? fail_errno(why, "the namespaces") : 0;
    }
    const struct namespaces *theirs = launch->namespaces;
    /* The mounts come last: with them goes the way to all else. */
    const int order[] = {theirs->ipc, theirs->uts, theirs->cgroup, theirs->mount};
    for (size_t index = 0; index < sizeof(order) / sizeof(*order); index++) {
        if (setns(order[index], 0) < 0) return fail_errno(why, "the machine's namespaces cannot be joined");
    }
    return 0;
}

static int send_terminal(int channel, int master) {
    char word = LAUNCH_TERMINAL;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = &word, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &master, sizeof(master));
    return RETRY(sendmsg(channel, &message, MSG_NOSIGNAL)) < 0 ? -1 : 0;
}

/* The machine's console is the first process's terminal. */
static int make_console(const char *terminal, struct failure *why) {
    AUTO_CLOSE console = open("/dev/console", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (console < 0 || mount(terminal, "/dev/console", NULL, MS_BIND, NULL) < 0) return fail_errno(why, "/dev/console");
    return 0;
}

static int open_terminal(const struct launch *launch, struct failure *why) {
    AUTO_CLOSE master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return fail_errno(why, "no terminal: /dev/ptmx");
    int unlocked = 0;
    unsigned number;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCGPTN, &number) < 0) {
        return fail_errno(why, "no terminal");
    }
    struct winsize size = {.ws_row = (uint16_t)launch->process->rows, .ws_col = (uint16_t)launch->process->columns};
    if (size.ws_row > 0 && ioctl(master, TIOCSWINSZ, &size) < 0) return fail_errno(why, "the terminal's size");
    char path[32];
    snprintf(path, sizeof(path), "/dev/pts/%u", number);
    AUTO_CLOSE slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) return fail_errno(why, "no terminal: %s", path);
    if (launch->setup && make_console(path, why) < 0) return -1;
    if (send_terminal(launch->channel, master) < 0) return fail_errno(why, "the terminal");
    return take_fd(&slave);
}

static int take_standard(const struct launch *launch, struct failure *why) {
    AUTO_CLOSE terminal = -1;
    if (launch->process->terminal) {
        terminal = open_terminal(launch, why);
        if (terminal < 0) return -1;
        if (ioctl(terminal, TIOCSCTTY, 1) < 0) return fail_errno(why, "the terminal cannot be taken");
    }
    for (int index = 0; index < 3; index++) {
        int from = terminal >= 0 ? terminal : launch->standard[index];
        if (dup2(from, index) < 0) return fail_errno(why, "standard streams");
        /* So that it can open /dev/stdout, whoever it is. What is nobody's, as /dev/null, is left alone. */
        struct stat what;
        bool is_own = fstat(index, &what) == 0 && (terminal >= 0 || S_ISFIFO(what.st_mode));
        if (is_own && fchown(index, (uid_t)launch->process->uid, (gid_t)-1) < 0) return fail_errno(why, "standard streams");
    }
    return 0;
}

/* PID 1 ignores one, and what it waits for by a descriptor it blocks; it handles none. */
static void reset_signals(void) {
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(const struct launch *launch, struct failure *why) {
    const struct process_plan *plan = launch->process;
    setsid();
    if (plan->worker) {
        reset_signals();
        return become_worker(launch, why);
    }
    if (take_oom_score(plan, why) < 0 || enter_namespaces(launch, why) < 0) return -1;
    if (launch->setup && enter_root(launch->setup, plan->directory, plan->init, why) < 0) return -1;
    if (take_standard(launch, why) < 0) return -1;
    reset_signals();
    if (take_limits(plan, why) < 0 || take_credentials(plan, why) < 0) return -1;
    return execute_program(plan, why);
}

/* Into the group of all processes. Who joined it later would wait until no processor can be at work on the groups: 8 ms and more. */
static pid_t fork_into_group(void) {
    AUTO_CLOSE group = open(PROCESSES_CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (group < 0) return -1;
    struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
    return (pid_t)syscall(SYS_clone3, &how, sizeof(how));
}

/* New processes are born into the namespace that the parent names; it is itself in the one that it was born into. */
static pid_t fork_inside(const struct launch *launch, struct failure *why) {
    if (launch->process->worker) {
        pid_t worker = fork();
        return worker < 0 ? fail_errno(why, "no more processes") : worker;
    }
    int entered = launch->setup ? unshare(CLONE_NEWPID) : setns(launch->namespaces->pid, CLONE_NEWPID);
    if (entered < 0) return fail_errno(why, "the processes' namespace");
    pid_t pid = fork_into_group();
    int error = errno;
    if (pid != 0 && setns(launch->own_pid_namespace, CLONE_NEWPID) < 0) return fail_errno(why, "PID 1's namespace");
    errno = error;
    return pid < 0 ? fail_errno(why, "no more processes") : pid;
}

pid_t launch_process(const struct launch *launch, struct failure *why) {
    pid_t pid = fork_inside(launch, why);
    if (pid != 0) return pid;
    struct failure failure;
    become(launch, &failure);
    give_up(launch->channel, &failure);
}
