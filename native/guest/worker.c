#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "common/tcp-relay.h"

/* Where berth-fs serve-connected expects them. */
#define FILES_ROOT 3
#define FILES_CONNECTION 4

/* Above all that dup2() puts somewhere. */
#define OUT_OF_THE_WAY 10

/* What the processes see is the root of their mount namespace; PID 1's own shows it without what they have mounted. */
static int open_files_root(const struct launch *launch, struct failure *why) {
    const char *path = launch->process->worker == GUEST_WORKER_CHANGES ? CHANGES_DIRECTORY : ROOT_DIRECTORY;
    if (launch->process->worker == GUEST_WORKER_ROOT) {
        if (launch->namespaces->mount < 0) return fail(why, FAILURE_CONFLICT, "the machine's process has not started");
        if (setns(launch->namespaces->mount, CLONE_NEWNS) < 0) return fail_errno(why, "the processes' mounts");
        path = "/";
    }
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? fail_errno(why, "%s", path) : root;
}

static int execute_file_worker(const struct launch *launch, struct failure *why) {
    AUTO_CLOSE program = open(WORKER_PROGRAM, O_PATH | O_CLOEXEC); /* while there is a way to it */
    AUTO_CLOSE root = open_files_root(launch, why);
    if (root < 0) return -1;
    AUTO_CLOSE high_program = fcntl(program, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    AUTO_CLOSE high_root = fcntl(root, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    AUTO_CLOSE connection = fcntl(launch->connection, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    if (dup2(high_root, FILES_ROOT) < 0 || dup2(connection, FILES_CONNECTION) < 0) return fail_errno(why, "the file worker");
    char *const arguments[] = {"berth-fs", "serve-connected", NULL};
    char *const environment[] = {NULL};
    fexecve(high_program, arguments, environment);
    return fail_errno(why, "the file worker");
}

/* A port, then addresses. */
static int connect_planned(const struct texts *arguments, struct failure *why) {
    const char *const *addresses = (const char *const *)arguments->items + 1;
    char *end;
    unsigned long port = arguments->count < 2 ? 0 : strtoul(arguments->items[0], &end, 10);
    if (port == 0 || port > UINT16_MAX || *end) return fail(why, FAILURE_INVALID, "a port and addresses are needed");
    const char **list = calloc(arguments->count, sizeof(*list)); /* one less, and the end */
    if (!list) return fail_errno(why, "the connection");
    for (size_t index = 0; index + 1 < arguments->count; index++) list[index] = addresses[index];
    int connection = connect_first(list, (uint16_t)port, why);
    free(list);
    return connection;
}

/*
 * No program is executed, so what that would close is closed here: PID 1's ends of other processes' streams, and the
 * channel, whose end means that the worker works.
 */
static void close_others(void) {
    close_range(STDERR_FILENO + 1, UINT_MAX, 0);
}

static int run_wait(const struct launch *launch, struct failure *why) {
    char ignored[4096];
    if (dup2(launch->connection, STDIN_FILENO) < 0) return fail_errno(why, "the connection");
    close_others();
    while (RETRY(read(STDIN_FILENO, ignored, sizeof(ignored))) > 0) continue;
    _exit(0);
}

static int run_connection(const struct launch *launch, struct failure *why) {
    int connection = connect_planned(&launch->process->arguments, why);
    if (connection < 0) return -1;
    if (dup2(launch->connection, STDIN_FILENO) < 0 || dup2(connection, STDOUT_FILENO) < 0) {
        return fail_errno(why, "the connection");
    }
    close_others();
    _exit(relay(STDIN_FILENO, STDOUT_FILENO, STDIN_FILENO, why) < 0 ? 1 : 0);
}

int become_worker(const struct launch *launch, struct failure *why) {
    if (dup2(launch->standard[2], STDERR_FILENO) < 0) return fail_errno(why, "standard error");
    switch (launch->process->worker) {
        case GUEST_WORKER_CONNECT: return run_connection(launch, why);
        case GUEST_WORKER_WAIT: return run_wait(launch, why);
        default: return execute_file_worker(launch, why);
    }
}
