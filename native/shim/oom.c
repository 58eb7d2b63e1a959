#include "oom.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "mountinfo.h"

/* One of the two kinds of hierarchy that count OOM kills. */
struct hierarchy {
    const char *type;
    const char *controller; /* "" is v2, which has no name in /proc/PID/cgroup */
    const char *file;       /* both have a line "oom_kill N" */
};

static const struct hierarchy HIERARCHIES[] = {
    {.type = "cgroup", .controller = "memory", .file = "memory.oom_control"},
    {.type = "cgroup2", .controller = "", .file = "memory.events"},
};

static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0)) return true;
    }
    return false;
}

/* The path in a line "ID:CONTROLLERS:PATH" of /proc/PID/cgroup, if it is about this controller. */
static const char *path_of(char *line, const char *controller) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return NULL;
    *path = 0;
    return has_word(controllers + 1, controller) ? path + 1 : NULL;
}

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

/* What of `cgroup` is below a mount that shows `root` of its hierarchy only; NULL when it does not show it. */
static const char *below(const char *cgroup, const char *root) {
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    return strncmp(cgroup, root, length) == 0 && cgroup[length] == '/' ? cgroup + length : NULL;
}

/* The counter's file in the first mount of the hierarchy that shows the cgroup. */
static int open_below_mount(const struct hierarchy *hierarchy, const char *cgroup) {
    struct mountinfo info;
    struct mount_line mount;
    AUTO_CLOSE file = -1;
    if (mountinfo_open(&info) < 0) return -1;
    while (file < 0 && mountinfo_next(&info, &mount)) {
        const char *path = below(cgroup, mount.root);
        AUTO_TEXT name = NULL;
        bool fits = strcmp(mount.type, hierarchy->type) == 0 &&
                    (*hierarchy->controller == 0 || has_word(mount.options, hierarchy->controller));
        if (!fits || !path || asprintf(&name, "%s%s/%s", mount.point, path, hierarchy->file) < 0) continue;
        file = open(name, O_RDONLY | O_CLOEXEC);
    }
    mountinfo_close(&info);
    return take_fd(&file);
}

/* 0 where the kernel does not count. */
static uint64_t read_counter(int file) {
    char text[1024];
    ssize_t count = pread(file, text, sizeof(text) - 1, 0);
    if (count <= 0) return 0;
    text[count] = 0;
    const char *line = strstr(text, "oom_kill ");
    return line ? strtoull(line + strlen("oom_kill "), NULL, 10) : 0;
}

void oom_open(struct oom_counter *counter, pid_t pid) {
    counter->file = -1;
    for (size_t index = 0; index < sizeof(HIERARCHIES) / sizeof(*HIERARCHIES) && counter->file < 0; index++) {
        AUTO_TEXT cgroup = own_cgroup(pid, HIERARCHIES[index].controller);
        if (cgroup) counter->file = open_below_mount(&HIERARCHIES[index], cgroup);
    }
}

bool oom_close(struct oom_counter *counter) {
    if (counter->file < 0) return false;
    bool killed = read_counter(counter->file) > 0;
    close_fd(&counter->file);
    return killed;
}
