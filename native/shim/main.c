/*
 * berth-shim PLAN REPORT HOST NETWORK SCRATCH LAYERS [RUNTIME]: the supervisor of one container. The first four and LAYERS
 * (a list with commas) are inherited descriptors: the plan, the pipe for the one report, the host's mount namespace,
 * the network namespace (-1: none), the layers' directories. RUNTIME tells of a copy of the OCI runtime in memory. Started by the launcher, in whose mount namespace the
 * root is joined; it then lives in a copy of the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/io.h"
#include "common/protocol.h"
#include "common/root.h"
#include "supervisor.h"

#define PLAN_MAX (1024u * 1024)
#define SPOOL_MAX_UNLIMITED (100u * 1000 * 1000) /* of a log without limits */

struct arguments {
    int plan;
    int report;
    int host;
    int network;
    const char *scratch;
    struct sealed_program runtime;
    int *layers;
    size_t layer_count;
};

static int parse_layers(const char *list, struct arguments *arguments) {
    for (const char *at = list; *at;) {
        char *end;
        long fd = strtol(at, &end, 10);
        int *layers = realloc(arguments->layers, (arguments->layer_count + 1) * sizeof(*layers));
        if (!layers || end == at) return -1;
        arguments->layers = layers;
        layers[arguments->layer_count++] = (int)fd;
        at = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') return -1;
    }
    return arguments->layer_count > 0 ? 0 : -1;
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments) {
    if (argc != 7 && argc != 8) return -1;
    arguments->plan = atoi(argv[1]);
    arguments->report = atoi(argv[2]);
    arguments->host = atoi(argv[3]);
    arguments->network = atoi(argv[4]);
    arguments->scratch = argv[5];
    sealed_program_read(&arguments->runtime, argc == 8 ? argv[7] : "");
    return parse_layers(argv[6], arguments);
}

/* What was inherited must not reach the OCI runtime. */
static void keep_to_ourselves(const struct arguments *arguments) {
    const int own[] = {arguments->plan, arguments->report, arguments->host, arguments->network,
                       arguments->runtime.copy};
    for (size_t index = 0; index < sizeof(own) / sizeof(*own); index++) {
        if (own[index] >= 0) fcntl(own[index], F_SETFD, FD_CLOEXEC);
    }
    for (size_t index = 0; index < arguments->layer_count; index++) {
        fcntl(arguments->layers[index], F_SETFD, FD_CLOEXEC);
    }
}

static int read_plan(struct supervisor *supervisor, int file, struct failure *why) {
    AUTO_BUFFER payload = {0};
    if (read_until_end(file, &payload, PLAN_MAX) < 0) return fail_errno(why, "the plan");
    return plan_decode(payload.data, payload.length, &supervisor->plan, why);
}

/* Held until everything is cleaned up: a container never has two supervisors, whoever starts them. */
static int lock_container(struct supervisor *supervisor, struct failure *why) {
    const struct plan *plan = &supervisor->plan;
    supervisor->lock = open(plan->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (supervisor->lock < 0) return fail_errno(why, "the container's folder %s", plan->directory);
    if (flock(supervisor->lock, LOCK_EX | LOCK_NB) == 0) return 0;
    return fail(why, FAILURE_CONFLICT, "the container %.12s has a supervisor already", plan->id);
}

static int mount_root(struct supervisor *supervisor, const struct arguments *arguments, struct failure *why) {
    struct root_source source = {.layers = arguments->layers,
                                 .count = arguments->layer_count,
                                 .upper = supervisor->plan.root.upper,
                                 .work = supervisor->plan.root.work,
                                 .scratch = arguments->scratch};
    AUTO_CLOSE root = join_root(&source, why);
    if (root < 0) return -1;
    return mounts_place(&supervisor->mounts, &supervisor->plan, root, arguments->host, why);
}

/* Whoever asks for the state gets the image's accounts: an image whose accounts cannot be read is refused now. */
static int check_accounts(struct failure *why) {
    AUTO_BUFFER passwd = {0};
    AUTO_BUFFER group = {0};
    if (mounts_read(MOUNTS_PASSWD, &passwd, why) < 0) return -1;
    return mounts_read(MOUNTS_GROUP, &group, why);
}

static void release_layers(struct arguments *arguments) {
    for (size_t index = 0; index < arguments->layer_count; index++) close_fd(&arguments->layers[index]);
    free(arguments->layers);
    arguments->layers = NULL;
    arguments->layer_count = 0;
    close_fd(&arguments->host);
    close_fd(&arguments->plan);
}

static void on_connect(struct watch *watch, uint32_t events) {
    (void)events;
    struct supervisor *supervisor = container_of(watch, struct supervisor, listening);
    int socket = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) session_accept(supervisor, socket);
}

static void on_signal(struct watch *watch, uint32_t events) {
    (void)events;
    struct signalfd_siginfo info;
    if (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        supervisor_reap(container_of(watch, struct supervisor, signals));
    }
}

/*
 * A host that shuts down sends SIGTERM to everybody, the container included: we stay to write down how it ended.
 * A writer whose reader has gone gets EPIPE.
 */
static int watch_signals(struct supervisor *supervisor, struct failure *why) {
    static const int IGNORED[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
    for (size_t index = 0; index < sizeof(IGNORED) / sizeof(*IGNORED); index++) signal(IGNORED[index], SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return fail_errno(why, "signals");
    supervisor->signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
    if (supervisor->signals.fd < 0) return fail_errno(why, "signals");
    return loop_watch(&supervisor->loop, &supervisor->signals, EPOLLIN) < 0 ? fail_errno(why, "signals") : 0;
}

static void on_refused(const struct port *port) {
    struct supervisor *supervisor = container_of(port->ports, struct supervisor, ports);
    AUTO_BUFFER payload = {0};
    port_report(port, &payload);
    sessions_announce(supervisor, MESSAGE_PORT_REFUSED, &payload);
}

/* As much as the log may take: a disk that has room for that is never filled. */
static uint64_t spool_max_of(const struct plan *plan) {
    if (plan->log_driver == LOG_NONE) return 0;
    if (plan->log_max_size == 0) return SPOOL_MAX_UNLIMITED;
    return plan->log_max_size * (plan->log_max_files ? plan->log_max_files : 1);
}

static int open_log(struct supervisor *supervisor, struct failure *why) {
    supervisor->spool_max = spool_max_of(&supervisor->plan);
    return log_open(&supervisor->log, &supervisor->plan, why);
}

static int open_streams(struct supervisor *supervisor, struct failure *why) {
    supervisor->init = process_new(supervisor, true, supervisor->plan.terminal);
    if (!supervisor->init) return fail_errno(why, "a process");
    return process_open(supervisor->init, supervisor->plan.open_stdin, why);
}

/* What an earlier run of the same container left. */
static void forget_earlier_run(void) {
    exit_record_prepare();
    if (unlink("pid") < 0 && errno != ENOENT) log_line("the old pid file stays: %s", strerror(errno));
}

static int listen_for_clients(struct supervisor *supervisor, struct failure *why) {
    supervisor->listening = (struct watch){.fd = listen_at(supervisor->plan.socket, why), .ready = on_connect};
    if (supervisor->listening.fd < 0) return -1;
    return loop_watch(&supervisor->loop, &supervisor->listening, EPOLLIN) < 0 ? fail_errno(why, "the socket") : 0;
}

/* There is one of us per container: what a burst of output took goes back to the kernel. */
static void stay_small(void) {
    mallopt(M_MMAP_THRESHOLD, 32 * 1024);
    mallopt(M_TRIM_THRESHOLD, 16 * 1024);
    mallopt(M_TOP_PAD, 4 * 1024);
}

static int prepare(struct supervisor *supervisor, const struct arguments *arguments, size_t *taken_port,
                   struct failure *why) {
    if (loop_open(&supervisor->loop) < 0) return fail_errno(why, "epoll");
    if (read_plan(supervisor, arguments->plan, why) < 0) return -1;
    supervisor->restart.plan = supervisor->plan.restart;
    supervisor->restart.count = supervisor->plan.restarts;
    if (lock_container(supervisor, why) < 0) return -1;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return fail_errno(why, "subreaper");
    if (mount_root(supervisor, arguments, why) < 0 || check_accounts(why) < 0) return -1;
    forget_earlier_run();
    supervisor->ports.refused = on_refused;
    if (ports_bind(&supervisor->ports, &supervisor->loop, &supervisor->plan, taken_port, why) < 0) return -1;
    if (open_log(supervisor, why) < 0) return -1;
    if (open_streams(supervisor, why) < 0) return -1;
    if (watch_signals(supervisor, why) < 0) return -1;
    return listen_for_clients(supervisor, why);
}

static int report(int pipe, uint8_t type, const struct buffer *payload) {
    AUTO_BUFFER out = {0};
    frame_append(&out, type, 0, payload->data, payload->length);
    return write_all(pipe, out.data, out.length);
}

static int report_ready(int pipe) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, TAG_PID, (uint64_t)getpid());
    return report(pipe, MESSAGE_OK, &payload);
}

static void report_failure(int pipe, const struct failure *why, size_t taken_port) {
    AUTO_BUFFER payload = {0};
    field_append_text(&payload, TAG_KIND, why->kind);
    field_append_text(&payload, TAG_MESSAGE, why->message);
    if (taken_port != SIZE_MAX) field_append_number(&payload, TAG_PORT_INDEX, taken_port);
    if (report(pipe, MESSAGE_ERROR, &payload) < 0) log_line("the launcher does not listen: %s", why->message);
}

/* Everything that was prepared is undone before the failure is told. */
static int give_up(struct supervisor *supervisor, int pipe, const struct failure *why, size_t taken_port) {
    ports_close(&supervisor->ports);
    log_close(&supervisor->log);
    mounts_remove(&supervisor->mounts);
    close_fd(&supervisor->lock);
    if (supervisor->plan.socket && supervisor->listening.fd >= 0) unlink(supervisor->plan.socket);
    report_failure(pipe, why, taken_port);
    return 1;
}

static int supervise(struct supervisor *supervisor, struct arguments *arguments) {
    struct failure why;
    size_t taken_port = SIZE_MAX;
    if (prepare(supervisor, arguments, &taken_port, &why) < 0) {
        return give_up(supervisor, arguments->report, &why, taken_port);
    }
    release_layers(arguments);
    if (report_ready(arguments->report) < 0) {
        /* Whoever looked for us before we listened will not look again. */
        fail(&why, FAILURE_UNAVAILABLE, "whoever asked for the supervisor has gone");
        return give_up(supervisor, arguments->report, &why, taken_port);
    }
    close_fd(&arguments->report);
    if (loop_run(&supervisor->loop) == 0) return 0;
    log_line("the supervisor of %s ends: %s", supervisor->plan.id, strerror(errno));
    return 1;
}

static void release(struct supervisor *supervisor, struct arguments *arguments) {
    while (supervisor->processes) process_free(supervisor->processes);
    ports_free(&supervisor->ports);
    free(supervisor->orphans);
    plan_free(&supervisor->plan);
    release_layers(arguments);
}

int main(int argc, char **argv) {
    struct arguments arguments = {0};
    if (parse_arguments(argc, argv, &arguments) < 0) {
        log_line("usage: berth-shim PLAN REPORT HOST NETWORK SCRATCH LAYERS [RUNTIME] (started by berth-launcher)");
        return 2;
    }
    stay_small();
    keep_to_ourselves(&arguments);
    struct supervisor supervisor = {
        .listening.fd = -1, .signals.fd = -1, .lock = -1, .network = arguments.network,
        .oci_runtime = arguments.runtime,
        .log.files.file = -1, .log.send.socket = -1, .oom.folder = -1, .back_off.fd = -1};
    int result = supervise(&supervisor, &arguments);
    release(&supervisor, &arguments);
    return result;
}
