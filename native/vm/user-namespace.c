#include "user-namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "machine-plan.h"

static int write_map(pid_t pid, const char *name, uid_t base) {
    char path[48];
    char map[48];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int length = snprintf(map, sizeof(map), "0 %u %u\n", (unsigned)base, VM_ID_COUNT);
    AUTO_CLOSE file = open(path, O_WRONLY | O_CLOEXEC);
    return file < 0 ? -1 : write_all(file, map, (size_t)length);
}

/* The namespace lives as long as a process or a descriptor is in it: a process that waits lends it to us. */
int user_namespace_make(uid_t base, struct failure *why) {
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid < 0) return fail_errno(why, "no user namespace");
    if (pid == 0) {
        for (;;) pause();
    }
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    AUTO_CLOSE namespace = open(path, O_RDONLY | O_CLOEXEC);
    int mapped = namespace < 0 ? -1 : write_map(pid, "uid_map", base);
    if (mapped == 0) mapped = write_map(pid, "gid_map", base);
    if (mapped < 0) fail_errno(why, "the user namespace of the machine");
    kill(pid, SIGKILL);
    RETRY(waitpid(pid, NULL, 0));
    return mapped < 0 ? -1 : take_fd(&namespace);
}
