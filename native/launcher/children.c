/* Supervisors and file workers: fork, exec, and the report about how it went. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/protocol.h"
#include "common/root.h"
#include "crash-point.h"
#include "launcher.h"

#define REPORT_MAX 16384

static void child_free(struct child *child) {
    loop_close(&child->launcher->loop, &child->report);
    for (size_t index = 0; index < child->layer_count; index++) child->layers[index]->uses--;
    buffer_free(&child->reported);
    free(child->layers);
    free(child);
}

/* Mounts what the root needs; on failure the caller frees the child, which gives back what was taken. */
static int use_layers(struct child *child, const struct root_plan *root, struct failure *why) {
    struct layers *layers = &child->launcher->layers;
    size_t count = root->layers.count;
    child->layers = calloc(count ? count : 1, sizeof(*child->layers));
    if (!child->layers) return fail_errno(why, "the layers");
    for (size_t index = 0; index < count; index++) {
        struct layer *layer = layers_get(layers, root->layers.items[index], why);
        if (!layer) return -1;
        layer->uses++;
        child->layers[child->layer_count++] = layer;
    }
    if (count == 0) {
        layers->empty.uses++;
        child->layers[child->layer_count++] = &layers->empty;
    }
    return 0;
}

static struct child *child_new(struct client *client, uint16_t request) {
    struct child *child = calloc(1, sizeof(*child));
    if (!child) return NULL;
    child->report.fd = -1;
    child->client = client;
    child->request = request;
    child->launcher = client->launcher;
    return child;
}

static void answer(struct child *child, uint8_t type, const void *payload, size_t length) {
    if (child->client) connection_send(&child->client->connection, type, child->request, payload, length);
    child->client = NULL;
    loop_close(&child->launcher->loop, &child->report);
    buffer_free(&child->reported);
}

static void answer_without_report(struct child *child) {
    if (child->silence_is_success) {
        answer(child, MESSAGE_OK, NULL, 0);
        return;
    }
    struct failure why;
    fail(&why, FAILURE_INTERNAL, "the supervisor ended before it was ready; see the launcher's log");
    if (child->client) connection_refuse(&child->client->connection, child->request, &why);
    child->client = NULL;
    answer(child, MESSAGE_ERROR, NULL, 0);
}

void child_disown(struct child *child) {
    child->client = NULL;
    loop_close(&child->launcher->loop, &child->report);
}

static void on_report(struct watch *watch, uint32_t events) {
    (void)events;
    struct child *child = container_of(watch, struct child, report);
    uint8_t *room = buffer_reserve(&child->reported, 4096);
    ssize_t count = room ? RETRY(read(watch->fd, room, 4096)) : 0;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        answer_without_report(child);
        return;
    }
    child->reported.length += (size_t)count;
    struct frame frame;
    size_t used;
    switch (frame_decode(child->reported.data, child->reported.length, REPORT_MAX, &frame, &used)) {
        case FRAME_WHOLE:
            crash_point("child.reported");
            answer(child, frame.type, frame.payload, frame.length);
            break;
        case FRAME_IMPOSSIBLE: answer_without_report(child); break;
        case FRAME_INCOMPLETE: break;
    }
}

/* What a process must not inherit from the launcher's own way of working. */
static void become_independent(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
}

static void report_failure(int report, const struct failure *why) {
    AUTO_BUFFER payload = {0};
    AUTO_BUFFER out = {0};
    field_append_text(&payload, TAG_KIND, why->kind);
    field_append_text(&payload, TAG_MESSAGE, why->message);
    frame_append(&out, MESSAGE_ERROR, 0, payload.data, payload.length);
    if (write_all(report, out.data, out.length) < 0) log_line("%s", why->message);
}

/* Forks with a report pipe; the child gets its writing end and never returns from `body`. */
static int spawn(struct child *child, void (*body)(const void *context, int report, struct failure *why),
                 const void *context, struct failure *why) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return fail_errno(why, "no pipe");
    AUTO_CLOSE writing = ends[1];
    child->report = (struct watch){.fd = ends[0], .ready = on_report};
    set_nonblocking(ends[0]);
    pid_t pid = fork();
    if (pid < 0) return fail_errno(why, "no new process");
    if (pid == 0) {
        become_independent();
        body(context, writing, why);
        report_failure(writing, why);
        _exit(1);
    }
    crash_point("child.forked");
    child->pid = pid;
    child->next = child->launcher->children;
    child->launcher->children = child;
    if (loop_watch(&child->launcher->loop, &child->report, EPOLLIN) < 0) answer_without_report(child);
    return 0;
}

struct supervisor_start {
    const struct child *child;
    const struct plan *plan;
    int plan_file;
};

static char *program_path(const struct launcher *launcher, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", launcher->programs, name) < 0 ? NULL : path;
}

static char *scratch_path(const struct launcher *launcher) {
    char *path;
    return asprintf(&path, "%s/join-%d", launcher->layers.scratch, (int)getpid()) < 0 ? NULL : path;
}

/* "4,7,9": the layers' descriptors, inherited. */
static char *inherit_layers(const struct child *child) {
    AUTO_BUFFER text = {0};
    for (size_t index = 0; index < child->layer_count; index++) {
        char part[16];
        int fd = child->layers[index]->directory;
        int length = snprintf(part, sizeof(part), "%s%d", index ? "," : "", fd);
        if (set_inheritable(fd) < 0 || buffer_append(&text, part, (size_t)length) < 0) return NULL;
    }
    if (buffer_append(&text, "", 1) < 0) return NULL;
    char *list = (char *)text.data;
    text = (struct buffer){0};
    return list;
}

static void exec_supervisor(const void *context, int report, struct failure *why) {
    const struct supervisor_start *start = context;
    const struct launcher *launcher = start->child->launcher;
    int network = start->plan->has_network ? (int)start->plan->network : -1;
    char numbers[4][16];
    const int inherited[4] = {start->plan_file, report, launcher->host_mounts, network};
    for (int index = 0; index < 4; index++) {
        snprintf(numbers[index], sizeof(numbers[index]), "%d", inherited[index]);
        if (inherited[index] >= 0) set_inheritable(inherited[index]);
    }
    char runtime[SEALED_PROGRAM_TEXT];
    sealed_program_write(&launcher->oci_runtime, runtime);
    if (launcher->oci_runtime.copy >= 0) set_inheritable(launcher->oci_runtime.copy);
    char *program = program_path(launcher, "berth-shim");
    char *scratch = scratch_path(launcher);
    char *layers = inherit_layers(start->child);
    if (!program || !scratch || !layers) {
        fail_errno(why, "the supervisor's arguments");
        return;
    }
    char *arguments[] = {program, numbers[0], numbers[1], numbers[2], numbers[3], scratch, layers, runtime, NULL};
    execv(program, arguments);
    fail_errno(why, "%s cannot be started", program);
}

int start_supervisor(struct client *client, uint16_t request, const struct plan *plan, const struct frame *frame,
                     struct failure *why) {
    if (plan->has_network && !networks_find(&client->launcher->networks, plan->network)) {
        return fail(why, FAILURE_NOT_FOUND, "the launcher holds no network namespace %llu",
                    (unsigned long long)plan->network);
    }
    struct child *child = child_new(client, request);
    if (!child) return fail_errno(why, "a supervisor");
    sealed_program_update(&client->launcher->oci_runtime, plan->runtime);
    child->has_network = plan->has_network;
    child->network = plan->network;
    AUTO_CLOSE plan_file = memory_file("plan", frame->payload, frame->length);
    struct supervisor_start start = {.child = child, .plan = plan, .plan_file = plan_file};
    if (plan_file < 0) fail_errno(why, "the plan");
    if (plan_file < 0 || use_layers(child, &plan->root, why) < 0 || spawn(child, exec_supervisor, &start, why) < 0) {
        child_free(child);
        return -1;
    }
    return 0;
}

struct file_worker_start {
    const struct child *child;
    const struct root_plan *root;
    const char *directory; /* serve this folder instead of a joined root */
    int listening;
};

static int join_for_files(const struct file_worker_start *start, struct failure *why) {
    const struct child *child = start->child;
    int layers[child->layer_count];
    for (size_t index = 0; index < child->layer_count; index++) layers[index] = child->layers[index]->directory;
    AUTO_TEXT scratch = scratch_path(child->launcher);
    struct root_source source = {.layers = layers,
                                 .count = child->layer_count,
                                 .upper = start->root->upper,
                                 .work = start->root->work,
                                 .scratch = scratch};
    return join_root(&source, why);
}

static int open_directory(const char *path, struct failure *why) {
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) return fd;
    return errno == ENOENT ? fail(why, FAILURE_NOT_FOUND, "%s does not exist", path) : fail_errno(why, "%s", path);
}

/* berth-fs wants the root directory as descriptor 3 and the listening socket as 4. */
static void exec_file_worker(const void *context, int report, struct failure *why) {
    const struct file_worker_start *start = context;
    int root = start->directory ? open_directory(start->directory, why) : join_for_files(start, why);
    if (root < 0) return;
    /* First out of the way of 3 and 4, then into place. */
    int high_root = fcntl(root, F_DUPFD_CLOEXEC, 10);
    int high_listening = fcntl(start->listening, F_DUPFD_CLOEXEC, 10);
    int high_report = fcntl(report, F_DUPFD_CLOEXEC, 10);
    char *program = program_path(start->child->launcher, "berth-fs");
    if (high_root < 0 || high_listening < 0 || high_report < 0 || !program) {
        fail_errno(why, "the file worker's descriptors");
        return;
    }
    if (report == 3 || report == 4) close(report);
    if (dup2(high_root, 3) < 0 || dup2(high_listening, 4) < 0) {
        fail_errno(why, "the file worker's descriptors");
    } else {
        char *arguments[] = {program, "serve", NULL};
        execv(program, arguments);
        fail_errno(why, "%s cannot be started", program);
    }
    report_failure(high_report, why);
    _exit(1);
}

int start_file_worker(struct client *client, uint16_t request, const char *socket, const struct root_plan *root,
                      const char *directory, struct failure *why) {
    AUTO_CLOSE listening = listen_at(socket, why);
    if (listening < 0) return -1;
    /* The worker waits for its one client in accept(). */
    if (fcntl(listening, F_SETFL, 0) < 0) return fail_errno(why, "the socket %s", socket);
    struct child *child = child_new(client, request);
    if (!child) return fail_errno(why, "a file worker");
    child->silence_is_success = true;
    struct file_worker_start start = {.child = child, .root = root, .directory = directory, .listening = listening};
    if ((!directory && use_layers(child, root, why) < 0) || spawn(child, exec_file_worker, &start, why) < 0) {
        child_free(child);
        unlink(socket);
        return -1;
    }
    return 0;
}

bool children_use_network(const struct launcher *launcher, uint64_t handle) {
    for (const struct child *child = launcher->children; child; child = child->next) {
        if (child->has_network && child->network == handle) return true;
    }
    return false;
}

/* The namespace of a supervisor that outlived the berthd which would have released it. */
static void release_disowned_network(const struct child *child) {
    struct network *network = child->has_network ? networks_find(&child->launcher->networks, child->network) : NULL;
    if (network && !network->owner) release_network(child->launcher, network);
}

static void reap(struct launcher *launcher, pid_t pid) {
    if (resolver_reaped(launcher, pid)) return;
    for (struct child **link = &launcher->children; *link; link = &(*link)->next) {
        struct child *child = *link;
        if (child->pid != pid) continue;
        *link = child->next;
        /* The report may be in the pipe still, behind the news of the end. */
        while (child->report.fd >= 0) on_report(&child->report, EPOLLIN);
        release_disowned_network(child);
        struct client *awaited_by = child->awaited_by;
        uint16_t request = child->await_request;
        child_free(child);
        crash_point("child.reaped");
        if (awaited_by) connection_send(&awaited_by->connection, MESSAGE_OK, request, NULL, 0);
        return;
    }
}

void reap_children(struct launcher *launcher) {
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) reap(launcher, pid);
}

int child_await(struct client *client, uint16_t request, pid_t pid, struct failure *why) {
    struct child *child = client->launcher->children;
    while (child && child->pid != pid) child = child->next;
    if (!child) {
        connection_send(&client->connection, MESSAGE_OK, request, NULL, 0);
        return 0;
    }
    if (child->awaited_by) return fail(why, FAILURE_CONFLICT, "the end of process %d is awaited already", (int)pid);
    child->awaited_by = client;
    child->await_request = request;
    return 0;
}
