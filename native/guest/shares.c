#include "shares.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"

/*
 * Whoever creates a file on the host's side is who does so here (access=client); nothing is cached but what is mapped,
 * so that both sides see each other's changes at once.
 */
#define OPTIONS_9P "trans=virtio,version=9p2000.L,msize=262144,access=client,cache=mmap,posixacl"

#define MMIO_DRIVER "/sys/bus/platform/drivers/virtio-mmio"

/* By what folders are shared, and the kind of virtio device that it takes (virtio 1.2, 5: device types). */
struct transport {
    const char *name; /* also what mount(2) calls the file system */
    const char *options;
    unsigned long device;
};

static const struct transport TRANSPORTS[] = {{"9p", OPTIONS_9P, 9}, {"virtiofs", NULL, 26}};

#define TRANSPORT_COUNT (sizeof(TRANSPORTS) / sizeof(*TRANSPORTS))

static bool is_said(const char *word) {
    const char *said = getenv(GUEST_SHARES_VARIABLE);
    return said && strcmp(said, word) == 0;
}

bool may_be_shared_by(const char *transport) {
    return is_said(GUEST_SHARES_ANY) || is_said(transport);
}

/* ---- the device of a machine that goes on from a template ---- */

static int read_number(const char *path, unsigned long *number) {
    char text[32] = "";
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof(text) - 1) <= 0) return -1;
    *number = strtoul(text, NULL, 16);
    return 0;
}

/* The transport that the virtio device needs which a slot of virtio-mmio holds. NULL: it holds another one, or none. */
static const struct transport *transport_in(const char *slot) {
    char path[256];
    unsigned long device = 0;
    snprintf(path, sizeof(path), MMIO_DRIVER "/%.64s", slot);
    DIR *folder = opendir(path);
    if (!folder) return NULL;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "virtio", 6) != 0) continue;
        snprintf(path, sizeof(path), MMIO_DRIVER "/%.64s/%.64s/device", slot, entry->d_name);
        if (read_number(path, &device) < 0) device = 0;
    }
    closedir(folder);
    for (size_t index = 0; index < TRANSPORT_COUNT; index++) {
        if (TRANSPORTS[index].device == device) return &TRANSPORTS[index];
    }
    return NULL;
}

static bool find_slot(char *slot, size_t size) {
    bool found = false;
    DIR *slots = opendir(MMIO_DRIVER);
    if (!slots) return false;
    for (struct dirent *entry; !found && (entry = readdir(slots));) {
        found = transport_in(entry->d_name) != NULL;
        if (found) snprintf(slot, size, "%s", entry->d_name);
    }
    closedir(slots);
    return found;
}

static int tell_driver(const char *what, const char *slot) {
    char path[128];
    snprintf(path, sizeof(path), MMIO_DRIVER "/%s", what);
    AUTO_CLOSE file = open(path, O_WRONLY | O_CLOEXEC);
    return file < 0 ? -1 : write_all(file, slot, strlen(slot));
}

/* The host has put another device where the template had one: the driver looks at it again. */
static const struct transport *look_again(struct failure *why) {
    char slot[256];
    if (!find_slot(slot, sizeof(slot))) {
        fail(why, FAILURE_UNAVAILABLE, "there is no device by which the host's folders are shared");
        return NULL;
    }
    if (tell_driver("unbind", slot) < 0 || tell_driver("bind", slot) < 0) {
        fail_errno(why, "the device %s", slot);
        return NULL;
    }
    const struct transport *transport = transport_in(slot);
    if (!transport) fail(why, FAILURE_UNAVAILABLE, "the device %s does not share the host's folders any more", slot);
    return transport;
}

/* ---- mounting ---- */

static const struct transport *transport_of(struct failure *why) {
    if (is_said(GUEST_SHARES_ANY)) return look_again(why);
    for (size_t index = 0; index < TRANSPORT_COUNT; index++) {
        if (is_said(TRANSPORTS[index].name)) return &TRANSPORTS[index];
    }
    fail(why, FAILURE_INVALID, "it is not said by what the host's folders are shared");
    return NULL;
}

static bool has_shares(const struct setup_plan *plan) {
    for (size_t index = 0; index < plan->mount_count; index++) {
        if (strcmp(plan->mounts[index].type, "share") == 0) return true;
    }
    return false;
}

int mount_shares(const struct setup_plan *plan, struct failure *why) {
    if (!has_shares(plan)) return 0;
    const struct transport *by = transport_of(why);
    if (!by) return -1;
    if (mount(GUEST_SHARE_TAG, SHARES_DIRECTORY, by->name, 0, by->options) == 0) return 0;
    if (errno == ENODEV) return fail(why, FAILURE_UNAVAILABLE, "this kernel cannot share the host's folders (%s)", by->name);
    return fail_errno(why, "the host's folders cannot be mounted");
}
