/* From one machine of the plan to a guest that is ready: QEMU, its script, the guest's READY. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "monitor.h"
#include "qemu.h"
#include "runtime-log.h"
#include "state-folder.h"

/* From the end of the guest's channel to QEMU's own. */
#define CLOSED_MILLISECONDS 2000

uint64_t microseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

static const struct machine_plan *machine_of(const struct monitor *monitor) {
    return &monitor->plan.machines[monitor->machine];
}

/* ---- what QEMU says ---- */

static void look_whether_ready(struct monitor *monitor) {
    if (monitor->phase != PHASE_BOOTING || !monitor->is_ready || !monitor->ready_awaited) return;
    monitor->ready_after = microseconds() - monitor->started_at;
    machine_ready(monitor);
}

static void on_script_done(struct qmp *qmp) {
    struct monitor *monitor = container_of(qmp, struct monitor, qmp);
    if (monitor->plan.is_computer) {
        computer_started(monitor);
        return;
    }
    monitor->ready_awaited = true;
    if (machine_of(monitor)->state) guest_send(&monitor->guest, GUEST_PING, 0, NULL, 0);
    look_whether_ready(monitor);
}

static void on_script_failed(struct qmp *qmp, const struct failure *why) {
    boot_give_up(container_of(qmp, struct monitor, qmp), why);
}

/* A guest stands still when it is told to, and when the host's disk has no room for what it writes. */
static void note_stop(struct monitor *monitor) {
    monitor->is_paused = true;
    sessions_stopped(monitor);
    if (monitor->lacks_room) machine_lacks_room(monitor);
}

static void note_io_error(struct monitor *monitor, struct span data) {
    struct span no_room = json_member(data, "nospace");
    if (no_room.at && span_holds(no_room, "true")) monitor->lacks_room = true;
}

static void on_event(struct qmp *qmp, struct span name, struct span line) {
    struct monitor *monitor = container_of(qmp, struct monitor, qmp);
    sessions_tell(monitor, line);
    if (json_is_text(name, "STOP")) note_stop(monitor);
    if (json_is_text(name, "RESUME")) monitor->is_paused = monitor->lacks_room = false;
    if (json_is_text(name, "BLOCK_IO_ERROR")) note_io_error(monitor, json_member(line, "data"));
    if (!json_is_text(name, "SHUTDOWN")) return;
    struct span reason = json_member(json_member(line, "data"), "reason");
    if (reason.at) json_text(reason, monitor->shutdown_reason, sizeof(monitor->shutdown_reason));
}

static const struct qmp_events QMP_EVENTS = {
    .script_done = on_script_done, .script_failed = on_script_failed, .event = on_event};

/* ---- what the guest says ---- */

static void on_ready(struct guest *guest) {
    struct monitor *monitor = container_of(guest, struct monitor, guest);
    monitor->is_ready = true;
    look_whether_ready(monitor);
}

static void on_question(struct guest *guest, uint16_t id, bool by_tcp, const uint8_t *message, size_t length) {
    struct monitor *monitor = container_of(guest, struct monitor, guest);
    names_ask(&monitor->names, id, by_tcp, message, length);
}

static void on_out_of_memory(struct guest *guest) {
    machine_ran_out_of_memory(container_of(guest, struct monitor, guest));
}

static void on_broken(struct guest *guest, const char *why) {
    struct monitor *monitor = container_of(guest, struct monitor, guest);
    snprintf(monitor->broken, sizeof(monitor->broken), "%s", why);
    machine_kill(monitor);
}

/* What it dies of is in its other channels, which it closes in its own time, but not in any. */
static void on_closed(struct guest *guest) {
    monitor_set_timer(container_of(guest, struct monitor, guest), CLOSED_MILLISECONDS);
}

static const struct guest_events GUEST_EVENTS = {.ready = on_ready,
                                                 .question = on_question,
                                                 .out_of_memory = on_out_of_memory,
                                                 .broken = on_broken,
                                                 .closed = on_closed};

/* ---- a machine ---- */

static int listen_to_computer(struct monitor *monitor, struct qemu_ends *ends) {
    int in = monitor->terminal >= 0 ? monitor->terminal : STDIN_FILENO;
    int out = monitor->terminal >= 0 ? monitor->terminal : STDOUT_FILENO;
    int result = console_open(&monitor->serial, &monitor->loop, take_fd(&ends->agent), in, out, &monitor->console);
    if (agent_port_open(&monitor->agent_port, &monitor->loop, take_fd(&ends->guest_agent), computer_agent_free) < 0) {
        return -1;
    }
    return result;
}

static int listen_to(struct monitor *monitor, struct qemu_ends *ends) {
    int result = words_open(&monitor->console, &monitor->loop, take_fd(&ends->console));
    if (words_open(&monitor->words, &monitor->loop, take_fd(&ends->words)) < 0) result = -1;
    if (qmp_open(&monitor->qmp, &monitor->loop, take_fd(&ends->qmp), machine_of(monitor), &QMP_EVENTS) < 0) result = -1;
    if (monitor->plan.is_computer) return listen_to_computer(monitor, ends) < 0 ? -1 : result;
    if (guest_open(&monitor->guest, &monitor->loop, take_fd(&ends->agent), &GUEST_EVENTS) < 0) result = -1;
    return result;
}

static int start_machine(struct monitor *monitor, struct failure *why) {
    const struct qemu_start start = {.machine = machine_of(monitor),
                                     .is_computer = monitor->plan.is_computer,
                                     .confinement = {.user_namespace = monitor->user_namespace,
                                                     .owner = monitor->plan.uid_base,
                                                     .scratch = monitor->scratch},
                                     .taps = monitor->taps,
                                     .tap_count = monitor->plan.taps.count};
    struct qemu_ends ends;
    struct qemu_processes processes;
    monitor->ready_awaited = monitor->is_ready = monitor->has_failed = false;
    monitor->broken[0] = monitor->shutdown_reason[0] = 0;
    monitor->started_at = microseconds();
    if (qemu_start(&start, &ends, &processes, why) < 0) return -1;
    monitor->qemu = processes.qemu;
    monitor->file_server = processes.file_server;
    if (listen_to(monitor, &ends) < 0) {
        fail_errno(why, "QEMU cannot be listened to");
        boot_give_up(monitor, why);
        return 0; /* it is decided when QEMU has gone */
    }
    if (state_write(monitor->folder, getpid(), monitor->qemu, &monitor->plan, why) < 0) {
        boot_give_up(monitor, why);
        return 0;
    }
    monitor_set_timer(monitor, start.machine->boot_timeout);
    qmp_begin(&monitor->qmp);
    return 0;
}

/* False when it was the last one. */
static bool pass_over(struct monitor *monitor, const struct failure *why) {
    if (monitor->machine + 1 >= monitor->plan.machine_count) return false;
    monitor->passed_over[monitor->machine++] = *why;
    runtime_log(monitor->log, "warning", why->message);
    return true;
}

int boot_begin(struct monitor *monitor, struct failure *why) {
    while (start_machine(monitor, why) < 0) {
        if (!pass_over(monitor, why)) return -1;
    }
    return 0;
}

void boot_give_up(struct monitor *monitor, const struct failure *why) {
    if (!monitor->has_failed) monitor->failure = *why;
    monitor->has_failed = true;
    machine_kill(monitor);
}

static void explain_end(struct monitor *monitor, struct failure *why) {
    char words[512];
    char console[512];
    words_text(&monitor->words, words, sizeof(words));
    console_text(&monitor->console, console, sizeof(console));
    const char *last = words[0] ? words : console;
    fail(why, FAILURE_INTERNAL, "the virtual machine ended before it had booted%s%s%s%s", monitor->broken[0] ? ": " : "",
         monitor->broken, last[0] ? ": " : "", last);
}

void boot_ended(struct monitor *monitor) {
    struct failure why = monitor->failure;
    if (!monitor->has_failed) explain_end(monitor, &why);
    if (pass_over(monitor, &why) && boot_begin(monitor, &why) == 0) return;
    machine_fail(monitor, &why);
}
