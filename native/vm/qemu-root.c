#include "qemu-root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/io.h"

/* The mount calls and constants of Linux 5.2 to 5.12, which older headers of the C library lack. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#define ATTRIBUTE_RDONLY 0x00000001u
#define ATTRIBUTE_NOSUID 0x00000002u
#define ATTRIBUTE_NODEV 0x00000004u
#define ATTRIBUTE_IDMAP 0x00100000u
#define MOVE_FROM_EMPTY_PATH 0x00000004u

struct attributes {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t user_namespace;
};

static int set_attributes(int mount, unsigned flags, const struct attributes *attributes) {
    return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, attributes, sizeof(*attributes));
}

/* Folders above the last part of a name. `name` is absolute and leads nowhere up: the plan's decoder saw to it. */
static int make_parents(const char *name, struct failure *why) {
    char path[4096];
    if (strlen(name) >= sizeof(path)) return fail(why, FAILURE_INVALID, "the name %.64s… is too long", name);
    strcpy(path, name + 1);
    for (char *at = path; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        if (*path && mkdir(path, 0755) < 0 && errno != EEXIST) return fail_errno(why, "%s in QEMU's root", path);
        *at = '/';
    }
    return 0;
}

static int make_node(const char *name, mode_t mode, dev_t number, uid_t owner) {
    if (mknod(name, (mode & S_IFMT) | 0600, number) < 0) return -1;
    return chown(name, owner, owner);
}

static int make_target(const char *name, const struct stat *source) {
    if (S_ISDIR(source->st_mode)) return mkdir(name, 0755) < 0 && errno != EEXIST ? -1 : 0;
    AUTO_CLOSE file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return file < 0 ? -1 : 0;
}

static int cannot_be_shared(const struct file_plan *file, struct failure *why) {
    if (errno != EINVAL) return fail_errno(why, "%s cannot be bound into QEMU's root", file->host_path);
    return fail(why, FAILURE_INVALID,
                "%s cannot be given to a virtual machine: its file system, or one that is mounted below it, cannot map "
                "the owners of files (mount_setattr(2), MOUNT_ATTR_IDMAP)",
                file->host_path);
}

/* A file whose owners are mapped is somebody's data: it may have become something else since the plan was made. */
static bool may_be_given(const struct file_plan *file, mode_t mode) {
    return S_ISREG(mode) || S_ISDIR(mode) || (S_ISCHR(mode) && !file->idmap);
}

static int bind_tree(const struct file_plan *file, int tree, int user_namespace, struct failure *why) {
    struct attributes attributes = {.set = ATTRIBUTE_NOSUID | ATTRIBUTE_NODEV, .propagation = MS_PRIVATE};
    if (!file->writable) attributes.set |= ATTRIBUTE_RDONLY;
    if (file->idmap) {
        attributes.set |= ATTRIBUTE_IDMAP;
        attributes.user_namespace = (uint64_t)user_namespace;
    }
    if (set_attributes(tree, AT_RECURSIVE, &attributes) < 0) return cannot_be_shared(file, why);
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, file->name + 1, MOVE_FROM_EMPTY_PATH) < 0) {
        return fail_errno(why, "%s in QEMU's root", file->name);
    }
    return 0;
}

static int add_file(const struct file_plan *file, int user_namespace, uid_t owner, struct failure *why) {
    struct stat source;
    AUTO_CLOSE tree = (int)syscall(SYS_open_tree, AT_FDCWD, file->host_path, OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 || fstat(tree, &source) < 0) return fail_errno(why, "%s", file->host_path);
    if (!may_be_given(file, source.st_mode)) {
        return fail(why, FAILURE_INVALID, "%s cannot be given to a virtual machine: it is neither a file nor a folder",
                    file->host_path);
    }
    if (make_parents(file->name, why) < 0) return -1;
    if (S_ISCHR(source.st_mode)) {
        if (make_node(file->name + 1, source.st_mode, source.st_rdev, owner) == 0) return 0;
        return fail_errno(why, "the device %s in QEMU's root", file->host_path);
    }
    if (make_target(file->name + 1, &source) < 0) return fail_errno(why, "%s in QEMU's root", file->name);
    return bind_tree(file, tree, user_namespace, why);
}

static int add_devices(uid_t owner, struct failure *why) {
    if (mkdir("dev", 0755) < 0 && errno != EEXIST) return fail_errno(why, "folders of QEMU's root");
    if (make_node("dev/null", S_IFCHR, makedev(1, 3), owner) < 0 ||
        make_node("dev/urandom", S_IFCHR, makedev(1, 9), owner) < 0) {
        return fail_errno(why, "devices of QEMU's root");
    }
    return 0;
}

static int mount_proc(const char *at) {
    if (mkdir(at, 0555) < 0) return -1;
    /* Since Linux 5.8 it can hold processes only, and nothing of the kernel's. */
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("proc", at, "proc", flags, "subset=pid,hidepid=invisible") == 0) return 0;
    return mount("proc", at, "proc", flags | MS_RDONLY, NULL);
}

static bool names_file_of_proc(const struct program_plan *program) {
    for (size_t index = 0; index < program->file_count; index++) {
        if (strncmp(program->files[index].name, "/proc/", 6) == 0) return true;
    }
    return false;
}

/* A program that needs one file more than its own process gets that alone: /proc is a folder then, with a link to the process. */
static int add_proc(const struct program_plan *program, struct failure *why) {
    if (!names_file_of_proc(program)) return mount_proc("proc") < 0 ? fail_errno(why, "/proc of QEMU's root") : 0;
    if (mkdir("proc", 0755) < 0 || mount_proc("processes") < 0 || symlink("/processes/self", "proc/self") < 0) {
        return fail_errno(why, "/proc of the file server's root");
    }
    return 0;
}

/* What was the root is under the new one afterwards, until it is detached. */
static int change_root(struct failure *why) {
    const struct attributes read_only = {.set = ATTRIBUTE_RDONLY | ATTRIBUTE_NOSUID};
    AUTO_CLOSE root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || set_attributes(root, 0, &read_only) < 0) return fail_errno(why, "QEMU's root stays writable");
    if (syscall(SYS_pivot_root, ".", ".") < 0) return fail_errno(why, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) return fail_errno(why, "the host's root stays");
    return 0;
}

int qemu_root_enter(const struct program_plan *program, const struct file_plan *extra, const char *scratch,
                    int user_namespace, uid_t owner, struct failure *why) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail_errno(why, "a mount namespace");
    if (mount("berth-vm", scratch, "tmpfs", MS_NOSUID, "mode=0755,size=1m") < 0 || chdir(scratch) < 0) {
        return fail_errno(why, "QEMU's root");
    }
    if (add_devices(owner, why) < 0 || add_proc(program, why) < 0) return -1;
    for (size_t index = 0; index < program->file_count; index++) {
        if (add_file(&program->files[index], user_namespace, owner, why) < 0) return -1;
    }
    if (extra && add_file(extra, user_namespace, owner, why) < 0) return -1;
    return change_root(why);
}
