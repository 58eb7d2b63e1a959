/* A machine whose system is the user's: from the end of its script to its own. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "monitor.h"

#define EXIT_OF_A_DEAD_COMPUTER 1

void computer_started(struct monitor *monitor) {
    struct failure why;
    monitor->phase = PHASE_RUNNING;
    monitor_set_timer(monitor, 0); /* the start's */
    monitor->ready_after = monitor->executed_after = microseconds() - monitor->started_at;
    if (machine_give_up_host(monitor, &why) < 0) machine_fail_start(monitor, &why);
    else machine_report_success(monitor);
}

/* ---- the power button ---- */

static void on_pressed(void *context, const struct failure *why, struct span answer) {
    (void)context;
    (void)answer;
    if (why) log_line("the power button: %s", why->message);
}

/* Whether a system listens to it is its own affair: whoever asked waits, and kills us in the end. */
void computer_signal(struct monitor *monitor, int number) {
    if (number != SIGTERM && number != SIGINT && number != SIGPWR) return;
    if (monitor->phase != PHASE_RUNNING) return;
    qmp_do(&monitor->qmp, "{\"execute\":\"system_powerdown\"}", -1, on_pressed, monitor);
}

/* ---- the end ---- */

static void on_finished(struct console *console) {
    struct monitor *monitor = container_of(console, struct monitor, serial);
    monitor->loop.stopped = true;
}

static bool was_switched_off(const struct monitor *monitor, int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && strcmp(monitor->shutdown_reason, "guest-panic") != 0;
}

void computer_ended(struct monitor *monitor, int status) {
    struct failure why;
    char parting[sizeof(why.message) + 16] = "";
    const char *end = monitor->terminal >= 0 ? "\r\n" : "\n";
    monitor->phase = PHASE_ENDING;
    if (!was_switched_off(monitor, status)) {
        machine_explain_death(monitor, status, NULL, &why); /* what its guest said stands before it */
        snprintf(parting, sizeof(parting), "%sberth: %s%s", end, why.message, end);
        monitor->exit_code = EXIT_OF_A_DEAD_COMPUTER;
    }
    console_finish(&monitor->serial, parting, on_finished);
}
