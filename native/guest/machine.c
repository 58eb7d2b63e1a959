#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "common/root.h"
#include "disks.h"
#include "identity.h"
#include "links.h"
#include "shares.h"

#define WORK WRITABLE_DIRECTORY "/work"
#define SCRATCH "/scratch"

static void close_layers(int *layers, size_t count) {
    for (size_t index = 0; index < count; index++) close_fd(&layers[index]);
    free(layers);
}

static int *open_layers(size_t count, struct failure *why) {
    int *layers = calloc(count, sizeof(*layers));
    for (size_t index = 0; layers && index < count; index++) {
        char path[64];
        snprintf(path, sizeof(path), LAYERS_DIRECTORY "/%zu", index);
        layers[index] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (layers[index] >= 0) continue;
        fail_errno(why, "%s", path);
        close_layers(layers, index);
        return NULL;
    }
    if (!layers) fail_errno(why, "the layers");
    return layers;
}

/* The root folder's owner and mode are those of the upper one: as in the top layer, until somebody changes them. */
static int make_upper(int top, struct failure *why) {
    struct stat root;
    if (mkdir(WORK, 0755) < 0 && errno != EEXIST) return fail_errno(why, WORK);
    if (mkdir(CHANGES_DIRECTORY, 0755) < 0) return errno == EEXIST ? 0 : fail_errno(why, CHANGES_DIRECTORY);
    if (fstatat(top, "", &root, AT_EMPTY_PATH) < 0 || chmod(CHANGES_DIRECTORY, root.st_mode & 07777) < 0 ||
        chown(CHANGES_DIRECTORY, root.st_uid, root.st_gid) < 0) {
        return fail_errno(why, CHANGES_DIRECTORY);
    }
    return 0;
}

static int join_layers(int *layers, size_t count, struct failure *why) {
    if (make_upper(layers[count - 1], why) < 0) return -1;
    struct root_source source = {.layers = layers, .count = count, .upper = CHANGES_DIRECTORY, .work = WORK, .scratch = SCRATCH};
    AUTO_CLOSE root = join_root(&source, why);
    if (root < 0) return -1;
    if (move_mount(root, "", AT_FDCWD, ROOT_DIRECTORY, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return fail_errno(why, "the root cannot be mounted");
    }
    return 0;
}

static int make_root(const struct setup_plan *plan, struct failure *why) {
    if (mount_disks(plan, why) < 0) return -1;
    int *layers = open_layers(plan->layer_count, why);
    if (!layers) return -1;
    int result = join_layers(layers, plan->layer_count, why);
    close_layers(layers, plan->layer_count);
    return result;
}

void machine_file_path(size_t index, char *path, size_t size) {
    snprintf(path, size, FILES_DIRECTORY "/%zu", index);
}

int write_file(const char *path, const struct file_plan *file, struct failure *why) {
    AUTO_CLOSE to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0 || ftruncate(to, 0) < 0 || write_all(to, file->content.data, file->content.length) < 0 ||
        fchmod(to, (mode_t)file->mode) < 0) {
        return fail_errno(why, "%s cannot be written", file->path);
    }
    return 0;
}

static int make_files(const struct setup_plan *plan, struct failure *why) {
    for (size_t index = 0; index < plan->file_count; index++) {
        char path[64];
        machine_file_path(index, path, sizeof(path));
        if (write_file(path, &plan->files[index], why) < 0) return -1;
    }
    return 0;
}

static int limit_pids(uint64_t limit, struct failure *why) {
    if (limit == 0) return 0;
    char text[32];
    AUTO_CLOSE file = open(PROCESSES_CGROUP "/pids.max", O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)limit);
    return file < 0 || write_all(file, text, (size_t)length) < 0 ? fail_errno(why, "the limit of processes") : 0;
}

int make_machine(const struct setup_plan *plan, struct failure *why) {
    if (set_identity(plan, why) < 0 || make_root(plan, why) < 0 || mount_shares(plan, why) < 0) return -1;
    if (make_files(plan, why) < 0 || limit_pids(plan->pids_limit, why) < 0) return -1;
    return set_links(plan, why);
}
