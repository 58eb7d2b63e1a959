#include "disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"

#define DISKS "/sys/block"

static bool has_serial(const char *disk, const char *wanted) {
    char path[96], serial[32] = "";
    snprintf(path, sizeof(path), DISKS "/%.40s/serial", disk);
    AUTO_CLOSE file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, serial, sizeof(serial) - 1) < 0) return false;
    serial[strcspn(serial, "\n")] = 0;
    return strcmp(serial, wanted) == 0;
}

/* "vda" of the disk with this serial number: the kernel gives letters in the order in which it finds disks. */
static int find_disk(const char *serial, char *name, size_t size, struct failure *why) {
    DIR *disks = opendir(DISKS);
    if (!disks) return fail_errno(why, DISKS);
    struct dirent *entry;
    do entry = readdir(disks);
    while (entry && !has_serial(entry->d_name, serial));
    if (entry) snprintf(name, size, "%.30s", entry->d_name);
    closedir(disks);
    return entry ? 0 : fail(why, FAILURE_UNAVAILABLE, "the machine has no disk \"%s\"", serial);
}

/*
 * Throws away what the kernel has read of a disk: when the machine was a template, there was nothing on it. Its
 * partitions are then there when this returns.
 */
static int read_anew(const char *name, unsigned long request, struct failure *why) {
    char path[64];
    snprintf(path, sizeof(path), "/dev/%s", name);
    AUTO_CLOSE disk = open(path, O_RDONLY | O_CLOEXEC);
    if (disk < 0 || ioctl(disk, request, 0) < 0) return fail_errno(why, "the disk %s cannot be read", path);
    return 0;
}

static int mount_layer(const char *disk, size_t index, uint64_t partition, struct failure *why) {
    char device[64], point[64];
    snprintf(device, sizeof(device), "/dev/%s%llu", disk, (unsigned long long)partition);
    snprintf(point, sizeof(point), LAYERS_DIRECTORY "/%zu", index);
    if (mkdir(point, 0755) < 0) return fail_errno(why, "%s", point);
    if (mount(device, point, "erofs", MS_RDONLY, NULL) < 0) {
        return fail_errno(why, "the layer %zu cannot be mounted", index + 1);
    }
    return 0;
}

static int mount_layers(const struct setup_plan *plan, struct failure *why) {
    char disk[32];
    if (plan->layer_count == 0) return 0;
    if (find_disk(GUEST_LAYER_DISK, disk, sizeof(disk), why) < 0 || read_anew(disk, BLKRRPART, why) < 0) return -1;
    for (size_t index = 0; index < plan->layer_count; index++) {
        if (mount_layer(disk, index, plan->layers[index], why) < 0) return -1;
    }
    return 0;
}

static int mount_writable_disk(struct failure *why) {
    char disk[32], device[64];
    if (find_disk(GUEST_WRITABLE_DISK, disk, sizeof(disk), why) < 0 || read_anew(disk, BLKFLSBUF, why) < 0) return -1;
    snprintf(device, sizeof(device), "/dev/%s", disk);
    if (mount(device, WRITABLE_DIRECTORY, "ext4", MS_RELATIME, NULL) == 0) return 0;
    return fail_errno(why, "what the machine writes cannot be kept: its disk cannot be mounted");
}

int mount_disks(const struct setup_plan *plan, struct failure *why) {
    if (mount_layers(plan, why) < 0) return -1;
    if (plan->writable) return mount_writable_disk(why);
    /* What is written is in the memory, and ends with the machine. */
    if (mount("tmpfs", WRITABLE_DIRECTORY, "tmpfs", MS_RELATIME, "mode=755") == 0) return 0;
    return fail_errno(why, "there is no place for what the machine writes");
}
