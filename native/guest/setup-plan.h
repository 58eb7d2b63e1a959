/* What SETUP says, decoded: the machine that the processes are to see. */
#ifndef BERTH_GUEST_SETUP_PLAN_H
#define BERTH_GUEST_SETUP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/fields.h"

#define MAC_LENGTH 6

struct interface_plan {
    bool is_named_by_mac;
    uint8_t mac[MAC_LENGTH];
    bool has_new_mac;
    uint8_t new_mac[MAC_LENGTH];
    char *name;
    uint64_t mtu; /* 0: as it is */
    struct texts addresses;
};

struct route_plan {
    char *destination; /* NULL: everything */
    char *gateway;     /* NULL: directly */
    char *interface;
};

struct file_plan {
    char *path;
    uint64_t mode;
    struct buffer content;
};

struct mount_plan {
    char *type;
    char *source;
    char *destination;
    char *options;
    bool read_only;
};

struct setup_plan {
    uint64_t time; /* 0: the clock stays */
    struct buffer seed;
    char *hostname;
    char *domainname;
    uint64_t *layers; /* partitions, the bottom one first */
    size_t layer_count;
    bool writable;
    bool read_only_root;
    struct interface_plan *interfaces;
    size_t interface_count;
    struct route_plan *routes;
    size_t route_count;
    struct file_plan *files;
    size_t file_count;
    struct mount_plan *mounts;
    size_t mount_count;
    struct texts sysctls;
    struct texts masked_paths;
    struct texts read_only_paths;
    uint64_t shm_size;
    bool name_service;
    uint64_t pids_limit;
};

/* Fields that are unknown, doubled or out of range are refused. `plan` is to be freed either way. */
int setup_decode(const uint8_t *payload, size_t length, struct setup_plan *plan, struct failure *why);
void setup_free(struct setup_plan *plan);

/* Decodes the fields of a file. `file` is to be freed either way. */
int file_decode(const uint8_t *payload, size_t length, struct file_plan *file, struct failure *why);
void file_free(struct file_plan *file);

#endif
