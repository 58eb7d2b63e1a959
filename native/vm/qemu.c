#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/vm-plan.h"
#include "confine.h"
#include "qemu-root.h"

#define TEMPLATE_LIBRARY "template-memory.so"
#define TEMPLATE_LIBRARY_NAME "/berth/" TEMPLATE_LIBRARY
/* Above every number that a descriptor of QEMU's has. */
#define PARKING 512
#define TAPS_MAX (PARKING - VM_TAP_DESCRIPTOR)

/* Their ends, and the two pipes between start and execution. */
struct theirs {
    int agent;
    int guest_agent;
    int qmp;
    int console;
    int words;
    int state;
    int report; /* a failure is written there; its end is the execution */
    int alive;  /* ends with the monitor */
};

void qemu_ends_close(struct qemu_ends *ends) {
    int *all[] = {&ends->agent, &ends->guest_agent, &ends->qmp, &ends->console, &ends->words};
    for (size_t index = 0; index < sizeof(all) / sizeof(*all); index++) close_fd(all[index]);
}

static void close_theirs(struct theirs *theirs) {
    int *all[] = {&theirs->agent, &theirs->guest_agent, &theirs->qmp,   &theirs->console,
                  &theirs->words, &theirs->state,       &theirs->report, &theirs->alive};
    for (size_t index = 0; index < sizeof(all) / sizeof(*all); index++) close_fd(all[index]);
}

static int open_pair(int *ours, int *theirs) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -1;
    *ours = ends[0];
    *theirs = ends[1];
    return set_nonblocking(*ours);
}

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

static int arrange_descriptors(const struct qemu_start *start, const struct theirs *theirs, int *report) {
    const int wanted[] = {-1,          theirs->console, theirs->words,      theirs->agent,
                          theirs->qmp, theirs->state,   theirs->guest_agent};
    int first_count = theirs->state >= 0 ? VM_STATE_DESCRIPTOR + 1 : VM_STATE_DESCRIPTOR;
    if (start->is_computer) first_count = VM_GUEST_AGENT_DESCRIPTOR + 1;
    int parked[VM_GUEST_AGENT_DESCRIPTOR + 1];
    int taps[TAPS_MAX];
    for (int index = 0; index < first_count; index++) {
        if ((parked[index] = park(wanted[index])) < 0) return -1;
    }
    for (size_t index = 0; index < start->tap_count; index++) {
        if ((taps[index] = park(start->taps[index])) < 0) return -1;
    }
    int kept = fcntl(*report, F_DUPFD_CLOEXEC, PARKING);
    if (kept < 0) return -1;
    for (int index = 0; index < first_count; index++) {
        if (dup2(parked[index], index) < 0) return -1;
    }
    int end = first_count;
    for (size_t index = 0; index < start->tap_count; index++) {
        end = VM_TAP_DESCRIPTOR + (int)index;
        if (dup2(taps[index], end++) < 0) return -1;
    }
    /* Between the two groups, and behind them. */
    if (start->tap_count > 0) syscall(SYS_close_range, first_count, VM_TAP_DESCRIPTOR - 1, 0);
    *report = kept;
    if (kept > end) syscall(SYS_close_range, end, kept - 1, 0);
    return syscall(SYS_close_range, kept + 1, ~0u, 0) < 0 ? -1 : 0;
}

static char **build_arguments(const struct machine_plan *machine) {
    char **all = calloc(machine->arguments.count + 2, sizeof(*all));
    if (!all) return NULL;
    all[0] = machine->program;
    for (size_t index = 0; index < machine->arguments.count; index++) all[index + 1] = machine->arguments.items[index];
    return all;
}

static int execute(const struct machine_plan *machine, struct failure *why) {
    char **arguments = build_arguments(machine);
    AUTO_TEXT memory = NULL;
    static char library[] = "LD_PRELOAD=" TEMPLATE_LIBRARY_NAME;
    char *environment[] = {NULL, NULL, NULL};
    if (machine->template_memory) {
        if (asprintf(&memory, "BERTH_TEMPLATE_MEMORY=%s", machine->template_memory) < 0) return -1;
        environment[0] = library;
        environment[1] = memory;
    }
    if (arguments) execve(machine->program, arguments, environment);
    return fail_errno(why, "QEMU (%s) cannot be executed", machine->program);
}

/* The library lies beside our own program. */
static int find_library(struct file_plan *library, struct failure *why) {
    static char host_path[4096];
    static char name[] = TEMPLATE_LIBRARY_NAME;
    ssize_t length = readlink("/proc/self/exe", host_path, sizeof(host_path) - sizeof(TEMPLATE_LIBRARY));
    if (length <= 0) return fail_errno(why, "/proc/self/exe");
    host_path[length] = 0;
    char *slash = strrchr(host_path, '/');
    if (!slash) return fail(why, FAILURE_INTERNAL, "our own program has no path");
    strcpy(slash + 1, TEMPLATE_LIBRARY);
    *library = (struct file_plan){.host_path = host_path, .name = name};
    return 0;
}

static int enter_root(const struct qemu_start *start, struct failure *why) {
    struct file_plan library;
    bool wants_library = start->machine->template_memory != NULL;
    if (wants_library && find_library(&library, why) < 0) return -1;
    return qemu_root_enter(start->machine, wants_library ? &library : NULL, start->scratch, start->user_namespace,
                           start->owner, why);
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

static void become_qemu(const struct qemu_start *start, struct theirs *theirs) {
    struct failure why = {.kind = FAILURE_INTERNAL};
    uint64_t capabilities = machine_shares_folders(start->machine) ? FILE_CAPABILITIES : 0;
    int report = theirs->report;
    reset_signals();
    bool confined = enter_root(start, &why) == 0 && confine_qemu(start->user_namespace, capabilities, &why) == 0 &&
                    monitor_lives(theirs->alive);
    if (confined) {
        if (arrange_descriptors(start, theirs, &report) < 0) fail_errno(&why, "QEMU's descriptors");
        else execute(start->machine, &why);
    }
    if (write(report, &why, sizeof(why)) < 0) _exit(126);
    _exit(127);
}

/* ---- in the monitor ---- */

static int open_all(const struct qemu_start *start, struct qemu_ends *ends, struct theirs *theirs, int *report, int *alive,
                    struct failure *why) {
    const struct machine_plan *machine = start->machine;
    if (start->is_computer && open_pair(&ends->guest_agent, &theirs->guest_agent) < 0) {
        return fail_errno(why, "the way to the guest's agent");
    }
    if (open_pair(&ends->agent, &theirs->agent) < 0 || open_pair(&ends->qmp, &theirs->qmp) < 0 ||
        open_pipe(&ends->console, &theirs->console) < 0 || open_pipe(&ends->words, &theirs->words) < 0 ||
        open_pipe(report, &theirs->report) < 0 || open_pipe(&theirs->alive, alive) < 0) {
        return fail_errno(why, "QEMU's descriptors");
    }
    if (!machine->state) return 0;
    theirs->state = open(machine->state, O_RDONLY | O_CLOEXEC);
    return theirs->state < 0 ? fail_errno(why, "the template's state %s", machine->state) : 0;
}

/* Until it is executed, which closes the pipe. */
static int await_execution(pid_t pid, int report, struct failure *why) {
    struct failure theirs;
    ssize_t count = RETRY(read(report, &theirs, sizeof(theirs)));
    if (count == 0) return 0;
    RETRY(waitpid(pid, NULL, 0));
    if (count != (ssize_t)sizeof(theirs)) return fail(why, FAILURE_INTERNAL, "QEMU could not be started");
    *why = theirs;
    return -1;
}

pid_t qemu_start(const struct qemu_start *start, struct qemu_ends *ends, struct failure *why) {
    static const unsigned long NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    struct theirs theirs = {-1, -1, -1, -1, -1, -1, -1, -1};
    AUTO_CLOSE report = -1;
    AUTO_CLOSE alive = -1;
    *ends = (struct qemu_ends){-1, -1, -1, -1, -1};
    pid_t pid = -1;
    if (start->tap_count > TAPS_MAX) fail(why, FAILURE_INVALID, "a machine has at most %d interfaces", TAPS_MAX);
    else if (open_all(start, ends, &theirs, &report, &alive, why) == 0) {
        pid = (pid_t)syscall(SYS_clone, NAMESPACES | SIGCHLD, 0, 0, 0, 0);
        if (pid < 0) fail_errno(why, "no process for QEMU");
        if (pid == 0) {
            close_fd(&alive);
            close_fd(&report);
            become_qemu(start, &theirs);
        }
    }
    close_theirs(&theirs);
    if (pid > 0 && await_execution(pid, report, why) == 0) return pid;
    qemu_ends_close(ends);
    return -1;
}
