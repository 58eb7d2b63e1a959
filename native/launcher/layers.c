#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "crash-point.h"

/* Forces the way before Linux 6.12, so that it can be tested on a newer kernel: BERTH_LAYER_MOUNT=loop. */
static bool loop_forced(void) {
    const char *way = getenv("BERTH_LAYER_MOUNT");
    return way && strcmp(way, "loop") == 0;
}

/* A read-only EROFS mount of a file or block device, detached; errno is ENOTBLK where the kernel wants a device. */
static int mount_erofs(const char *source) {
    AUTO_CLOSE context = fsopen("erofs", FSOPEN_CLOEXEC);
    if (context < 0) return -1;
    if (fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) return -1;
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0) return -1;
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return -1;
    return fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
}

/* Binds a free loop device to the image; it frees itself when the last user goes. */
static int attach_loop(int image, char *device, size_t size, struct failure *why) {
    AUTO_CLOSE control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return fail_errno(why, "no loop devices");
    for (;;) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) return fail_errno(why, "no free loop device");
        snprintf(device, size, "/dev/loop%d", number);
        AUTO_CLOSE loop = open(device, O_RDONLY | O_CLOEXEC);
        if (loop < 0) return fail_errno(why, "%s cannot be opened", device);
        struct loop_config config = {.fd = (uint32_t)image, .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR};
        if (ioctl(loop, LOOP_CONFIGURE, &config) == 0) return take_fd(&loop);
        if (errno != EBUSY) return fail_errno(why, "%s cannot be configured", device);
        /* Somebody else took the device that was free: ask for the next. */
    }
}

static int mount_by_loop(const char *path, struct failure *why) {
    AUTO_CLOSE image = open(path, O_RDONLY | O_CLOEXEC);
    if (image < 0) return fail_errno(why, "the layer %s cannot be opened", path);
    char device[32];
    AUTO_CLOSE loop = attach_loop(image, device, sizeof(device), why);
    if (loop < 0) return -1;
    int tree = mount_erofs(device);
    return tree < 0 ? fail_errno(why, "the layer %s cannot be mounted", path) : tree;
}

static int mount_image(const char *path, struct failure *why) {
    if (loop_forced()) return mount_by_loop(path, why);
    int tree = mount_erofs(path);
    if (tree >= 0) return tree;
    if (errno == ENODEV) return fail(why, FAILURE_NOT_IMPLEMENTED, "this kernel has no EROFS (layer %s)", path);
    if (errno == ENOTBLK) return mount_by_loop(path, why);
    return fail_errno(why, "the layer %s cannot be mounted", path);
}

static int mount_detached(const char *path, struct failure *why) {
    struct stat status;
    if (stat(path, &status) < 0) {
        return errno == ENOENT ? fail(why, FAILURE_NOT_FOUND, "the layer %s does not exist", path)
                               : fail_errno(why, "the layer %s", path);
    }
    if (!S_ISDIR(status.st_mode)) return mount_image(path, why);
    int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return tree < 0 ? fail_errno(why, "the layer folder %s cannot be cloned", path) : tree;
}

/* Attaches a detached mount to a new mount point and opens its root. */
static int attach(struct layers *layers, int tree, struct layer *layer, struct failure *why) {
    if (asprintf(&layer->mount_point, "%s/%lu", layers->scratch, layers->mounted++) < 0) {
        layer->mount_point = NULL;
        return fail_errno(why, "the mount point");
    }
    if (mkdir(layer->mount_point, 0700) < 0) return fail_errno(why, "%s", layer->mount_point);
    if (move_mount(tree, "", AT_FDCWD, layer->mount_point, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return fail_errno(why, "the layer %s cannot be attached", layer->path);
    }
    layer->directory = open(layer->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return layer->directory < 0 ? fail_errno(why, "the layer %s cannot be opened", layer->path) : 0;
}

static void layer_free(struct layer *layer) {
    close_fd(&layer->directory);
    if (layer->mount_point) {
        umount2(layer->mount_point, MNT_DETACH);
        rmdir(layer->mount_point);
    }
    free(layer->mount_point);
    free(layer->path);
    free(layer);
}

static struct layer *layer_mount(struct layers *layers, const char *path, struct failure *why) {
    struct layer *layer = calloc(1, sizeof(*layer));
    if (!layer || !(layer->path = strdup(path))) {
        free(layer);
        fail_errno(why, "a layer");
        return NULL;
    }
    layer->directory = -1;
    AUTO_CLOSE tree = mount_detached(path, why);
    if (tree >= 0 && attach(layers, tree, layer, why) == 0) return layer;
    layer_free(layer);
    return NULL;
}

int layers_open(struct layers *layers, const char *scratch, struct failure *why) {
    *layers = (struct layers){.scratch = strdup(scratch), .empty.directory = -1};
    AUTO_TEXT empty = NULL;
    if (!layers->scratch || asprintf(&empty, "%s/empty", scratch) < 0) return fail_errno(why, "the layers' names");
    if (mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=1m") < 0) {
        return fail_errno(why, "the tmpfs at %s", scratch);
    }
    if (mkdir(empty, 0755) < 0) return fail_errno(why, "%s", empty);
    layers->empty.directory = open(empty, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return layers->empty.directory < 0 ? fail_errno(why, "%s", empty) : 0;
}

struct layer *layers_get(struct layers *layers, const char *path, struct failure *why) {
    for (struct layer *layer = layers->first; layer; layer = layer->next) {
        if (strcmp(layer->path, path) == 0) return layer;
    }
    struct layer *layer = layer_mount(layers, path, why);
    if (!layer) return NULL;
    crash_point("layer.mounted");
    layer->next = layers->first;
    layers->first = layer;
    return layer;
}

int layers_forget(struct layers *layers, const char *path, struct failure *why) {
    for (struct layer **link = &layers->first; *link; link = &(*link)->next) {
        struct layer *layer = *link;
        if (strcmp(layer->path, path) != 0) continue;
        if (layer->uses > 0) {
            return fail(why, FAILURE_CONFLICT, "the layer %s is used by %zu root%s", path, layer->uses,
                        layer->uses == 1 ? "" : "s");
        }
        *link = layer->next;
        layer_free(layer);
        return 0;
    }
    return 0;
}
