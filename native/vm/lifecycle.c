/* From a guest that is ready to the end of its machine. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "confine.h"
#include "monitor.h"
#include "runtime-log.h"
#include "stream.h"

/* After the last process: so long the guest has to write everything to its disks. */
#define POWER_OFF_MILLISECONDS 10000
#define SEED_BYTES 64
#define EXIT_OF_A_DEAD_MACHINE 255

void monitor_set_timer(struct monitor *monitor, uint64_t milliseconds) {
    const struct itimerspec timer = {.it_value = {.tv_sec = (time_t)(milliseconds / 1000),
                                                  .tv_nsec = (long)(milliseconds % 1000) * 1000000}};
    if (timerfd_settime(monitor->timer.fd, 0, &timer, NULL) < 0) log_line("no timer: %s", strerror(errno));
}

void machine_kill(struct monitor *monitor) {
    if (monitor->qemu > 0) kill(monitor->qemu, SIGKILL);
}

static void tell(struct monitor *monitor, const char *message) {
    int fd = monitor->terminal >= 0 ? monitor->terminal : STDERR_FILENO;
    const char *end = monitor->terminal >= 0 ? "\r\n" : "\n";
    char line[1200];
    int length = snprintf(line, sizeof(line), "berth: %s%s", message, end);
    if (output_say(fd, line, (size_t)length) < 0) return; /* nobody is left to tell */
}

/* Who looks at its output would wait for something that does not come. Once is enough: it may happen every second. */
void machine_lacks_room(struct monitor *monitor) {
    struct failure why;
    if (monitor->plan.is_computer) return;
    fail(&why, FAILURE_UNAVAILABLE, "no space left on device: the host's disk has no room for what the virtual machine writes");
    if (monitor->phase == PHASE_BOOTING) boot_give_up(monitor, &why);
    else if (monitor->phase < PHASE_RUNNING) machine_fail_start(monitor, &why);
    if (monitor->phase != PHASE_RUNNING || monitor->told_of_room) return;
    monitor->told_of_room = true;
    tell(monitor, "the virtual machine stands still: the host's disk has no room for what it writes");
}

/* Its process has ended as it should have; what it had written before is not all there. */
static void tell_of_loss(struct monitor *monitor) {
    tell(monitor, "what was written last is lost: the host's disk has no room for it");
    monitor->exit_code = EXIT_OF_A_DEAD_MACHINE;
    monitor->exit_signal = 0;
}

void machine_timed_out(struct monitor *monitor) {
    struct failure why;
    fail(&why, FAILURE_INTERNAL, "the virtual machine had not booted after %llu s",
         (unsigned long long)(monitor->plan.machines[monitor->machine].boot_timeout / 1000));
    if (monitor->phase < PHASE_RUNNING) {
        boot_give_up(monitor, &why);
        return;
    }
    if (monitor->phase == PHASE_ENDING && monitor->lacks_room) tell_of_loss(monitor);
    machine_kill(monitor);
}

/* ---- the start ---- */

void machine_fail_start(struct monitor *monitor, const struct failure *why) {
    if (!monitor->has_failed) monitor->failure = *why;
    monitor->has_failed = true;
    machine_kill(monitor);
}

void machine_report_success(struct monitor *monitor) {
    if (monitor->report >= 0 && write(monitor->report, "S", 1) < 0) {
        struct failure why;
        fail_errno(&why, "nobody waits for the virtual machine any more");
        machine_fail_start(monitor, &why);
    }
    close_fd(&monitor->report);
}

static void on_started(struct process *process, uint64_t pid) {
    (void)pid; /* it is the guest's PID 1's number: the host has none for it */
    struct monitor *monitor = process->context;
    monitor->phase = PHASE_RUNNING;
    monitor_set_timer(monitor, 0); /* the boot's */
    monitor->executed_after = microseconds() - monitor->started_at;
    machine_report_success(monitor);
}

static void on_refused(struct process *process, const struct failure *why) {
    struct monitor *monitor = process->context;
    monitor->init = NULL;
    machine_fail_start(monitor, why);
}

static void on_powered_off(struct request *request, const struct frame *answer) {
    (void)answer; /* whatever it says, there is nothing more to wait for */
    machine_kill(request->context);
}

void machine_ran_out_of_memory(struct monitor *monitor) {
    if (RETRY(pwrite(monitor->out_of_memory, "1", 1, 0)) < 0) log_line("the end of memory: %s", strerror(errno));
}

static void on_ended(struct process *process) {
    struct monitor *monitor = process->context;
    if (process->out_of_memory) machine_ran_out_of_memory(monitor);
    monitor->phase = PHASE_ENDING;
    monitor->init = NULL;
    monitor->exit_code = process->code;
    monitor->exit_signal = process->signal;
    monitor_set_timer(monitor, POWER_OFF_MILLISECONDS);
    if (!guest_ask(&monitor->guest, GUEST_POWER_OFF, NULL, 0, on_powered_off, monitor)) machine_kill(monitor);
}

static const struct process_events EVENTS = {.started = on_started, .refused = on_refused, .ended = on_ended};

/* Copies: what the process's streams are told must not depend on what happens to ours. */
static int copy_streams(const struct monitor *monitor, int streams[3]) {
    bool terminal = monitor->terminal >= 0;
    for (int index = 0; index < 3; index++) {
        streams[index] = -1;
        if (terminal && index == STDERR_FILENO) continue; /* a terminal's output is one */
        streams[index] = fcntl(terminal ? monitor->terminal : index, F_DUPFD_CLOEXEC, 3);
        if (streams[index] < 0) return -1;
    }
    return 0;
}

static void start_process(struct monitor *monitor) {
    int streams[3];
    struct failure why;
    if (copy_streams(monitor, streams) == 0) {
        monitor->phase = PHASE_STARTING;
        monitor->init = process_start(&monitor->guest, monitor->plan.process.data, monitor->plan.process.length, streams,
                                      &EVENTS, monitor);
    }
    if (monitor->init) return;
    fail_errno(&why, "the process's streams");
    machine_fail_start(monitor, &why);
}

static void on_set_up(struct request *request, const struct frame *answer) {
    struct monitor *monitor = request->context;
    struct failure why;
    if (answer->type != GUEST_ERROR) {
        start_process(monitor);
        return;
    }
    guest_failure(answer, &why);
    machine_fail_start(monitor, &why);
}

/* What a restart must not repeat is not in the plan. */
static int complete_setup(const struct vm_plan *plan, struct buffer *payload) {
    uint8_t seed[SEED_BYTES];
    if (RETRY(getrandom(seed, sizeof(seed), 0)) != (ssize_t)sizeof(seed)) return -1;
    if (buffer_append(payload, plan->setup.data, plan->setup.length) < 0) return -1;
    if (field_append(payload, GUEST_SETUP_SEED, seed, sizeof(seed)) < 0) return -1;
    return field_append_number(payload, GUEST_SETUP_TIME, now());
}

int machine_give_up_host(struct monitor *monitor, struct failure *why) {
    for (size_t index = 0; index < monitor->plan.taps.count; index++) close_fd(&monitor->taps[index]);
    close_fd(&monitor->user_namespace);
    close_fd(&monitor->folder);
    return confine_monitor(why);
}

void machine_ready(struct monitor *monitor) {
    AUTO_BUFFER payload = {0};
    struct failure why;
    monitor->phase = PHASE_SETTING_UP;
    if (machine_give_up_host(monitor, &why) < 0) {
        machine_fail_start(monitor, &why);
        return;
    }
    if (complete_setup(&monitor->plan, &payload) == 0 &&
        guest_ask(&monitor->guest, GUEST_SETUP, payload.data, payload.length, on_set_up, monitor)) {
        return;
    }
    fail_errno(&why, "the guest cannot be set up");
    machine_fail_start(monitor, &why);
}

/* ---- the end ---- */

static const char *reason_of(const struct monitor *monitor) {
    const char *reason = monitor->shutdown_reason;
    if (monitor->broken[0]) return monitor->broken;
    if (strcmp(reason, "guest-panic") == 0) return "its kernel panicked";
    if (strcmp(reason, "guest-reset") == 0) return "its kernel panicked, or it was restarted from inside";
    if (strcmp(reason, "guest-shutdown") == 0) return "it was switched off from inside";
    return "QEMU ended";
}

/* Then its last words are why; otherwise they are what it warned of long ago. */
static bool ended_by_itself(const struct monitor *monitor, int status) {
    if (strcmp(monitor->shutdown_reason, "guest-panic") == 0) return false;
    return !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
}

void machine_explain_death(struct monitor *monitor, int status, const struct words *said, struct failure *why) {
    char last[512] = "";
    char by[32] = "";
    /* A QEMU that was ended from outside has nothing to do with what its guest said. */
    if (said && !WIFSIGNALED(status)) console_text(said, last, sizeof(last));
    if (!last[0] && (said || ended_by_itself(monitor, status))) words_text(&monitor->words, last, sizeof(last));
    if (WIFSIGNALED(status) && !monitor->broken[0]) snprintf(by, sizeof(by), " by signal %d", WTERMSIG(status));
    fail(why, FAILURE_INTERNAL, "the virtual machine has stopped: %s%s%s%s", reason_of(monitor), by,
         last[0] ? ": " : "", last);
}

static void container_died(struct monitor *monitor, int status) {
    struct failure why;
    machine_explain_death(monitor, status, &monitor->console, &why);
    tell(monitor, why.message);
    monitor->exit_code = EXIT_OF_A_DEAD_MACHINE;
}

void machine_fail(struct monitor *monitor, const struct failure *why) {
    runtime_log(monitor->log, "error", why->message);
    monitor->exit_code = 1;
    monitor->loop.stopped = true;
}

static void close_channels(struct monitor *monitor) {
    qmp_take_rest(&monitor->qmp); /* why it ended */
    words_close(&monitor->console);
    words_close(&monitor->words);
    qmp_close(&monitor->qmp);
    guest_close(&monitor->guest);
    agent_port_close(&monitor->agent_port);
    if (monitor->phase != PHASE_RUNNING) console_close(&monitor->serial);
    monitor->init = NULL;
}

static void start_ended(struct monitor *monitor) {
    struct failure why = monitor->failure;
    char last[512];
    console_text(&monitor->console, last, sizeof(last));
    if (!monitor->has_failed) {
        fail(&why, FAILURE_INTERNAL, "the virtual machine ended while its process was being started: %s%s%s",
             reason_of(monitor), last[0] ? ": " : "", last);
    }
    machine_fail(monitor, &why);
}

/* Without it the guest would wait for its folders for ever. One that ends because QEMU does is no cause. */
static void look_at_file_server(struct monitor *monitor) {
    int status;
    if (monitor->file_server <= 0) return;
    if (RETRY(waitpid(monitor->file_server, &status, WNOHANG)) != monitor->file_server) return;
    monitor->file_server = 0;
    if (monitor->qemu <= 0 || monitor->phase == PHASE_ENDING || monitor->shutdown_reason[0]) return;
    if (!monitor->broken[0]) {
        snprintf(monitor->broken, sizeof(monitor->broken), "the server of its folders has ended (%s %d)",
                 WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    machine_kill(monitor);
}

static void end_file_server(struct monitor *monitor) {
    if (monitor->file_server <= 0) return;
    kill(monitor->file_server, SIGKILL);
    RETRY(waitpid(monitor->file_server, NULL, 0));
    monitor->file_server = 0;
}

void machine_reaped(struct monitor *monitor) {
    int status;
    look_at_file_server(monitor);
    if (monitor->qemu <= 0 || RETRY(waitpid(monitor->qemu, &status, WNOHANG)) != monitor->qemu) return;
    monitor->qemu = 0;
    end_file_server(monitor);
    enum phase phase = monitor->phase;
    close_channels(monitor);
    switch (phase) {
        case PHASE_BOOTING: boot_ended(monitor); return;
        case PHASE_SETTING_UP:
        case PHASE_STARTING: start_ended(monitor); return;
        case PHASE_RUNNING:
            if (monitor->plan.is_computer && !monitor->has_failed) {
                computer_ended(monitor, status);
                return;
            }
            if (monitor->has_failed) start_ended(monitor);
            else container_died(monitor, status);
            break;
        case PHASE_ENDING: break;
    }
    monitor->loop.stopped = true;
}
