#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define EXIT_SIGNAL 128

/* Errors of our own stay what they are; the rest waits until it is passed on. */
static void block_passed_on(sigset_t *before) {
    static const int own[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t passed_on;
    sigfillset(&passed_on);
    for (size_t index = 0; index < sizeof(own) / sizeof(*own); index++) sigdelset(&passed_on, own[index]);
    sigprocmask(SIG_SETMASK, &passed_on, before);
}

/* A process group of its own in the foreground: the terminal's Ctrl-C reaches the command once, not twice. */
static void take_terminal(void) {
    setpgid(0, 0);
    /* SIGTTOU is still blocked, so a background group may do this; without a terminal it fails, and need not work. */
    (void)tcsetpgrp(STDIN_FILENO, getpgrp());
}

_Noreturn static void execute(char *const command[], const sigset_t *mask) {
    take_terminal();
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(command[0], command);
    int reason = errno;
    fprintf(stderr, "exec: \"%s\": %s\n", command[0], strerror(reason));
    _exit(reason == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* Reaps all that have ended; true when the command, whose status this then is, was among them. */
static int reap(pid_t command, int *status) {
    int found = 0;
    int ended;
    pid_t pid;
    while ((pid = waitpid(-1, &ended, WNOHANG)) > 0) {
        if (pid != command) continue;
        *status = ended;
        found = 1;
    }
    return found;
}

int init_run(char *const command[]) {
    sigset_t before;
    block_passed_on(&before);
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "the init cannot fork: %s\n", strerror(errno));
        return EXIT_NOT_EXECUTABLE;
    }
    if (pid == 0) execute(command, &before);

    sigset_t all;
    sigfillset(&all);
    int status;
    for (;;) {
        int number = sigwaitinfo(&all, NULL);
        if (number < 0) continue; /* interrupted by a stop and continuation */
        if (number != SIGCHLD) kill(pid, number);
        else if (reap(pid, &status)) break;
    }
    return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}
