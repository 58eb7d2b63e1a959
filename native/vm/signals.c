/* Every signal that can be caught is the guest's process's; two are the monitor's own. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/io.h"
#include "monitor.h"
#include "terminal.h"

static void resize(struct monitor *monitor) {
    uint16_t rows;
    uint16_t columns;
    if (monitor->terminal < 0 || !monitor->init) return;
    if (terminal_size(monitor->terminal, &rows, &columns) == 0) process_resize(monitor->init, rows, columns);
}

static void take_signal(struct monitor *monitor, const struct signalfd_siginfo *signal) {
    int number = (int)signal->ssi_signo;
    if (number == SIGCHLD) {
        machine_reaped(monitor);
        return;
    }
    if (number == SIGWINCH && monitor->terminal >= 0) {
        resize(monitor);
        return;
    }
    /* Our own write into a pipe that nobody reads is nobody's signal. */
    if (signal->ssi_pid == (uint32_t)getpid()) return;
    if (monitor->plan.is_computer) computer_signal(monitor, number);
    if (monitor->init && monitor->init->started) process_signal(monitor->init, number);
}

static void on_signal(struct watch *watch, uint32_t events) {
    (void)events;
    struct signalfd_siginfo signal;
    if (RETRY(read(watch->fd, &signal, sizeof(signal))) == (ssize_t)sizeof(signal)) {
        take_signal(container_of(watch, struct monitor, signals), &signal);
    }
}

int signals_open(struct monitor *monitor, struct failure *why) {
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0) return fail_errno(why, "signals");
    monitor->signals = (struct watch){.fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
    if (monitor->signals.fd < 0 || loop_watch(&monitor->loop, &monitor->signals, EPOLLIN) < 0) {
        return fail_errno(why, "signals");
    }
    return 0;
}
