#include "oom.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"

/* The path behind the controllers of a /proc/PID/cgroup line "ID:CONTROLLERS:PATH", if they are `wanted`. */
static const char *path_of(char *line, const char *wanted) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return NULL;
    *path = 0;
    controllers++;
    for (char *name = strtok(controllers, ","); name; name = strtok(NULL, ",")) {
        if (strcmp(name, wanted) == 0) return path + 1;
    }
    return *wanted == 0 && *controllers == 0 ? path + 1 : NULL;
}

/* The cgroup path of a process in the hierarchy with `controller` ("" is v2). */
static char *cgroup_of(const char *process, const char *controller) {
    char name[64];
    snprintf(name, sizeof(name), "/proc/%s/cgroup", process);
    FILE *file = fopen(name, "re");
    if (!file) return NULL;
    char *line = NULL;
    size_t capacity = 0;
    char *found = NULL;
    while (!found && getline(&line, &capacity, file) > 0) {
        const char *path = path_of(line, controller);
        if (path) found = strdup(path);
    }
    free(line);
    fclose(file);
    return found;
}

/* The container's own cgroup, or NULL: the one that we are in ourselves says nothing about the container. */
static char *own_cgroup(pid_t pid, const char *controller) {
    char process[16];
    snprintf(process, sizeof(process), "%d", (int)pid);
    char *theirs = cgroup_of(process, controller);
    AUTO_TEXT ours = cgroup_of("self", controller);
    if (theirs && ours && strcmp(theirs, ours) != 0) return theirs;
    free(theirs);
    return NULL;
}

static int open_counter(pid_t pid, const char *controller, const char *mount_point, const char *file) {
    AUTO_TEXT cgroup = own_cgroup(pid, controller);
    AUTO_TEXT path = NULL;
    if (!cgroup || asprintf(&path, "%s%s/%s", mount_point, cgroup, file) < 0) return -1;
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The line "oom_kill N", which memory.oom_control (v1) and memory.events (v2) share. */
static uint64_t read_counter(int file) {
    char text[1024];
    ssize_t count = pread(file, text, sizeof(text) - 1, 0);
    if (count <= 0) return 0;
    text[count] = 0;
    const char *line = strstr(text, "oom_kill ");
    return line ? strtoull(line + 9, NULL, 10) : 0;
}

void oom_open(struct oom_counter *counter, pid_t pid) {
    counter->file = open_counter(pid, "memory", "/sys/fs/cgroup/memory", "memory.oom_control");
    if (counter->file < 0) counter->file = open_counter(pid, "", "/sys/fs/cgroup", "memory.events");
}

bool oom_close(struct oom_counter *counter) {
    if (counter->file < 0) return false;
    bool killed = read_counter(counter->file) > 0;
    close_fd(&counter->file);
    return killed;
}
