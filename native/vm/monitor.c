#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cgroups.h"
#include "common/io.h"
#include "common/vm-plan.h"
#include "launch.h"
#include "runtime-log.h"
#include "state-folder.h"
#include "taps.h"
#include "terminal.h"
#include "user-namespace.h"

static void on_timer(struct watch *watch, uint32_t events) {
    (void)events;
    uint64_t count;
    struct monitor *monitor = container_of(watch, struct monitor, timer);
    if (RETRY(read(watch->fd, &count, sizeof(count))) == (ssize_t)sizeof(count)) machine_timed_out(monitor);
}

static int open_timer(struct monitor *monitor, struct failure *why) {
    monitor->timer =
        (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .ready = on_timer};
    if (monitor->timer.fd >= 0 && loop_watch(&monitor->loop, &monitor->timer, EPOLLIN) == 0) return 0;
    return fail_errno(why, "no timer");
}

static void on_name(struct names *names, uint16_t guest_id, const uint8_t *message, size_t length) {
    struct monitor *monitor = container_of(names, struct monitor, names);
    if (monitor->guest.is_open) guest_tell(&monitor->guest, GUEST_DNS_ANSWER, guest_id, message, length);
}

/* We stay in the container's network: names are asked from there. */
static int enter_network(struct monitor *monitor, struct failure *why) {
    const struct vm_plan *plan = &monitor->plan;
    monitor->taps = calloc(plan->taps.count + 1, sizeof(*monitor->taps));
    if (!monitor->taps) return fail_errno(why, "no memory");
    if (!plan->network) {
        names_open(&monitor->names, &monitor->loop, on_name);
        return 0;
    }
    AUTO_CLOSE network = open(plan->network, O_RDONLY | O_CLOEXEC);
    if (network < 0 || setns(network, CLONE_NEWNET) < 0) {
        return fail_errno(why, "the network namespace %s", plan->network);
    }
    if (taps_open(&plan->taps, monitor->taps, why) < 0) return -1;
    if (plan->is_computer) return card_services_open(&monitor->services, &monitor->loop, plan, monitor->taps, why);
    names_open(&monitor->names, &monitor->loop, on_name);
    return 0;
}

static int open_terminal(struct monitor *monitor, struct failure *why) {
    if (setsid() < 0) return fail_errno(why, "a session");
    if (!monitor->options->console_socket) return 0;
    monitor->terminal = terminal_open(monitor->options->console_socket, why);
    return monitor->terminal < 0 ? -1 : 0;
}

static int open_out_of_memory(struct monitor *monitor, struct failure *why) {
    AUTO_TEXT path = NULL;
    if (asprintf(&path, "%s/" VM_OUT_OF_MEMORY_FILE, monitor->options->bundle) < 0) return fail_errno(why, "no memory");
    monitor->out_of_memory = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return monitor->out_of_memory < 0 ? fail_errno(why, "%s", path) : 0;
}

static int prepare(struct monitor *monitor, struct failure *why) {
    const struct options *options = monitor->options;
    monitor->folder = state_open(options->root, options->id, why);
    if (monitor->folder < 0 || vm_plan_read(options->bundle, &monitor->plan, why) < 0) return -1;
    monitor->passed_over = calloc(monitor->plan.machine_count, sizeof(*monitor->passed_over));
    if (!monitor->passed_over || asprintf(&monitor->scratch, "%s/%s/" STATE_ROOT, options->root, options->id) < 0) {
        return fail_errno(why, "no memory");
    }
    if (open_out_of_memory(monitor, why) < 0) return -1;
    if (loop_open(&monitor->loop) < 0) return fail_errno(why, "no event loop");
    if (signals_open(monitor, why) < 0 || open_timer(monitor, why) < 0 || open_terminal(monitor, why) < 0) return -1;
    if (state_write(monitor->folder, getpid(), 0, &monitor->plan, why) < 0) return -1;
    if (cgroups_join(&monitor->plan, why) < 0 || enter_network(monitor, why) < 0) return -1;
    monitor->user_namespace = user_namespace_make(monitor->plan.uid_base, why);
    return monitor->user_namespace < 0 ? -1 : sessions_open(monitor, why);
}

static int run(struct monitor *monitor, struct failure *why) {
    raise_descriptor_limit();
    if (prepare(monitor, why) < 0 || boot_begin(monitor, why) < 0) return -1;
    return loop_run(&monitor->loop) < 0 ? fail_errno(why, "the event loop") : 0;
}

void exit_as(int code, int signal_number) {
    if (signal_number > 0) {
        const struct rlimit none = {0};
        sigset_t one;
        setrlimit(RLIMIT_CORE, &none); /* the dump would be ours */
        signal(signal_number, SIG_DFL);
        sigemptyset(&one);
        sigaddset(&one, signal_number);
        kill(getpid(), signal_number);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        code = 128 + signal_number; /* one that ends nobody */
    }
    exit(code);
}

int monitor_run(const struct options *options) {
    struct failure why;
    struct monitor *monitor = calloc(1, sizeof(*monitor));
    if (!monitor) return 1;
    monitor->options = options;
    monitor->log = runtime_log_open(options->log);
    monitor->report = LAUNCH_REPORT;
    monitor->terminal = monitor->folder = monitor->user_namespace = -1;
    if (run(monitor, &why) < 0) {
        runtime_log(monitor->log, "error", why.message);
        machine_kill(monitor);
        return 1;
    }
    exit_as(monitor->exit_code, monitor->exit_signal);
}
