#include "oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/vm-plan.h"
#include "mountinfo.h"

/* One of the two kinds of hierarchy that account for memory. */
struct hierarchy {
    const char *type;
    const char *controller; /* "" is v2, which has no name in /proc/PID/cgroup */
    const char *events;     /* both have a line "oom_kill N" */
    const char *peak;       /* v2: since Linux 5.19 */
    const char *limit;
};

static const struct hierarchy DIVIDED = {.type = "cgroup",
                                         .controller = "memory",
                                         .events = "memory.oom_control",
                                         .peak = "memory.max_usage_in_bytes",
                                         .limit = "memory.limit_in_bytes"};
static const struct hierarchy UNIFIED = {.type = "cgroup2",
                                         .controller = "",
                                         .events = "memory.events",
                                         .peak = "memory.peak",
                                         .limit = "memory.max"};

/* v1 has no word for "no limit": what no machine has is none (the kernel's PAGE_COUNTER_MAX in bytes). */
#define NO_LIMIT (UINT64_C(1) << 62)

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

/*
 * The container's own cgroup, or NULL: the one that we are in ourselves says nothing about the container, nor does the
 * root, which a process that has ended is shown in.
 */
static char *own_cgroup(pid_t pid, const char *controller) {
    char process[16];
    snprintf(process, sizeof(process), "%d", (int)pid);
    char *theirs = cgroup_of(process, controller);
    AUTO_TEXT ours = cgroup_of("self", controller);
    if (theirs && ours && strcmp(theirs, ours) != 0 && strcmp(theirs, "/") != 0) return theirs;
    free(theirs);
    return NULL;
}

/* What of `cgroup` is below a mount that shows `root` of its hierarchy only; NULL when it does not show it. */
static const char *below(const char *cgroup, const char *root) {
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    return strncmp(cgroup, root, length) == 0 && cgroup[length] == '/' ? cgroup + length : NULL;
}

/* The cgroup's folder in the first mount of the hierarchy that shows it; a root of v2 without memory accounts is none. */
static int open_below_mount(const struct hierarchy *hierarchy, const char *cgroup) {
    struct mountinfo info;
    struct mount_line mount;
    AUTO_CLOSE folder = -1;
    if (mountinfo_open(&info) < 0) return -1;
    while (folder < 0 && mountinfo_next(&info, &mount)) {
        const char *path = below(cgroup, mount.root);
        AUTO_TEXT name = NULL;
        bool fits = strcmp(mount.type, hierarchy->type) == 0 &&
                    (*hierarchy->controller == 0 || has_word(mount.options, hierarchy->controller));
        if (!fits || !path || asprintf(&name, "%s%s", mount.point, path) < 0) continue;
        folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder >= 0 && faccessat(folder, hierarchy->events, R_OK, 0) < 0) close_fd(&folder);
    }
    mountinfo_close(&info);
    return take_fd(&folder);
}

static int open_cgroup(const struct hierarchy *hierarchy, pid_t pid) {
    AUTO_TEXT cgroup = own_cgroup(pid, hierarchy->controller);
    return cgroup ? open_below_mount(hierarchy, cgroup) : -1;
}

/* The number behind `key` in a file of the cgroup; 0 where there is none. */
static uint64_t read_number(int folder, const char *name, const char *key) {
    char text[1024];
    AUTO_CLOSE file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    if (count <= 0) return 0;
    text[count] = 0;
    const char *found = strstr(text, key);
    return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

void oom_open(struct oom_counter *counter, pid_t pid) {
    counter->unified = false;
    counter->folder = open_cgroup(&DIVIDED, pid);
    if (counter->folder >= 0) return;
    counter->unified = true;
    counter->folder = open_cgroup(&UNIFIED, pid);
}

/* A container with a kernel of its own has accounts of its own: its runtime says so. We are in the bundle. */
static bool runtime_says_so(void) {
    char byte = 0;
    AUTO_CLOSE file = open(VM_OUT_OF_MEMORY_FILE, O_RDONLY | O_CLOEXEC);
    return file >= 0 && RETRY(read(file, &byte, 1)) == 1 && byte == '1';
}

struct memory_end oom_close(struct oom_counter *counter) {
    if (counter->folder < 0) return (struct memory_end){.oom_killed = runtime_says_so()};
    const struct hierarchy *hierarchy = counter->unified ? &UNIFIED : &DIVIDED;
    uint64_t limit = read_number(counter->folder, hierarchy->limit, "");
    struct memory_end end = {.oom_killed = runtime_says_so() ||
                                          read_number(counter->folder, hierarchy->events, "oom_kill ") > 0,
                             .peak = read_number(counter->folder, hierarchy->peak, ""),
                             .limit = limit < NO_LIMIT ? limit : 0};
    close_fd(&counter->folder);
    return end;
}
