#include "host-servers.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/io.h"

#define RESOLV_CONF "/etc/resolv.conf"
/* systemd-resolved's own list of servers; its stub at 127.0.0.53 would only ask them too. */
#define RESOLVED_FOLDER "/run/systemd/resolve"
#define RESOLVED_CONF RESOLVED_FOLDER "/resolv.conf"
#define STUB "nameserver 127.0.0.53"
#define SIZE_MAX_OF_FILE (64u * 1024)

static int read_file(const char *path, struct buffer *out) {
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return file < 0 || read_until_end(file, out, SIZE_MAX_OF_FILE) < 0 ? -1 : 0;
}

/* Whether a line names the stub and nothing else. */
static bool names_stub(const struct buffer *text) {
    size_t length = strlen(STUB);
    for (size_t at = 0; at + length <= text->length; at++) {
        bool begins = at == 0 || text->data[at - 1] == '\n';
        bool ends = at + length == text->length || text->data[at + length] == '\n';
        if (begins && ends && memcmp(text->data + at, STUB, length) == 0) return true;
    }
    return false;
}

static int replace_file(const char *path, const struct buffer *content) {
    AUTO_TEXT temporary = NULL;
    if (asprintf(&temporary, "%s.new", path) < 0) return -1;
    AUTO_CLOSE file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0 || write_all(file, content->data, content->length) < 0) return -1;
    return rename(temporary, path);
}

/* The file itself too: what is mounted over it, as in a container, has another folder. Asking again changes nothing. */
static void watch_file(const struct host_servers *servers, const char *path) {
    inotify_add_watch(servers->changes.fd, path, IN_CLOSE_WRITE);
}

static void copy_servers(const struct host_servers *servers) {
    watch_file(servers, RESOLV_CONF);
    AUTO_BUFFER content = {0};
    AUTO_BUFFER behind_stub = {0};
    read_file(RESOLV_CONF, &content); /* a host without one has no servers */
    const struct buffer *chosen = &content;
    if (names_stub(&content) && read_file(RESOLVED_CONF, &behind_stub) == 0) chosen = &behind_stub;
    if (replace_file(servers->copy, chosen) < 0) log_line("%s: %s", servers->copy, strerror(errno));
}

static void on_change(struct watch *watch, uint32_t events) {
    (void)events;
    union {
        char bytes[4096];
        struct inotify_event align;
    } data;
    bool ours = false;
    ssize_t length = RETRY(read(watch->fd, data.bytes, sizeof(data.bytes)));
    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const struct inotify_event *)(data.bytes + at);
        if (event->len == 0 || strstr(event->name, "resolv.conf")) ours = true;
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    if (ours) copy_servers(container_of(watch, struct host_servers, changes));
}

/* Folders, not files: programs replace them. One that does not exist cannot change. */
static void watch_folder(const struct host_servers *servers, const char *path) {
    inotify_add_watch(servers->changes.fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
}

int host_servers_open(struct host_servers *servers, struct loop *loop, const char *folder, struct failure *why) {
    if (asprintf(&servers->copy, "%s/host", folder) < 0) return fail_errno(why, "the host's servers");
    servers->changes = (struct watch){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .ready = on_change};
    if (servers->changes.fd < 0) return fail_errno(why, "inotify");
    watch_folder(servers, "/etc");
    watch_folder(servers, RESOLVED_FOLDER);
    AUTO_TEXT real = realpath(RESOLV_CONF, NULL);
    if (real) watch_folder(servers, dirname(real));
    copy_servers(servers);
    return loop_watch(loop, &servers->changes, EPOLLIN) < 0 ? fail_errno(why, "inotify") : 0;
}
