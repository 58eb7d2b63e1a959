#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "mountinfo.h"

#define ROOT "rootfs"
#define SHM "shm"
#define ACCOUNTS_MAX (1024u * 1024)

static bool is_below(const char *path, const char *mount_point) {
    size_t length = strlen(mount_point);
    if (length == 1) return true;
    return strncmp(path, mount_point, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* The mount that holds `path`, if it propagates what is mounted in it, else NULL; the last one that fits is on top. */
static int find_shared_mount(const char *path, char **found) {
    struct mountinfo info;
    struct mount_line mount;
    size_t best = 0;
    if (mountinfo_open(&info) < 0) return -1;
    while (mountinfo_next(&info, &mount)) {
        if (!is_below(path, mount.point) || strlen(mount.point) < best) continue;
        best = strlen(mount.point);
        free_text(found);
        if (mount.shared) *found = strdup(mount.point);
    }
    mountinfo_close(&info);
    return 0;
}

/*
 * Our mounts must not show on the host, so the one mount that holds the container's folder stops propagating to it.
 * All others stay as they are: a bind mount with rshared or rslave does what it says.
 */
static int stop_propagation(const char *directory, struct failure *why) {
    AUTO_TEXT real = realpath(directory, NULL);
    if (!real) return fail_errno(why, "%s", directory);
    AUTO_TEXT point = NULL;
    if (find_shared_mount(real, &point) < 0) return fail_errno(why, "/proc/self/mountinfo");
    if (point && mount(NULL, point, NULL, MS_SLAVE, NULL) < 0) return fail_errno(why, "the mount %s", point);
    return 0;
}

static int make_directory(const char *path, struct failure *why) {
    return mkdir(path, 0755) < 0 && errno != EEXIST ? fail_errno(why, "%s cannot be made", path) : 0;
}

static int mount_shm(uint64_t size, struct failure *why) {
    char options[64];
    snprintf(options, sizeof(options), "mode=1777,size=%llu", (unsigned long long)size);
    if (make_directory(SHM, why) < 0) return -1;
    if (mount("shm", SHM, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0) {
        return fail_errno(why, "the container's shm cannot be mounted");
    }
    return 0;
}

int mounts_place(struct mounts *mounts, const struct plan *plan, int root, int host, struct failure *why) {
    if (setns(host, CLONE_NEWNS) < 0) return fail_errno(why, "the host's mount namespace");
    if (unshare(CLONE_NEWNS) < 0) return fail_errno(why, "no mount namespace");
    if (stop_propagation(plan->directory, why) < 0) return -1;
    if (chdir(plan->directory) < 0) return fail_errno(why, "the container's folder %s", plan->directory);
    if (make_directory(ROOT, why) < 0) return -1;
    if (move_mount(root, "", AT_FDCWD, ROOT, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return fail_errno(why, "the root cannot be attached");
    }
    mounts->root = true;
    if (plan->shm_size == 0) return 0;
    if (mount_shm(plan->shm_size, why) < 0) return -1;
    mounts->shm = true;
    return 0;
}

static void take_away(bool *mounted, const char *path) {
    if (!*mounted) return;
    *mounted = false;
    if (umount2(path, MNT_DETACH) < 0) log_line("%s cannot be unmounted: %s", path, strerror(errno));
    rmdir(path);
}

int mounts_empty_shm(struct mounts *mounts, const struct plan *plan, struct failure *why) {
    if (!mounts->shm) return 0;
    take_away(&mounts->shm, SHM);
    if (mount_shm(plan->shm_size, why) < 0) return -1;
    mounts->shm = true;
    return 0;
}

void mounts_remove(struct mounts *mounts) {
    take_away(&mounts->shm, SHM);
    take_away(&mounts->root, ROOT);
}

static int open_in_root(const char *path) {
    AUTO_CLOSE root = open(ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

int mounts_read(const char *path, struct buffer *out, struct failure *why) {
    AUTO_CLOSE file = open_in_root(path);
    if (file < 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        return missing ? 0 : fail_errno(why, "%s of the image", path);
    }
    struct stat status;
    if (fstat(file, &status) < 0) return fail_errno(why, "%s of the image", path);
    if (!S_ISREG(status.st_mode)) return fail(why, FAILURE_INVALID, "%s of the image is no file", path);
    if (read_until_end(file, out, ACCOUNTS_MAX) == 0) return 0;
    if (errno == EFBIG) return fail(why, FAILURE_INVALID, "%s of the image is larger than 1 MiB", path);
    return fail_errno(why, "%s of the image", path);
}
