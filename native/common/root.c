#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "io.h"

/* Neither redirects nor metacopies: a layer must mean the same to everyone who unpacks it; and what is no upper
 * directory's own business (`index`) would tie it to one lower directory. */
static const char *const OPTIONS[][2] = {{"redirect_dir", "off"}, {"metacopy", "off"}, {"index", "off"}};
#define OPTION_COUNT (sizeof(OPTIONS) / sizeof(*OPTIONS))

enum way { WAY_FD, WAY_PATH, WAY_MOUNT, WAY_COUNT };
static const char *const WAY_NAMES[WAY_COUNT] = {"fd", "path", "mount"};

/* The kernel's own words about a file system that it did not take, if it has any. */
static void add_kernel_words(int context, struct failure *why) {
    char words[512];
    ssize_t count = read(context, words, sizeof(words) - 1);
    if (count <= 0) return;
    words[count] = 0;
    words[strcspn(words, "\n")] = 0;
    size_t used = strlen(why->message);
    snprintf(why->message + used, sizeof(why->message) - used, " (%s)", words);
}

static int set_path(int context, const char *key, int fd) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return fsconfig(context, FSCONFIG_SET_STRING, key, path, 0);
}

static int set_directory(int context, enum way way, const char *key, int fd) {
    return way == WAY_FD ? fsconfig(context, FSCONFIG_SET_FD, key, NULL, fd) : set_path(context, key, fd);
}

static int configure(int context, enum way way, const struct root_source *source, int upper, int work) {
    for (size_t index = source->count; index > 0; index--) {
        if (set_directory(context, way, "lowerdir+", source->layers[index - 1]) < 0) return -1;
    }
    for (size_t index = 0; index < OPTION_COUNT; index++) {
        if (fsconfig(context, FSCONFIG_SET_STRING, OPTIONS[index][0], OPTIONS[index][1], 0) < 0) return -1;
    }
    if (upper >= 0) {
        if (set_directory(context, way, "upperdir", upper) < 0) return -1;
        if (set_directory(context, way, "workdir", work) < 0) return -1;
    }
    return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static int join_by_context(enum way way, const struct root_source *source, int upper, int work, struct failure *why) {
    AUTO_CLOSE context = fsopen("overlay", FSOPEN_CLOEXEC);
    if (context < 0) return fail_errno(why, "the kernel has no overlayfs");
    fsconfig(context, FSCONFIG_SET_STRING, "source", "overlay", 0);
    if (configure(context, way, source, upper, work) < 0) {
        fail_errno(why, "the layers cannot be joined");
        add_kernel_words(context, why);
        return -1;
    }
    int mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
    return mount < 0 ? fail_errno(why, "the joined root cannot be mounted") : mount;
}

static char *mount_options(const struct root_source *source, int upper, int work) {
    AUTO_BUFFER text = {0};
    char part[64];
    buffer_append(&text, "lowerdir=", 9);
    for (size_t index = source->count; index > 0; index--) {
        int length = snprintf(part, sizeof(part), "%d%s", source->layers[index - 1], index > 1 ? ":" : "");
        buffer_append(&text, part, (size_t)length);
    }
    for (size_t index = 0; index < OPTION_COUNT; index++) {
        int length = snprintf(part, sizeof(part), ",%s=%s", OPTIONS[index][0], OPTIONS[index][1]);
        buffer_append(&text, part, (size_t)length);
    }
    if (upper >= 0) {
        int length = snprintf(part, sizeof(part), ",upperdir=%d,workdir=%d", upper, work);
        buffer_append(&text, part, (size_t)length);
    }
    if (buffer_append(&text, "", 1) < 0) return NULL;
    char *options = (char *)text.data;
    text = (struct buffer){0};
    return options;
}

/* mount(2) attaches what it makes, so the mount is put on the scratch directory, cloned, and taken away again. */
static int mount_and_clone(const char *options, const char *scratch, struct failure *why) {
    if (mkdir(scratch, 0700) < 0) return fail_errno(why, "%s", scratch);
    int tree = -1;
    if (mount("overlay", scratch, "overlay", 0, options) < 0) {
        fail_errno(why, "the layers cannot be joined");
    } else {
        tree = open_tree(AT_FDCWD, scratch, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0) fail_errno(why, "the joined root cannot be detached");
        umount2(scratch, MNT_DETACH);
    }
    rmdir(scratch);
    return tree;
}

static int join_by_mount(const struct root_source *source, int upper, int work, struct failure *why) {
    AUTO_TEXT options = mount_options(source, upper, work);
    if (!options) return fail_errno(why, "the mount options");
    if (strlen(options) >= (size_t)getpagesize()) {
        return fail(why, FAILURE_NOT_IMPLEMENTED, "this kernel cannot join %zu layers", source->count);
    }
    AUTO_CLOSE here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (here < 0 || chdir("/proc/self/fd") < 0) return fail_errno(why, "/proc is not usable");
    int tree = mount_and_clone(options, source->scratch, why);
    if (fchdir(here) < 0) log_line("the working directory is lost: %s", strerror(errno));
    return tree;
}

static int join_by(enum way way, const struct root_source *source, int upper, int work, struct failure *why) {
    return way == WAY_MOUNT ? join_by_mount(source, upper, work, why)
                            : join_by_context(way, source, upper, work, why);
}

static int make_read_only(int tree) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    return mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes));
}

/* One read-only layer needs no overlay: it is shown itself. */
static int clone_layer(int layer, struct failure *why) {
    AUTO_CLOSE tree = open_tree(layer, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return fail_errno(why, "the layer cannot be cloned");
    if (make_read_only(tree) < 0) return fail_errno(why, "the layer cannot be made read-only");
    return take_fd(&tree);
}

int join_root(const struct root_source *source, struct failure *why) {
    if (!source->upper && source->count == 1) return clone_layer(source->layers[0], why);
    AUTO_CLOSE upper = -1;
    AUTO_CLOSE work = -1;
    if (source->upper) {
        upper = open(source->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (upper < 0) return fail_errno(why, "the upper directory %s cannot be opened", source->upper);
        work = open(source->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (work < 0) return fail_errno(why, "the work directory %s cannot be opened", source->work);
    }
    const char *only = getenv("BERTH_ROOT_JOIN");
    int root = -1;
    for (enum way way = WAY_FD; way < WAY_COUNT && root < 0; way++) {
        if (only && strcmp(only, WAY_NAMES[way]) != 0) continue;
        root = join_by(way, source, upper, work, why);
    }
    return root;
}
