#include "accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "common/frame.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "passwd.h"

#define FILE_MAX (64u * 1024)
/* So many processes at most, with so much of each one's command: an answer fits into a frame whatever they do. */
#define PROCESSES_MAX 4096
#define COMMAND_MAX 4096u

/* The names are what the host asks by; the accounts of a group are those of cgroup-v2. */
static const struct {
    const char *name;
    const char *path;
} FILES[] = {
    {"cpu.stat", PROCESSES_CGROUP "/cpu.stat"},
    {"memory.current", PROCESSES_CGROUP "/memory.current"},
    {"memory.peak", PROCESSES_CGROUP "/memory.peak"},
    {"memory.stat", PROCESSES_CGROUP "/memory.stat"},
    {"memory.events", PROCESSES_CGROUP "/memory.events"},
    {"pids.current", PROCESSES_CGROUP "/pids.current"},
    {"pids.max", PROCESSES_CGROUP "/pids.max"},
    {"io.stat", PROCESSES_CGROUP "/io.stat"},
    {"meminfo", "/proc/meminfo"},
    {"stat", "/proc/stat"},
    {"net/dev", "/proc/net/dev"},
};

static bool read_file(const char *path, struct buffer *out, size_t most) {
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    while (out->length < most) {
        uint8_t *room = buffer_reserve(out, most - out->length);
        ssize_t count = room ? RETRY(read(file, room, most - out->length)) : -1;
        if (count <= 0) break;
        out->length += (size_t)count;
    }
    return true;
}

void append_statistics(struct buffer *payload) {
    for (size_t index = 0; index < sizeof(FILES) / sizeof(*FILES); index++) {
        AUTO_BUFFER content = {0};
        AUTO_BUFFER fields = {0};
        if (!read_file(FILES[index].path, &content, FILE_MAX)) continue;
        field_append_text(&fields, GUEST_FILE_PATH, FILES[index].name);
        field_append(&fields, GUEST_FILE_CONTENT, content.data, content.length);
        field_append(payload, GUEST_TAG_FILE, fields.data, fields.length);
    }
}

/* The name that the root's passwd has for it, else the number. */
static void user_name(uid_t uid, char *name, size_t size) {
    AUTO_CLOSE root = open(ROOT_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC);
    FILE *file = root < 0 ? NULL : passwd_in_root(root);
    snprintf(name, size, "%u", uid);
    for (struct passwd *entry; file && (entry = fgetpwent(file));) {
        if (entry->pw_uid != uid) continue;
        snprintf(name, size, "%s", entry->pw_name);
        break;
    }
    if (file) fclose(file);
}

/* The second number behind "Uid:" is the effective one. */
static void append_user(struct buffer *fields, const struct buffer *status) {
    unsigned real, effective;
    char name[64];
    AUTO_TEXT text = strndup((const char *)status->data, status->length);
    const char *line = text ? strstr(text, "\nUid:") : NULL;
    if (!line || sscanf(line, "\nUid: %u %u", &real, &effective) != 2) return;
    user_name(effective, name, sizeof(name));
    field_append_text(fields, GUEST_RECORD_USER, name);
}

static void append_part(struct buffer *fields, int pid, const char *name, uint16_t tag) {
    char path[64];
    AUTO_BUFFER content = {0};
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    if (!read_file(path, &content, COMMAND_MAX)) return;
    field_append(fields, tag, content.data, content.length);
    if (tag == GUEST_RECORD_STATUS && content.length > 0) append_user(fields, &content);
}

static void append_process(struct buffer *payload, int pid) {
    AUTO_BUFFER fields = {0};
    field_append_number(&fields, GUEST_RECORD_PID, (uint64_t)pid);
    append_part(&fields, pid, "stat", GUEST_RECORD_STAT);
    append_part(&fields, pid, "status", GUEST_RECORD_STATUS);
    append_part(&fields, pid, "cmdline", GUEST_RECORD_COMMAND);
    field_append(payload, GUEST_TAG_PROCESS, fields.data, fields.length);
}

void append_processes(struct buffer *payload) {
    FILE *list = fopen(PROCESSES_CGROUP "/cgroup.procs", "re");
    if (!list) return;
    int pid;
    for (int count = 0; count < PROCESSES_MAX && fscanf(list, "%d", &pid) == 1; count++) {
        if (payload->length > GUEST_ANSWER_MAX - 4 * COMMAND_MAX) break;
        append_process(payload, pid);
    }
    fclose(list);
}
