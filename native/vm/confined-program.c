#include "confined-program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "confine.h"
#include "qemu-root.h"

/* Where descriptors are kept while they are put in order. */
#define PARKING DESCRIPTOR_MAX

/* Between start and execution. */
struct ties {
    int report; /* a failure is written there; its end is the execution */
    int alive;  /* ends with the monitor */
};

static int open_pipe(int *reader, int *writer) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    *reader = ends[0];
    *writer = ends[1];
    return 0;
}

/* ---- in the child ---- */

/* Descriptor `number` becomes what `fd` is, which may stand in the way of another: so all are parked first. */
static int park(int fd) {
    return fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, PARKING);
}

static int park_all(const int *descriptors, size_t count, int *parked) {
    for (size_t index = 0; index < count; index++) {
        if ((parked[index] = park(descriptors[index])) < 0) return -1;
    }
    return 0;
}

static int arrange_descriptors(const struct confined_program *program, int *report) {
    int first[DESCRIPTOR_MAX], second[DESCRIPTOR_MAX];
    if (park_all(program->first, program->first_count, first) < 0) return -1;
    if (park_all(program->second, program->second_count, second) < 0) return -1;
    int kept = fcntl(*report, F_DUPFD_CLOEXEC, PARKING);
    if (kept < 0) return -1;
    int end = 0;
    for (size_t index = 0; index < program->first_count; index++) {
        if (dup2(first[index], end++) < 0) return -1;
    }
    for (size_t index = 0; index < program->second_count; index++) {
        /* Between the two groups is nothing. */
        if (index == 0) syscall(SYS_close_range, end, program->second_number - 1, 0);
        end = program->second_number + (int)index;
        if (dup2(second[index], end++) < 0) return -1;
    }
    *report = kept;
    if (kept > end) syscall(SYS_close_range, end, kept - 1, 0);
    return syscall(SYS_close_range, kept + 1, ~0u, 0) < 0 ? -1 : 0;
}

static int execute(const struct confined_program *program, struct failure *why) {
    const struct program_plan *plan = program->plan;
    char **arguments = calloc(plan->arguments.count + 2, sizeof(*arguments));
    if (arguments) {
        arguments[0] = plan->path;
        for (size_t index = 0; index < plan->arguments.count; index++) arguments[index + 1] = plan->arguments.items[index];
        execve(plan->path, arguments, program->environment);
    }
    return fail_errno(why, "%s cannot be executed", plan->path);
}

static void reset_signals(void) {
    for (int number = 1; number <= SIGRTMAX; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The monitor's death before PDEATHSIG was set. */
static bool monitor_lives(int alive) {
    struct pollfd end = {.fd = alive};
    return poll(&end, 1, 0) == 0;
}

static void become(const struct confined_program *program, const struct confinement *confinement, struct ties ties) {
    struct failure why = {.kind = FAILURE_INTERNAL};
    int report = ties.report;
    reset_signals();
    bool confined = qemu_root_enter(program->plan, program->extra, confinement->scratch, confinement->user_namespace,
                                    confinement->owner, &why) == 0 &&
                    confine_program(confinement->user_namespace, program->capabilities, program->file_size, &why) == 0 &&
                    monitor_lives(ties.alive);
    if (confined) {
        if (arrange_descriptors(program, &report) < 0) fail_errno(&why, "the descriptors of %s", program->plan->path);
        else execute(program, &why);
    }
    if (write(report, &why, sizeof(why)) < 0) _exit(126);
    _exit(127);
}

/* ---- in the monitor ---- */

/* Until it is executed, which closes the pipe. */
static int await_execution(pid_t pid, int report, const char *path, struct failure *why) {
    struct failure theirs;
    ssize_t count = RETRY(read(report, &theirs, sizeof(theirs)));
    if (count == 0) return 0;
    RETRY(waitpid(pid, NULL, 0));
    if (count != (ssize_t)sizeof(theirs)) return fail(why, FAILURE_INTERNAL, "%s could not be started", path);
    *why = theirs;
    return -1;
}

pid_t confined_program_start(const struct confined_program *program, const struct confinement *confinement,
                             struct failure *why) {
    static const unsigned long NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    struct ties ties = {-1, -1};
    AUTO_CLOSE report = -1;
    AUTO_CLOSE alive = -1;
    pid_t pid = -1;
    if (open_pipe(&report, &ties.report) == 0 && open_pipe(&ties.alive, &alive) == 0) {
        pid = (pid_t)syscall(SYS_clone, NAMESPACES | SIGCHLD, 0, 0, 0, 0);
    }
    if (pid < 0) fail_errno(why, "no process for %s", program->plan->path);
    if (pid == 0) {
        close_fd(&alive);
        close_fd(&report);
        become(program, confinement, ties);
    }
    close_fd(&ties.report);
    close_fd(&ties.alive);
    return pid > 0 && await_execution(pid, report, program->plan->path, why) == 0 ? pid : -1;
}
