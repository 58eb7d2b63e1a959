#include "boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/guest-protocol.h"
#include "common/io.h"
#include "shares.h"
#include "uevents.h"

/* The root that is kept: a tmpfs, as a file system of the initramfs cannot be left by pivot_root(2). */
#define BASE "/base"
#define MODULES "/modules"
#define PORTS "/sys/class/virtio-ports"

/* A port is announced by the device, which takes its time while the host is busy. */
#define PORT_PATIENCE 30000

static int make_folders(struct failure *why) {
    static const char *const FOLDERS[] = {"/proc",           "/sys",           "/dev",
                                          LAYERS_DIRECTORY,  WRITABLE_DIRECTORY, ROOT_DIRECTORY,
                                          SHARES_DIRECTORY,  FILES_DIRECTORY,  EMPTY_DIRECTORY,
                                          CGROUP_DIRECTORY};
    char path[64];
    for (size_t index = 0; index < sizeof(FOLDERS) / sizeof(*FOLDERS); index++) {
        snprintf(path, sizeof(path), BASE "%s", FOLDERS[index]);
        if (mkdir(path, 0755) < 0) return fail_errno(why, "%s", path);
    }
    return 0;
}

static int mount_base(struct failure *why) {
    if (mkdir(BASE, 0755) < 0 || mount("tmpfs", BASE, "tmpfs", 0, "mode=755") < 0) return fail_errno(why, BASE);
    if (make_folders(why) < 0) return -1;
    if (mount("proc", BASE "/proc", "proc", 0, NULL) < 0) return fail_errno(why, "/proc");
    if (mount("sysfs", BASE "/sys", "sysfs", 0, NULL) < 0) return fail_errno(why, "/sys");
    if (mount("devtmpfs", BASE "/dev", "devtmpfs", 0, "mode=755") < 0) return fail_errno(why, "/dev");
    return 0;
}

/* The programs that are needed later go along; the rest of the first root goes. */
static int keep_program(const char *path, struct failure *why) {
    char kept[64];
    snprintf(kept, sizeof(kept), BASE "%s", path);
    AUTO_CLOSE from = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE to = open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (from < 0 || to < 0) return fail_errno(why, "%s", path);
    ssize_t count;
    do count = sendfile(to, from, NULL, 1 << 20);
    while (count > 0);
    if (count < 0) return fail_errno(why, "%s", path);
    unlink(path);
    return 0;
}

/* A module for a processor's or device's feature that is not there is refused (ENODEV): nothing is lost. */
static void load_module(const char *name) {
    char path[128];
    snprintf(path, sizeof(path), MODULES "/%s", name);
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || syscall(SYS_finit_module, file, "", 0) < 0) {
        if (errno != ENODEV && errno != EEXIST) log_line("the module %s: %s", name, strerror(errno));
    }
}

/* A kernel with everything built in has an empty list. */
static void load_list(const char *list) {
    char path[64], name[64];
    snprintf(path, sizeof(path), MODULES "/%s", list);
    FILE *order = fopen(path, "re");
    if (!order) return;
    while (fgets(name, sizeof(name), order)) {
        name[strcspn(name, "\n")] = 0;
        load_module(name);
    }
    fclose(order);
}

/* Files of the first root take memory for as long as they have a name. */
static void forget_modules(void) {
    DIR *folder = opendir(MODULES);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder));) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

static void load_modules(void) {
    static const char *const TRANSPORTS[] = {"9p", "virtiofs"};
    load_list("order");
    for (size_t index = 0; index < sizeof(TRANSPORTS) / sizeof(*TRANSPORTS); index++) {
        if (may_be_shared_by(TRANSPORTS[index])) load_list(TRANSPORTS[index]);
    }
    forget_modules();
}

static int enter_base(struct failure *why) {
    if (chdir(BASE) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
        return fail_errno(why, "the first root cannot be left");
    }
    return 0;
}

static int write_text(const char *path, const char *text) {
    AUTO_CLOSE file = open(path, O_WRONLY | O_CLOEXEC);
    return file < 0 ? -1 : write_all(file, text, strlen(text));
}

/* One group for all processes: its accounts are those of the machine without its PID 1. */
static int make_cgroup(struct failure *why) {
    static const char *const CONTROLLERS[] = {"+cpu", "+cpuset", "+memory", "+pids", "+io"};
    if (mount("cgroup2", CGROUP_DIRECTORY, "cgroup2", 0, NULL) < 0) return fail_errno(why, "control groups");
    for (size_t index = 0; index < sizeof(CONTROLLERS) / sizeof(*CONTROLLERS); index++) {
        write_text(CGROUP_DIRECTORY "/cgroup.subtree_control", CONTROLLERS[index]); /* a kernel may lack some */
    }
    return mkdir(PROCESSES_CGROUP, 0755) < 0 ? fail_errno(why, "control groups") : 0;
}

int boot(struct failure *why) {
    umask(0);
    if (mount_base(why) < 0) return -1;
    load_modules();
    if (keep_program(WORKER_PROGRAM, why) < 0 || keep_program(INIT_PROGRAM, why) < 0) return -1;
    if (enter_base(why) < 0 || make_cgroup(why) < 0) return -1;
    write_text("/proc/self/oom_score_adj", "-1000");
    return 0;
}

struct port_search {
    char device[64]; /* empty: not found yet */
};

static bool has_our_name(const char *port) {
    char path[128], name[64] = "";
    snprintf(path, sizeof(path), PORTS "/%.60s/name", port);
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, name, sizeof(name) - 1) <= 0) return false;
    name[strcspn(name, "\n")] = 0;
    return strcmp(name, GUEST_PORT) == 0;
}

static bool find_port(void *context) {
    struct port_search *search = context;
    DIR *ports = opendir(PORTS);
    if (!ports) return false;
    for (struct dirent *entry; !search->device[0] && (entry = readdir(ports));) {
        if (has_our_name(entry->d_name)) snprintf(search->device, sizeof(search->device), "/dev/%.40s", entry->d_name);
    }
    closedir(ports);
    return search->device[0] && access(search->device, F_OK) == 0;
}

int open_host_port(struct failure *why) {
    AUTO_CLOSE uevents = uevents_open();
    if (uevents < 0) return fail_errno(why, "the kernel's news of devices");
    struct port_search search = {0};
    if (!uevents_await(uevents, find_port, &search, PORT_PATIENCE)) {
        return fail(why, FAILURE_UNAVAILABLE, "there is no port %s", GUEST_PORT);
    }
    int port = open(search.device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return port < 0 ? fail_errno(why, "the port %s", search.device) : port;
}
