#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "runtime-log.h"

/* Descriptors that we were given beside the streams are for whoever executes the process: they end with that. */
static void become(char **arguments, int report) {
    if (report != LAUNCH_REPORT && dup2(report, LAUNCH_REPORT) < 0) _exit(126);
    if (set_inheritable(LAUNCH_REPORT) < 0) _exit(126);
    syscall(SYS_close_range, LAUNCH_REPORT + 1, ~0u, 0);
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static void complain(const struct options *options, const char *what) {
    char message[256];
    AUTO_CLOSE log = runtime_log_open(options->log);
    snprintf(message, sizeof(message), "%s: %s", what, strerror(errno));
    runtime_log(log, "error", message);
}

static int write_pid(const struct options *options, pid_t pid) {
    char text[16];
    if (!options->pid_file) return 0;
    int length = snprintf(text, sizeof(text), "%d", (int)pid);
    AUTO_CLOSE file = open(options->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return file < 0 ? -1 : write_all(file, text, (size_t)length);
}

int launch(const struct options *options, char **arguments, const char *command) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        complain(options, "no pipe");
        return -1;
    }
    AUTO_CLOSE reader = ends[0];
    AUTO_CLOSE writer = ends[1];
    for (char **word = arguments; *word; word++) {
        if (*word == options->command) *word = (char *)(uintptr_t)command;
    }
    pid_t pid = fork();
    if (pid == 0) become(arguments, writer);
    close_fd(&writer);
    char byte;
    if (pid < 0) complain(options, "no process");
    else if (RETRY(read(reader, &byte, 1)) == 1) {
        if (write_pid(options, pid) == 0) return 0;
        complain(options, "the pid file");
        kill(pid, SIGKILL);
        RETRY(waitpid(pid, NULL, 0));
    } else RETRY(waitpid(pid, NULL, 0));
    return -1;
}
