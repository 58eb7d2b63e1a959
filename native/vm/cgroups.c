#include "cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"

#define PROCS "cgroup.procs"

static int write_file(const char *folder, const char *name, const char *value) {
    AUTO_TEXT path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) return -1;
    AUTO_CLOSE file = open(path, O_WRONLY | O_CLOEXEC);
    return file < 0 ? -1 : write_all(file, value, strlen(value));
}

/* In v2 a controller is there when the folder above gives it on; where it does not, the setting's own file is missing. */
static void give_controllers_on(const char *parent) {
    static const char *const CONTROLLERS[] = {"+cpu", "+memory", "+pids", "+io", "+cpuset"};
    for (size_t index = 0; index < sizeof(CONTROLLERS) / sizeof(*CONTROLLERS); index++) {
        write_file(parent, "cgroup.subtree_control", CONTROLLERS[index]);
    }
}

static int make_folder(const char *path) {
    AUTO_TEXT part = strdup(path);
    if (!part) return -1;
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash) *slash = 0;
        bool made = mkdir(part, 0755) == 0;
        if (!made && errno != EEXIST && errno != EROFS) return -1;
        if (!slash) return 0;
        give_controllers_on(part);
        *slash = '/';
    }
}

static int prepare(const struct cgroup_plan *cgroup, struct failure *why) {
    if (make_folder(cgroup->folder) < 0) return fail_errno(why, "the control group %s", cgroup->folder);
    for (size_t index = 0; index < cgroup->setting_count; index++) {
        const struct setting_plan *setting = &cgroup->settings[index];
        if (write_file(cgroup->folder, setting->file, setting->value) < 0) {
            return fail_errno(why, "the control group %s refuses %s in %s", cgroup->folder, setting->value,
                              setting->file);
        }
    }
    return 0;
}

int cgroups_join(const struct vm_plan *plan, struct failure *why) {
    for (size_t index = 0; index < plan->cgroup_count; index++) {
        const struct cgroup_plan *cgroup = &plan->cgroups[index];
        if (prepare(cgroup, why) < 0) return -1;
        if (write_file(cgroup->folder, PROCS, "0") < 0) return fail_errno(why, "joining %s", cgroup->folder);
    }
    return 0;
}

/* Kills one process and waits for its end; false when there is none, or it is not to be had. */
static bool end_one(const char *folder) {
    char line[32] = {0};
    AUTO_TEXT path = NULL;
    if (asprintf(&path, "%s/" PROCS, folder) < 0) return false;
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || RETRY(read(file, line, sizeof(line) - 1)) <= 0) return false;
    pid_t pid = (pid_t)strtol(line, NULL, 10);
    AUTO_CLOSE process = pid > 0 && pid != getpid() ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (process < 0 || syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0) < 0) return false;
    struct pollfd end = {.fd = process, .events = POLLIN};
    return RETRY(poll(&end, 1, -1)) == 1;
}

int cgroup_remove(const char *folder, struct failure *why) {
    while (rmdir(folder) < 0) {
        if (errno == ENOENT) return 0;
        if (errno != EBUSY || !end_one(folder)) return fail_errno(why, "the control group %s stays", folder);
    }
    return 0;
}
