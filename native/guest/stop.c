#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "boot.h"
#include "common/io.h"

/* How long PID 1 may live on after a signal that it cannot receive, before others get it (milliseconds). */
#define GRACE 100

static bool has_signal(const char *status, const char *name, int signal) {
    const char *line = strstr(status, name);
    return line && (strtoull(line + strlen(name), NULL, 16) >> (signal - 1) & 1);
}

bool is_dropped(const char *status, const char *syscall, int signal) {
    static const char *const MASKS[] = {"SigCgt:", "SigIgn:", "SigBlk:"};
    for (size_t index = 0; index < sizeof(MASKS) / sizeof(*MASKS); index++) {
        if (has_signal(status, MASKS[index], signal)) return false;
    }
    /* Who waits for signals shows them in none of the masks meanwhile. */
    return strtol(syscall, NULL, 10) != SYS_rt_sigtimedwait;
}

static bool read_text(const char *path, char *text, size_t size) {
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : RETRY(read(file, text, size - 1));
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

static bool cannot_receive(pid_t pid, int signal) {
    char path[64], status[4096], syscall[256];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (!read_text(path, status, sizeof(status))) return false;
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
    read_text(path, syscall, sizeof(syscall)); /* "running" has no number */
    return is_dropped(status, syscall, signal);
}

/* What a probe starts is in the session that the probe leads. */
static bool is_of_probe(struct guest *guest, pid_t pid) {
    const struct process *leader = process_of_pid(guest, getsid(pid));
    return leader && leader->is_probe;
}

static bool is_ours(struct guest *guest, pid_t pid) {
    const struct process *process = process_of_pid(guest, pid);
    return (process && (process->is_main || process->is_worker)) || is_of_probe(guest, pid);
}

/* Signals all processes but the first one, workers and health checks; how many there were. */
static int signal_others(struct guest *guest, int signal) {
    FILE *list = fopen(PROCESSES_CGROUP "/cgroup.procs", "re");
    int pid, count = 0;
    if (!list) return 0;
    while (fscanf(list, "%d", &pid) == 1) {
        if (!is_ours(guest, pid) && kill(pid, signal) == 0) count++;
    }
    fclose(list);
    return count;
}

static void on_grace(struct watch *watch, uint32_t events) {
    struct process *process = container_of(watch, struct process, grace);
    (void)events;
    loop_close(&process->guest->loop, watch);
    if (process->ended || signal_others(process->guest, process->stop_signal) > 0) return;
    kill(process->pid, SIGKILL);
}

static int begin_grace(struct process *process) {
    struct itimerspec once = {.it_value = {.tv_nsec = GRACE * 1000000L}};
    loop_close(&process->guest->loop, &process->grace);
    process->grace = (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .ready = on_grace};
    if (process->grace.fd < 0 || timerfd_settime(process->grace.fd, 0, &once, NULL) < 0) return -1;
    return loop_watch(&process->guest->loop, &process->grace, EPOLLIN);
}

int stop_processes(struct process *process, struct failure *why) {
    bool is_lost = process->stop_signal != SIGKILL && cannot_receive(process->pid, process->stop_signal);
    if (kill(process->pid, process->stop_signal) < 0) return fail_errno(why, "the signal %d", process->stop_signal);
    return is_lost && begin_grace(process) < 0 ? fail_errno(why, "the stop's timer") : 0;
}
