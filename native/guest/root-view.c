#include "root-view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "boot.h"
#include "common/in-root.h"
#include "common/io.h"
#include "machine.h"
#include "mount-options.h"
#include "mount-points.h"

/* Docker's mounts of every container (moby, daemon/pkg/oci/defaults.go). */
struct usual_mount {
    const char *destination;
    const char *type;
    unsigned long flags;
    const char *data;
};

static const struct usual_mount USUAL[] = {
    {"/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL},
    {"/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"},
    {"/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
    {"/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL},
    {"/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL},
    {"/dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL},
};

static const struct {
    const char *name;
    unsigned major, minor;
} DEVICES[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

static const char *const LINKS[][2] = {{"/proc/self/fd", "fd"},
                                       {"/proc/self/fd/0", "stdin"},
                                       {"/proc/self/fd/1", "stdout"},
                                       {"/proc/self/fd/2", "stderr"},
                                       {"/proc/kcore", "core"},
                                       {"pts/ptmx", "ptmx"}};

/* A mount of the plan's at the same place replaces the usual one; one at /dev all of those below it, too. */
static bool is_replaced(const struct setup_plan *plan, const char *destination) {
    for (size_t index = 0; index < plan->mount_count; index++) {
        const char *theirs = plan->mounts[index].destination;
        if (strcmp(theirs, destination) == 0) return true;
        if (strcmp(theirs, "/dev") == 0 && strncmp(destination, "/dev/", 5) == 0) return true;
    }
    return false;
}

static int mount_new(int root, const char *destination, const char *type, const char *source, unsigned long flags,
                     const char *data, struct failure *why) {
    AUTO_CLOSE point = folder_point(root, destination, why);
    if (point < 0) return -1;
    return mount_at(source, point, type, flags, data) < 0 ? fail_errno(why, "%s cannot be mounted", destination) : 0;
}

static int make_devices(int root, struct failure *why) {
    AUTO_CLOSE folder = open_in_root(root, "/dev", O_RDONLY | O_DIRECTORY);
    if (folder < 0) return fail_errno(why, "/dev");
    for (size_t index = 0; index < sizeof(DEVICES) / sizeof(*DEVICES); index++) {
        dev_t number = makedev(DEVICES[index].major, DEVICES[index].minor);
        if (mknodat(folder, DEVICES[index].name, S_IFCHR | 0666, number) < 0) {
            return fail_errno(why, "/dev/%s", DEVICES[index].name);
        }
    }
    for (size_t index = 0; index < sizeof(LINKS) / sizeof(*LINKS); index++) {
        if (symlinkat(LINKS[index][0], folder, LINKS[index][1]) < 0) return fail_errno(why, "/dev/%s", LINKS[index][1]);
    }
    return 0;
}

static int mount_usual(int root, const struct setup_plan *plan, struct failure *why) {
    for (size_t index = 0; index < sizeof(USUAL) / sizeof(*USUAL); index++) {
        const struct usual_mount *usual = &USUAL[index];
        if (is_replaced(plan, usual->destination)) continue;
        if (mount_new(root, usual->destination, usual->type, usual->type, usual->flags, usual->data, why) < 0) return -1;
        if (strcmp(usual->destination, "/dev") == 0 && make_devices(root, why) < 0) return -1;
    }
    if (plan->shm_size == 0 || is_replaced(plan, "/dev/shm")) return 0;
    char data[64];
    snprintf(data, sizeof(data), "mode=1777,size=%llu", (unsigned long long)plan->shm_size);
    return mount_new(root, "/dev/shm", "tmpfs", "shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, data, why);
}

/* The flags of a bind mount are set on its clone, before anybody can see it. */
static int restrict_tree(int tree, unsigned long flags) {
    static const struct {
        unsigned long flag;
        uint64_t attribute;
    } KNOWN[] = {{MS_RDONLY, MOUNT_ATTR_RDONLY},
                 {MS_NOSUID, MOUNT_ATTR_NOSUID},
                 {MS_NODEV, MOUNT_ATTR_NODEV},
                 {MS_NOEXEC, MOUNT_ATTR_NOEXEC}};
    struct mount_attr attributes = {0};
    for (size_t index = 0; index < sizeof(KNOWN) / sizeof(*KNOWN); index++) {
        if (flags & KNOWN[index].flag) attributes.attr_set |= KNOWN[index].attribute;
    }
    return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes));
}

/* Shows what `source` is, a folder or not, at `destination`. */
static int bind(int root, int source, const char *destination, unsigned long flags, struct failure *why) {
    struct stat what;
    AUTO_CLOSE tree = open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 || fstat(tree, &what) < 0 || restrict_tree(tree, flags) < 0) {
        return fail_errno(why, "%s cannot be mounted", destination);
    }
    AUTO_CLOSE point =
        S_ISDIR(what.st_mode) ? folder_point(root, destination, why) : file_point(root, destination, why);
    if (point < 0) return -1;
    return attach_at(tree, point) < 0 ? fail_errno(why, "%s cannot be mounted", destination) : 0;
}

static int bind_path(int root, const char *source, const char *destination, unsigned long flags, struct failure *why) {
    AUTO_CLOSE file = open(source, O_PATH | O_CLOEXEC);
    return file < 0 ? fail_errno(why, "%s", source) : bind(root, file, destination, flags, why);
}

static int mount_share(int root, const struct mount_plan *plan, unsigned long flags, struct failure *why) {
    AUTO_CLOSE shares = open(SHARES_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE source = shares < 0 || !plan->source ? -1 : open_in_root(shares, plan->source, O_PATH);
    if (source < 0) return fail_errno(why, "the host's folder for %s is not shared", plan->destination);
    return bind(root, source, plan->destination, flags, why);
}

static int mount_planned(int root, const struct mount_plan *plan, struct failure *why) {
    struct mount_options options;
    if (mount_options_parse(plan->options, &options, why) < 0) return -1;
    if (plan->read_only) options.flags |= MS_RDONLY;
    if (strcmp(plan->type, "share") == 0) return mount_share(root, plan, options.flags, why);
    bool is_known = strcmp(plan->type, "tmpfs") == 0 || (strcmp(plan->type, "virtiofs") == 0 && plan->source);
    if (!is_known) return fail(why, FAILURE_INVALID, "%s is no kind of mount", plan->type);
    const char *source = plan->source ? plan->source : plan->type;
    return mount_new(root, plan->destination, plan->type, source, options.flags, options.data, why);
}

static int mount_plans(int root, const struct setup_plan *plan, struct failure *why) {
    for (size_t index = 0; index < plan->mount_count; index++) {
        if (mount_planned(root, &plan->mounts[index], why) < 0) return -1;
    }
    for (size_t index = 0; index < plan->file_count; index++) {
        char source[64];
        machine_file_path(index, source, sizeof(source));
        if (bind_path(root, source, plan->files[index].path, 0, why) < 0) return -1;
    }
    return 0;
}

static int is_absent(void) {
    return errno == ENOENT || errno == ENOTDIR;
}

static int mask(int root, const char *path, struct failure *why) {
    struct stat what;
    AUTO_CLOSE point = open_in_root(root, path, O_PATH);
    if (point < 0 && is_absent()) return 0;
    if (point < 0 || fstat(point, &what) < 0) return fail_errno(why, "%s cannot be hidden", path);
    int result;
    if (S_ISDIR(what.st_mode)) {
        result = mount_at("tmpfs", point, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k");
    } else {
        AUTO_CLOSE nothing = open_in_root(root, "/dev/null", O_PATH);
        AUTO_CLOSE tree = open_tree(nothing, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        result = tree < 0 ? -1 : attach_at(tree, point);
    }
    return result < 0 ? fail_errno(why, "%s cannot be hidden", path) : 0;
}

static int protect(int root, const char *path, struct failure *why) {
    AUTO_CLOSE point = open_in_root(root, path, O_PATH);
    if (point < 0 && is_absent()) return 0;
    AUTO_CLOSE tree = point < 0 ? -1 : open_tree(point, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 || restrict_tree(tree, MS_RDONLY) < 0 || attach_at(tree, point) < 0) {
        return fail_errno(why, "%s cannot be made read-only", path);
    }
    return 0;
}

static int hide_and_protect(int root, const struct setup_plan *plan, struct failure *why) {
    for (size_t index = 0; index < plan->masked_paths.count; index++) {
        if (mask(root, plan->masked_paths.items[index], why) < 0) return -1;
    }
    for (size_t index = 0; index < plan->read_only_paths.count; index++) {
        if (protect(root, plan->read_only_paths.items[index], why) < 0) return -1;
    }
    return 0;
}

/* "net.ipv4.ip_forward=1" is in /proc/sys/net/ipv4/ip_forward; what the new namespaces hold is set in them. */
static int set_sysctl(const char *setting, struct failure *why) {
    char path[256] = "/proc/sys/";
    size_t length = strcspn(setting, "=");
    if (setting[length] == 0 || length >= sizeof(path) - strlen(path)) {
        return fail(why, FAILURE_INVALID, "%s is no sysctl", setting);
    }
    size_t at = strlen(path);
    snprintf(path + at, sizeof(path) - at, "%.*s", (int)length, setting);
    for (char *dot = path + at; *dot; dot++) {
        if (*dot == '.') *dot = '/';
    }
    AUTO_CLOSE file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write_all(file, setting + length + 1, strlen(setting + length + 1)) < 0) {
        return fail_errno(why, "the sysctl %s", setting);
    }
    return 0;
}

static int pivot(struct failure *why) {
    if (chdir(ROOT_DIRECTORY) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0) {
        return fail_errno(why, "the root cannot be entered");
    }
    return 0;
}

static int make_root_read_only(struct failure *why) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof(attributes)) == 0) return 0;
    return fail_errno(why, "the root cannot be made read-only");
}

static int make_directory(int root, const char *directory, struct failure *why) {
    AUTO_CLOSE folder = open_in_root(root, directory, O_PATH);
    if (folder >= 0) return 0; /* entered later, as its user: then it is said what is wrong with it */
    AUTO_CLOSE made = folder_point(root, directory, why);
    if (made >= 0) return 0;
    return fail_errno(why, "chdir `%s`", directory);
}

int enter_root(const struct setup_plan *plan, const char *directory, bool with_init, struct failure *why) {
    for (size_t index = 0; index < plan->sysctls.count; index++) {
        if (set_sysctl(plan->sysctls.items[index], why) < 0) return -1;
    }
    AUTO_CLOSE root = open(ROOT_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return fail_errno(why, ROOT_DIRECTORY);
    if (mount_usual(root, plan, why) < 0 || mount_plans(root, plan, why) < 0) return -1;
    if (with_init && bind_path(root, INIT_PROGRAM, INIT_POINT, MS_RDONLY, why) < 0) return -1;
    if (directory && make_directory(root, directory, why) < 0) return -1;
    if (hide_and_protect(root, plan, why) < 0 || pivot(why) < 0) return -1;
    return plan->read_only_root ? make_root_read_only(why) : 0;
}
