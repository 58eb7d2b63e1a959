#include "mount-points.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/in-root.h"
#include "common/io.h"

/* Makes the folder that `path` names, and those above it, one after the other; each is opened as the root shows it. */
static int make_folders(int root, const char *path, struct failure *why) {
    AUTO_CLOSE folder = open_in_root(root, "/", O_PATH | O_DIRECTORY);
    AUTO_TEXT prefix = strdup(path);
    if (folder < 0 || !prefix) return fail_errno(why, "%s", path);
    for (size_t at = strspn(path, "/"); path[at];) {
        size_t length = strcspn(path + at, "/");
        prefix[at + length] = 0;
        int next = open_in_root(root, prefix, O_PATH | O_DIRECTORY);
        if (next < 0 && errno == ENOENT && mkdirat(folder, prefix + at, 0755) == 0) {
            next = open_in_root(root, prefix, O_PATH | O_DIRECTORY);
        }
        if (next < 0) return fail_errno(why, "the folder %s cannot be made", prefix);
        close_fd(&folder);
        folder = next;
        prefix[at + length] = path[at + length];
        at += length;
        at += strspn(path + at, "/");
    }
    return take_fd(&folder);
}

int folder_point(int root, const char *path, struct failure *why) {
    int point = open_in_root(root, path, O_PATH | O_DIRECTORY);
    if (point >= 0 || errno != ENOENT) return point < 0 ? fail_errno(why, "%s", path) : point;
    return make_folders(root, path, why);
}

int file_point(int root, const char *path, struct failure *why) {
    int point = open_in_root(root, path, O_PATH);
    if (point >= 0) return point;
    const char *slash = strrchr(path, '/');
    AUTO_TEXT above = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
    if (errno != ENOENT || !above) return fail_errno(why, "%s", path);
    AUTO_CLOSE folder = folder_point(root, above, why);
    if (folder < 0) return -1;
    AUTO_CLOSE file = openat(folder, slash ? slash + 1 : path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    return file < 0 ? fail_errno(why, "the file %s cannot be made", path) : take_fd(&file);
}

int mount_at(const char *source, int point, const char *type, unsigned long flags, const char *data) {
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", point);
    return mount(source, path, type, flags, data);
}

int attach_at(int tree, int point) {
    return move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
