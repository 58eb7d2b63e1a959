#include "setup-plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/guest-protocol.h"

/* The numbers of partitions that a Linux disk can have. */
#define PARTITION_MAX 1023
#define SEED_MIN 32

/* Room for one more item, all zero; NULL when memory is short. */
static void *add_item(void *list, size_t *count, size_t size) {
    uint8_t *items = realloc(*(void **)list, (*count + 1) * size);
    if (!items) return NULL;
    *(void **)list = items;
    return memset(items + (*count)++ * size, 0, size);
}

static int take_bytes(const struct field *field, struct buffer *into, struct failure *why) {
    return buffer_append(into, field->value, field->length) < 0 ? field_broken(field, why) : 0;
}

static int take_mac(const struct field *field, uint8_t into[MAC_LENGTH], bool *has, struct failure *why) {
    if (field->length != MAC_LENGTH) return field_broken(field, why);
    memcpy(into, field->value, MAC_LENGTH);
    *has = true;
    return 0;
}

static int take_interface_field(const struct field *field, void *into, struct failure *why) {
    struct interface_plan *interface = into;
    switch (field->tag) {
        case GUEST_INTERFACE_MAC: return take_mac(field, interface->mac, &interface->is_named_by_mac, why);
        case GUEST_INTERFACE_NEW_MAC: return take_mac(field, interface->new_mac, &interface->has_new_mac, why);
        case GUEST_INTERFACE_NAME: return take_text(field, &interface->name, why);
        case GUEST_INTERFACE_MTU: return take_number_to(field, UINT16_MAX, &interface->mtu, why);
        case GUEST_INTERFACE_ADDRESS: return take_item(field, &interface->addresses, why);
        default: return field_broken(field, why);
    }
}

static int take_route_field(const struct field *field, void *into, struct failure *why) {
    struct route_plan *route = into;
    switch (field->tag) {
        case GUEST_ROUTE_DESTINATION: return take_text(field, &route->destination, why);
        case GUEST_ROUTE_GATEWAY: return take_text(field, &route->gateway, why);
        case GUEST_ROUTE_INTERFACE: return take_text(field, &route->interface, why);
        default: return field_broken(field, why);
    }
}

static int take_file_field(const struct field *field, void *into, struct failure *why) {
    struct file_plan *file = into;
    switch (field->tag) {
        case GUEST_FILE_PATH: return take_text(field, &file->path, why);
        case GUEST_FILE_MODE: return take_number_to(field, 07777, &file->mode, why);
        case GUEST_FILE_CONTENT: return take_bytes(field, &file->content, why);
        default: return field_broken(field, why);
    }
}

static int take_mount_field(const struct field *field, void *into, struct failure *why) {
    struct mount_plan *mount = into;
    switch (field->tag) {
        case GUEST_MOUNT_TYPE: return take_text(field, &mount->type, why);
        case GUEST_MOUNT_SOURCE: return take_text(field, &mount->source, why);
        case GUEST_MOUNT_DESTINATION: return take_text(field, &mount->destination, why);
        case GUEST_MOUNT_READ_ONLY: return take_flag(field, &mount->read_only, why);
        case GUEST_MOUNT_OPTIONS: return take_text(field, &mount->options, why);
        default: return field_broken(field, why);
    }
}

static int take_interface(const struct field *outer, struct setup_plan *plan, struct failure *why) {
    struct interface_plan *interface = add_item(&plan->interfaces, &plan->interface_count, sizeof(*interface));
    if (!interface) return field_broken(outer, why);
    return take_inner_fields(outer, take_interface_field, interface, why);
}

static int take_route(const struct field *outer, struct setup_plan *plan, struct failure *why) {
    struct route_plan *route = add_item(&plan->routes, &plan->route_count, sizeof(*route));
    if (!route || take_inner_fields(outer, take_route_field, route, why) < 0) return field_broken(outer, why);
    return route->interface && (route->destination || route->gateway) ? 0 : field_broken(outer, why);
}

static int take_file(const struct field *outer, struct setup_plan *plan, struct failure *why) {
    struct file_plan *file = add_item(&plan->files, &plan->file_count, sizeof(*file));
    if (!file) return field_broken(outer, why);
    return file_decode(outer->value, outer->length, file, why);
}

static int take_mount(const struct field *outer, struct setup_plan *plan, struct failure *why) {
    struct mount_plan *mount = add_item(&plan->mounts, &plan->mount_count, sizeof(*mount));
    if (!mount || take_inner_fields(outer, take_mount_field, mount, why) < 0) return field_broken(outer, why);
    return mount->type && mount->destination ? 0 : field_broken(outer, why);
}

static int take_layer(const struct field *field, struct setup_plan *plan, struct failure *why) {
    uint64_t *layer = add_item(&plan->layers, &plan->layer_count, sizeof(*layer));
    return layer && take_number_to(field, PARTITION_MAX, layer, why) == 0 && *layer > 0 ? 0 : field_broken(field, why);
}

static int take_seed(const struct field *field, struct setup_plan *plan, struct failure *why) {
    return field->length < SEED_MIN ? field_broken(field, why) : take_bytes(field, &plan->seed, why);
}

static int take_setup_field(const struct field *field, void *into, struct failure *why) {
    struct setup_plan *plan = into;
    switch (field->tag) {
        case GUEST_SETUP_TIME: return take_number(field, &plan->time, why);
        case GUEST_SETUP_SEED: return take_seed(field, plan, why);
        case GUEST_SETUP_HOSTNAME: return take_text(field, &plan->hostname, why);
        case GUEST_SETUP_DOMAINNAME: return take_text(field, &plan->domainname, why);
        case GUEST_SETUP_LAYER: return take_layer(field, plan, why);
        case GUEST_SETUP_WRITABLE: return take_flag(field, &plan->writable, why);
        case GUEST_SETUP_READ_ONLY_ROOT: return take_flag(field, &plan->read_only_root, why);
        case GUEST_SETUP_INTERFACE: return take_interface(field, plan, why);
        case GUEST_SETUP_ROUTE: return take_route(field, plan, why);
        case GUEST_SETUP_FILE: return take_file(field, plan, why);
        case GUEST_SETUP_MOUNT: return take_mount(field, plan, why);
        case GUEST_SETUP_SYSCTL: return take_item(field, &plan->sysctls, why);
        case GUEST_SETUP_SHM_SIZE: return take_number(field, &plan->shm_size, why);
        case GUEST_SETUP_MASKED_PATH: return take_item(field, &plan->masked_paths, why);
        case GUEST_SETUP_READ_ONLY_PATH: return take_item(field, &plan->read_only_paths, why);
        case GUEST_SETUP_NAME_SERVICE: return take_flag(field, &plan->name_service, why);
        case GUEST_SETUP_PIDS_LIMIT: return take_number(field, &plan->pids_limit, why);
        default: return field_broken(field, why);
    }
}

int setup_decode(const uint8_t *payload, size_t length, struct setup_plan *plan, struct failure *why) {
    *plan = (struct setup_plan){0};
    if (take_fields(payload, length, take_setup_field, plan, why) < 0) return -1;
    return plan->layer_count > 0 ? 0 : fail(why, FAILURE_INVALID, "the machine has no layers");
}

int file_decode(const uint8_t *payload, size_t length, struct file_plan *file, struct failure *why) {
    *file = (struct file_plan){.mode = 0644};
    if (take_fields(payload, length, take_file_field, file, why) < 0) return -1;
    return file->path ? 0 : fail(why, FAILURE_INVALID, "the file has no path");
}

void file_free(struct file_plan *file) {
    free(file->path);
    buffer_free(&file->content);
}

static void free_interfaces(struct setup_plan *plan) {
    for (size_t index = 0; index < plan->interface_count; index++) {
        free(plan->interfaces[index].name);
        texts_free(&plan->interfaces[index].addresses);
    }
    free(plan->interfaces);
}

static void free_routes(struct setup_plan *plan) {
    for (size_t index = 0; index < plan->route_count; index++) {
        free(plan->routes[index].destination);
        free(plan->routes[index].gateway);
        free(plan->routes[index].interface);
    }
    free(plan->routes);
}

static void free_mounts(struct setup_plan *plan) {
    for (size_t index = 0; index < plan->mount_count; index++) {
        free(plan->mounts[index].type);
        free(plan->mounts[index].source);
        free(plan->mounts[index].destination);
        free(plan->mounts[index].options);
    }
    free(plan->mounts);
}

void setup_free(struct setup_plan *plan) {
    buffer_free(&plan->seed);
    free(plan->hostname);
    free(plan->domainname);
    free(plan->layers);
    free_interfaces(plan);
    free_routes(plan);
    for (size_t index = 0; index < plan->file_count; index++) file_free(&plan->files[index]);
    free(plan->files);
    free_mounts(plan);
    texts_free(&plan->sysctls);
    texts_free(&plan->masked_paths);
    texts_free(&plan->read_only_paths);
    *plan = (struct setup_plan){0};
}
