#include "state-folder.h"

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

#include "cgroups.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/vm-plan.h"

#define STATE_FILE "state"
#define STATE_MAX (64u * 1024)

enum state_file_tag { STATE_MONITOR = 1, STATE_QEMU = 2, STATE_CGROUP = 3 };

/* A process by its number and start, which no later process of the same number shares. Fields of both tags. */
struct identity {
    pid_t pid;
    uint64_t start;
};

static int make_folders(const char *path) {
    char part[4096];
    if (strlen(path) >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(part, path);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST) return -1;
        *at = '/';
    }
    return mkdir(part, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

static int open_root(const char *root, struct failure *why) {
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? fail_errno(why, "the runtime's folder %s", root) : folder;
}

int state_create(const char *root, const char *id, struct failure *why) {
    if (make_folders(root) < 0) return fail_errno(why, "the runtime's folder %s", root);
    AUTO_CLOSE parent = open_root(root, why);
    if (parent < 0) return -1;
    if (mkdirat(parent, id, 0700) < 0) {
        if (errno == EEXIST) return fail(why, FAILURE_CONFLICT, "the virtual machine %s exists already", id);
        return fail_errno(why, "the folder of the virtual machine %s", id);
    }
    AUTO_CLOSE folder = openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || mkdirat(folder, STATE_ROOT, 0700) < 0) return fail_errno(why, "the folder of the machine");
    return take_fd(&folder);
}

int state_open(const char *root, const char *id, struct failure *why) {
    AUTO_CLOSE parent = open_root(root, why);
    int folder = parent < 0 ? -1 : openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) return folder;
    return fail(why, FAILURE_NOT_FOUND, "there is no virtual machine %s", id);
}

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
static uint64_t start_of(pid_t pid) {
    char path[32];
    char line[1024] = {0};
    unsigned long long start = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || RETRY(read(file, line, sizeof(line) - 1)) <= 0) return 0;
    const char *after_name = strrchr(line, ')');
    if (!after_name) return 0;
    sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
    return start;
}

static int append_identity(struct buffer *out, uint16_t tag, pid_t pid) {
    AUTO_BUFFER fields = {0};
    if (field_append_number(&fields, 1, (uint64_t)pid) < 0 || field_append_number(&fields, 2, start_of(pid)) < 0) {
        return -1;
    }
    return field_append(out, tag, fields.data, fields.length);
}

int state_write(int folder, pid_t monitor, pid_t qemu, const struct vm_plan *plan, struct failure *why) {
    AUTO_BUFFER content = {0};
    int result = append_identity(&content, STATE_MONITOR, monitor);
    if (result == 0 && qemu > 0) result = append_identity(&content, STATE_QEMU, qemu);
    for (size_t index = 0; result == 0 && index < plan->cgroup_count; index++) {
        result = field_append_text(&content, STATE_CGROUP, plan->cgroups[index].folder);
    }
    AUTO_CLOSE file = openat(folder, STATE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (result < 0 || file < 0 || write_all(file, content.data, content.length) < 0) {
        return fail_errno(why, "the state of the machine cannot be written");
    }
    return 0;
}

/* ---- delete ---- */

static bool read_identity(const struct field *field, struct identity *identity) {
    size_t at = 0;
    uint64_t pid = 0;
    struct field part;
    *identity = (struct identity){0};
    while (field_next(field->value, field->length, &at, &part) == FIELD_NEXT) {
        if (part.tag == 1 && field_number(&part, &pid) && pid <= INT32_MAX) identity->pid = (pid_t)pid;
        if (part.tag == 2) field_number(&part, &identity->start);
    }
    return identity->pid > 0;
}

/* Kills it unless it has ended, and waits until it has. */
static void end_process(const struct identity *identity) {
    AUTO_CLOSE process = (int)syscall(SYS_pidfd_open, identity->pid, 0);
    if (process < 0 || start_of(identity->pid) != identity->start) return;
    syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
    struct pollfd end = {.fd = process, .events = POLLIN};
    RETRY(poll(&end, 1, -1));
}

static bool runs(const struct identity *identity) {
    AUTO_CLOSE process = (int)syscall(SYS_pidfd_open, identity->pid, 0);
    if (process < 0 || start_of(identity->pid) != identity->start) return false;
    struct pollfd end = {.fd = process, .events = POLLIN};
    return poll(&end, 1, 0) == 0;
}

static int end_and_remove(const struct buffer *content, bool force, const char *id, struct failure *why) {
    size_t at = 0;
    struct field field;
    while (field_next(content->data, content->length, &at, &field) == FIELD_NEXT) {
        struct identity identity;
        if (field.tag == STATE_CGROUP) {
            AUTO_TEXT path = field_text(&field);
            if (path && cgroup_remove(path, why) < 0) return -1;
        } else if (read_identity(&field, &identity)) {
            if (!force && runs(&identity)) {
                return fail(why, FAILURE_CONFLICT, "the virtual machine %s runs: stop it first, or use --force", id);
            }
            end_process(&identity);
        }
    }
    return 0;
}

int state_delete(const char *root, const char *id, bool force, struct failure *why) {
    AUTO_CLOSE folder = state_open(root, id, why);
    if (folder < 0) return -1;
    AUTO_BUFFER content = {0};
    AUTO_CLOSE file = openat(folder, STATE_FILE, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read_until_end(file, &content, STATE_MAX) < 0) return fail_errno(why, "the state of %s", id);
    if (end_and_remove(&content, force, id, why) < 0) return -1;
    unlinkat(folder, VM_CONTROL_SOCKET, 0);
    unlinkat(folder, STATE_FILE, 0);
    unlinkat(folder, STATE_ROOT, AT_REMOVEDIR);
    AUTO_CLOSE parent = open_root(root, why);
    if (parent < 0) return -1;
    return unlinkat(parent, id, AT_REMOVEDIR) < 0 ? fail_errno(why, "the folder of the machine %s", id) : 0;
}
