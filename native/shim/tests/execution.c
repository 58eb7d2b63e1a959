/* Of a process: whether it is what was executed, or a copy of its parent. */
#include "shim/execution.h"

#include <sys/wait.h>
#include <unistd.h>

#include "testing/check.h"

/* A child that ends at once, or executes `program` first; not reaped yet. */
static pid_t ended_child(const char *program) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (program) execl(program, program, (char *)NULL);
        _exit(1);
    }
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
    return pid;
}

static enum execution of_ended(const char *program) {
    pid_t pid = ended_child(program);
    enum execution execution = execution_of(pid);
    CHECK(waitpid(pid, NULL, 0) == pid);
    return execution;
}

static enum execution of_living_copy(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    enum execution execution = execution_of(pid);
    close(ends[0]);
    close(ends[1]);
    CHECK(waitpid(pid, NULL, 0) == pid);
    return execution;
}

int main(void) {
    CHECK(execution_of(getpid()) == EXECUTION_DONE);
    CHECK(of_living_copy() == EXECUTION_AHEAD);
    CHECK(of_ended(NULL) == EXECUTION_MISSED);
    CHECK(of_ended("/no/such/program") == EXECUTION_MISSED);
    CHECK(of_ended("/bin/true") == EXECUTION_DONE);

    CHECK(execution_parse("7 (a) R 1) Z 1 7 7 0 -1 4194636 78 0") == EXECUTION_MISSED);
    CHECK(execution_parse("7 (crun) S 1 7 7 0 -1 4194624 78 0") == EXECUTION_AHEAD);
    CHECK(execution_parse("7 (sh) S 1 7 7 0 -1 4194560 78 0") == EXECUTION_DONE);
    CHECK(execution_parse("7 (sh) S 1") == EXECUTION_DONE);
    CHECK(execution_parse("") == EXECUTION_DONE);
    return 0;
}
