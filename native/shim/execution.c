#include "execution.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"

/* Of the kernel's include/linux/sched.h, which proc(5) refers to. */
#define PF_EXITING 0x00000004u
#define PF_FORKNOEXEC 0x00000040u

enum execution execution_parse(const char *stat) {
    /* The name may have spaces and parentheses itself. */
    const char *after_name = strrchr(stat, ')');
    unsigned flags;
    if (!after_name || sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1) return EXECUTION_DONE;
    if (!(flags & PF_FORKNOEXEC)) return EXECUTION_DONE;
    return flags & PF_EXITING ? EXECUTION_MISSED : EXECUTION_AHEAD;
}

enum execution execution_of(pid_t pid) {
    char path[32];
    char line[512] = {0};
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || RETRY(read(file, line, sizeof(line) - 1)) <= 0) return EXECUTION_DONE;
    return execution_parse(line);
}
