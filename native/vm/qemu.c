#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/vm-plan.h"
#include "confine.h"
#include "file-server.h"
#include "memory-copy.h"

#define TEMPLATE_LIBRARY "template-memory.so"
#define TEMPLATE_LIBRARY_NAME "/berth/" TEMPLATE_LIBRARY
#define TAPS_MAX (DESCRIPTOR_MAX - VM_TAP_DESCRIPTOR)

/* Their ends. */
struct theirs {
    int agent;
    int guest_agent;
    int qmp;
    int console;
    int words;
    int state;
    int memory;
    struct file_server_ends files;
};

void qemu_ends_close(struct qemu_ends *ends) {
    int *all[] = {&ends->agent, &ends->guest_agent, &ends->qmp, &ends->console, &ends->words};
    for (size_t index = 0; index < sizeof(all) / sizeof(*all); index++) close_fd(all[index]);
}

static void close_theirs(struct theirs *theirs) {
    int *all[] = {&theirs->agent, &theirs->guest_agent, &theirs->qmp,          &theirs->console,        &theirs->words,
                  &theirs->state, &theirs->memory,      &theirs->files.client, &theirs->files.listening};
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

static int open_all(const struct qemu_start *start, struct qemu_ends *ends, struct theirs *theirs, struct failure *why) {
    const struct machine_plan *machine = start->machine;
    if (start->is_computer && open_pair(&ends->guest_agent, &theirs->guest_agent) < 0) {
        return fail_errno(why, "the way to the guest's agent");
    }
    if (open_pair(&ends->agent, &theirs->agent) < 0 || open_pair(&ends->qmp, &theirs->qmp) < 0 ||
        open_pipe(&ends->console, &theirs->console) < 0 || open_pipe(&ends->words, &theirs->words) < 0) {
        return fail_errno(why, "QEMU's descriptors");
    }
    if (machine->file_server.path && file_server_connect(&theirs->files, why) < 0) return -1;
    if (machine->memory && (theirs->memory = copy_of_memory(machine->memory, why)) < 0) return -1;
    if (!machine->state) return 0;
    theirs->state = open(machine->state, O_RDONLY | O_CLOEXEC);
    if (theirs->state < 0) return fail_errno(why, "the state %s", machine->state);
    if (start->is_computer && unlink(machine->state) < 0) return fail_errno(why, "remove %s", machine->state);
    return 0;
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

static pid_t start(const struct qemu_start *start, const struct theirs *theirs, struct failure *why) {
    const struct machine_plan *machine = start->machine;
    const int first[] = {-1,          theirs->console, theirs->words,       theirs->agent,
                         theirs->qmp, theirs->state,   theirs->guest_agent, theirs->files.client,
                         theirs->memory};
    static char preload[] = "LD_PRELOAD=" TEMPLATE_LIBRARY_NAME;
    AUTO_TEXT memory = NULL;
    char *environment[] = {NULL, NULL, NULL};
    struct file_plan library;
    if (machine->template_memory) {
        if (asprintf(&memory, "BERTH_TEMPLATE_MEMORY=%s", machine->template_memory) < 0) return fail_errno(why, "no memory");
        if (find_library(&library, why) < 0) return -1;
        environment[0] = preload;
        environment[1] = memory;
    }
    const struct confined_program program = {
        .plan = &machine->qemu,
        .extra = machine->template_memory ? &library : NULL,
        .capabilities = program_shares_folders(&machine->qemu) ? FILE_CAPABILITIES : 0,
        .file_size = machine->file_size,
        .environment = environment,
        .first = first,
        .first_count = sizeof(first) / sizeof(*first),
        .second = start->taps,
        .second_count = start->tap_count,
        .second_number = VM_TAP_DESCRIPTOR,
    };
    return confined_program_start(&program, &start->confinement, why);
}

static int start_programs(const struct qemu_start *plan, const struct theirs *theirs, struct qemu_processes *processes,
                          struct failure *why) {
    const struct program_plan *files = &plan->machine->file_server;
    processes->qemu = start(plan, theirs, why);
    if (processes->qemu < 0) return -1;
    if (!files->path) return 0;
    processes->file_server = file_server_start(files, &plan->confinement, theirs->files.listening, theirs->words, why);
    if (processes->file_server > 0) return 0;
    kill(processes->qemu, SIGKILL);
    RETRY(waitpid(processes->qemu, NULL, 0));
    return -1;
}

int qemu_start(const struct qemu_start *start, struct qemu_ends *ends, struct qemu_processes *processes,
               struct failure *why) {
    struct theirs theirs = {-1, -1, -1, -1, -1, -1, -1, {-1, -1}};
    *ends = (struct qemu_ends){-1, -1, -1, -1, -1};
    *processes = (struct qemu_processes){0, 0};
    int result = -1;
    if (start->tap_count > TAPS_MAX) fail(why, FAILURE_INVALID, "a machine has at most %d interfaces", TAPS_MAX);
    else if (open_all(start, ends, &theirs, why) == 0) result = start_programs(start, &theirs, processes, why);
    close_theirs(&theirs);
    if (result < 0) qemu_ends_close(ends);
    return result;
}
