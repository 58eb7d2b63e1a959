#include "init/init.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/check.h"

/* Starts an init for a shell script as a subreaper, which stands for PID 1; `out` is the script's standard output. */
static pid_t start(const char *script, int *out) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
        CHECK(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        char *command[] = {"sh", "-c", (char *)script, NULL};
        _exit(init_run(command));
    }
    close(ends[1]);
    *out = ends[0];
    return pid;
}

static int end_of(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int code_of(const char *script) {
    int out;
    int code = end_of(start(script, &out));
    close(out);
    return code;
}

static void the_exit_code_is_the_commands(void) {
    CHECK(code_of("exit 0") == 0);
    CHECK(code_of("exit 7") == 7);
    CHECK(code_of("kill -KILL $$") == 128 + SIGKILL);
}

static void a_command_that_is_not_there_is_told(void) {
    char *missing[] = {"/no/such/program", NULL};
    char *folder[] = {"/", NULL};
    pid_t pid = fork();
    if (pid == 0) _exit(init_run(missing));
    CHECK(end_of(pid) == 127);
    pid = fork();
    if (pid == 0) _exit(init_run(folder));
    CHECK(end_of(pid) == 126);
}

static void signals_reach_the_command(void) {
    int out;
    pid_t pid = start("trap 'exit 9' USR1; echo; while :; do sleep 0.01; done", &out);
    char line;
    CHECK(read(out, &line, 1) == 1); /* the trap is set */
    CHECK(kill(pid, SIGUSR1) == 0);
    CHECK(end_of(pid) == 9);
    close(out);
}

static void the_command_has_the_signals_it_would_have_without_an_init(void) {
    CHECK(code_of("kill -TERM $$; exit 0") == 128 + SIGTERM);
}

/* An orphan that ended is reaped while the command still runs: no process has the init as parent and is a zombie. */
static void orphans_are_reaped(void) {
    const char *script =
        "orphan=$( (sh -c 'exec >/dev/null; exit 0' & echo $!) );"
        "while grep -q . /proc/$orphan/stat 2>/dev/null; do sleep 0.01; done; exit 4";
    CHECK(code_of(script) == 4);
}

int main(void) {
    the_exit_code_is_the_commands();
    a_command_that_is_not_there_is_told();
    signals_reach_the_command();
    the_command_has_the_signals_it_would_have_without_an_init();
    orphans_are_reaped();
    return 0;
}
