#include "disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "common/guest-protocol.h"
#include "common/io.h"
#include "uevents.h"

#define SCSI_HOST "/sys/class/scsi_host/host0/scan"
/* Channel 0, target 0, every LUN. Looking at all targets takes seconds. */
#define SCSI_SCAN "0 0 -"
#define DISK_PATIENCE 60000

/* "sda" of the disk with this LUN; the kernel numbers letters as it likes. */
static bool disk_name(int lun, char *name, size_t size) {
    char path[96];
    snprintf(path, sizeof(path), "/sys/class/scsi_device/0:0:0:%d/device/block", lun);
    DIR *folder = opendir(path);
    if (!folder) return false;
    struct dirent *entry;
    do entry = readdir(folder);
    while (entry && entry->d_name[0] == '.');
    if (entry) snprintf(name, size, "%.30s", entry->d_name);
    closedir(folder);
    return entry != NULL;
}

static bool device_path(int lun, uint64_t partition, char *path, size_t size) {
    char name[32];
    if (!disk_name(lun, name, sizeof(name))) return false;
    if (partition == 0) snprintf(path, size, "/dev/%s", name);
    else snprintf(path, size, "/dev/%s%llu", name, (unsigned long long)partition);
    return true;
}

/* The kernel makes the node of a partition a moment before the partition itself can be opened. */
static bool is_device(int lun, uint64_t partition) {
    char path[64];
    if (!device_path(lun, partition, path, sizeof(path))) return false;
    AUTO_CLOSE device = open(path, O_RDONLY | O_CLOEXEC);
    return device >= 0;
}

/* The last one first: it comes last. */
static bool are_there(void *context) {
    const struct setup_plan *plan = context;
    for (size_t left = plan->layer_count; left > 0; left--) {
        if (!is_device(GUEST_LAYER_LUN, plan->layers[left - 1])) return false;
    }
    return !plan->writable || is_device(GUEST_WRITABLE_LUN, 0);
}

int find_disks(const struct setup_plan *plan, struct failure *why) {
    if (are_there((void *)plan)) return 0;
    AUTO_CLOSE uevents = uevents_open();
    AUTO_CLOSE scan = open(SCSI_HOST, O_WRONLY | O_CLOEXEC);
    if (uevents < 0 || scan < 0) return fail_errno(why, "the disks' controller");
    if (write_all(scan, SCSI_SCAN, strlen(SCSI_SCAN)) < 0) return fail_errno(why, "the disks cannot be looked for");
    if (uevents_await(uevents, are_there, (void *)plan, DISK_PATIENCE)) return 0;
    return fail(why, FAILURE_UNAVAILABLE, "the disks with the machine's %zu layers are not there", plan->layer_count);
}

static int mount_layer(size_t index, uint64_t partition, struct failure *why) {
    char device[64], point[64];
    snprintf(point, sizeof(point), LAYERS_DIRECTORY "/%zu", index);
    if (mkdir(point, 0755) < 0) return fail_errno(why, "%s", point);
    if (!device_path(GUEST_LAYER_LUN, partition, device, sizeof(device)) ||
        mount(device, point, "erofs", MS_RDONLY, NULL) < 0) {
        return fail_errno(why, "the layer %zu cannot be mounted", index + 1);
    }
    return 0;
}

/* Without a disk, what is written is in the memory, and ends with the machine. */
static int mount_writable(bool is_disk, struct failure *why) {
    char device[64] = "tmpfs";
    if (is_disk && !device_path(GUEST_WRITABLE_LUN, 0, device, sizeof(device))) {
        return fail(why, FAILURE_UNAVAILABLE, "the writable disk is not there");
    }
    const char *type = is_disk ? "ext4" : "tmpfs";
    const char *options = is_disk ? NULL : "mode=755";
    if (mount(device, WRITABLE_DIRECTORY, type, MS_RELATIME, options) < 0) {
        return fail_errno(why, "what the machine writes cannot be kept: its disk cannot be mounted");
    }
    return 0;
}

int mount_disks(const struct setup_plan *plan, struct failure *why) {
    for (size_t index = 0; index < plan->layer_count; index++) {
        if (mount_layer(index, plan->layers[index], why) < 0) return -1;
    }
    return mount_writable(plan->writable, why);
}
