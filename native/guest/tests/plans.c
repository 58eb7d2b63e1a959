/* SETUP and START are decoded as they were written, and what makes no sense is refused. */
#include "guest/process-plan.h"
#include "guest/setup-plan.h"

#include <string.h>

#include "common/guest-protocol.h"
#include "testing/check.h"

static void a_whole_setup_is_decoded(void) {
    AUTO_BUFFER payload = {0};
    AUTO_BUFFER inner = {0};
    uint8_t seed[32] = {7};
    field_append_number(&payload, GUEST_SETUP_TIME, 5);
    field_append(&payload, GUEST_SETUP_SEED, seed, sizeof(seed));
    field_append_text(&payload, GUEST_SETUP_HOSTNAME, "machine");
    field_append_number(&payload, GUEST_SETUP_LAYER, 1);
    field_append_number(&payload, GUEST_SETUP_LAYER, 2);
    field_append_number(&payload, GUEST_SETUP_WRITABLE, 1);
    field_append(&inner, GUEST_INTERFACE_NEW_MAC, "\2\0\0\0\0\1", 6);
    field_append_text(&inner, GUEST_INTERFACE_NAME, "eth0");
    field_append_text(&inner, GUEST_INTERFACE_ADDRESS, "10.0.0.2/8");
    field_append(&payload, GUEST_SETUP_INTERFACE, inner.data, inner.length);
    buffer_free(&inner);
    field_append_text(&inner, GUEST_FILE_PATH, "/etc/hosts");
    field_append_text(&inner, GUEST_FILE_CONTENT, "::1 localhost\n");
    field_append(&payload, GUEST_SETUP_FILE, inner.data, inner.length);
    buffer_free(&inner);
    field_append_text(&inner, GUEST_MOUNT_TYPE, "tmpfs");
    field_append_text(&inner, GUEST_MOUNT_DESTINATION, "/scratch");
    field_append_number(&inner, GUEST_MOUNT_READ_ONLY, 1);
    field_append(&payload, GUEST_SETUP_MOUNT, inner.data, inner.length);
    buffer_free(&inner);
    field_append_text(&inner, GUEST_ROUTE_GATEWAY, "10.0.0.1");
    field_append_text(&inner, GUEST_ROUTE_INTERFACE, "eth0");
    field_append(&payload, GUEST_SETUP_ROUTE, inner.data, inner.length);

    struct setup_plan plan;
    struct failure why;
    CHECK(setup_decode(payload.data, payload.length, &plan, &why) == 0);
    CHECK(plan.time == 5 && plan.seed.length == 32 && strcmp(plan.hostname, "machine") == 0);
    CHECK(plan.layer_count == 2 && plan.layers[1] == 2 && plan.writable && !plan.read_only_root);
    CHECK(plan.interface_count == 1 && plan.interfaces[0].has_new_mac && !plan.interfaces[0].is_named_by_mac);
    CHECK(strcmp(plan.interfaces[0].addresses.items[0], "10.0.0.2/8") == 0);
    CHECK(plan.file_count == 1 && plan.files[0].mode == 0644 && plan.files[0].content.length == 14);
    CHECK(plan.mount_count == 1 && plan.mounts[0].read_only && !plan.mounts[0].source);
    CHECK(plan.route_count == 1 && !plan.routes[0].destination);
    setup_free(&plan);
}

/* Whether a SETUP with this one field more than a layer is refused. */
static bool refuses_setup(uint16_t tag, const void *value, size_t length) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, GUEST_SETUP_LAYER, 1);
    field_append(&payload, tag, value, length);
    struct setup_plan plan;
    struct failure why;
    int result = setup_decode(payload.data, payload.length, &plan, &why);
    setup_free(&plan);
    return result < 0 && strcmp(why.kind, FAILURE_INVALID) == 0;
}

static void impossible_setups_are_refused(void) {
    static const uint8_t zero[8] = {0}, two[8] = {2};
    struct setup_plan plan;
    struct failure why;
    CHECK(setup_decode(NULL, 0, &plan, &why) < 0 && strcmp(why.message, "the machine has no layers") == 0);
    setup_free(&plan);
    CHECK(refuses_setup(GUEST_SETUP_SEED, "too short", 9));
    CHECK(refuses_setup(GUEST_SETUP_LAYER, zero, 8));
    CHECK(refuses_setup(GUEST_SETUP_WRITABLE, two, 8));
    CHECK(refuses_setup(GUEST_SETUP_HOSTNAME, "a\0b", 3));
    CHECK(refuses_setup(GUEST_SETUP_INTERFACE, "\1\0\3\0\0\0mac", 9));
    CHECK(refuses_setup(GUEST_SETUP_ROUTE, "\3\0\4\0\0\0eth0", 10));
    CHECK(refuses_setup(GUEST_SETUP_MOUNT, "\1\0\5\0\0\0tmpfs", 11));
    CHECK(refuses_setup(GUEST_SETUP_FILE, "\3\0\1\0\0\0x", 7));
    CHECK(refuses_setup(999, "", 0));
}

static void a_whole_process_is_decoded(void) {
    AUTO_BUFFER payload = {0};
    uint8_t rlimit[24] = {7, [8] = 10, [16] = 20};
    field_append_text(&payload, GUEST_PROCESS_ARGUMENT, "echo");
    field_append_text(&payload, GUEST_PROCESS_ARGUMENT, "");
    field_append_text(&payload, GUEST_PROCESS_ENVIRONMENT, "A=b");
    field_append_number(&payload, GUEST_PROCESS_UID, 1000);
    field_append_number(&payload, GUEST_PROCESS_GROUP, 7);
    field_append_number(&payload, GUEST_PROCESS_GROUP, 8);
    field_append_number(&payload, GUEST_PROCESS_TERMINAL, 1);
    field_append_number(&payload, GUEST_PROCESS_BOUNDING, UINT64_C(1) << 40);
    field_append(&payload, GUEST_PROCESS_RLIMIT, rlimit, sizeof(rlimit));
    struct process_plan plan;
    struct failure why;
    CHECK(process_decode(payload.data, payload.length, &plan, &why) == 0);
    CHECK(plan.arguments.count == 2 && strcmp(plan.arguments.items[1], "") == 0);
    CHECK(plan.uid == 1000 && plan.group_count == 2 && plan.groups[1] == 8 && plan.terminal);
    CHECK(plan.capabilities.bounding == UINT64_C(1) << 40);
    CHECK(plan.rlimit_count == 1 && plan.rlimits[0].resource == 7 && plan.rlimits[0].soft == 10 &&
          plan.rlimits[0].hard == 20);
    CHECK(plan.umask == 0022 && plan.oom_score == 1000);
    process_plan_free(&plan);
}

static bool refuses_process(uint16_t tag, const void *value, size_t length) {
    AUTO_BUFFER payload = {0};
    field_append_text(&payload, GUEST_PROCESS_ARGUMENT, "true");
    field_append(&payload, tag, value, length);
    struct process_plan plan;
    struct failure why;
    int result = process_decode(payload.data, payload.length, &plan, &why);
    process_plan_free(&plan);
    return result < 0;
}

static void impossible_processes_are_refused(void) {
    static const uint8_t largest[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    struct process_plan plan;
    struct failure why;
    CHECK(process_decode(NULL, 0, &plan, &why) < 0 && strcmp(why.message, "the process has no command") == 0);
    process_plan_free(&plan);
    CHECK(refuses_process(GUEST_PROCESS_UID, largest, 8));
    CHECK(refuses_process(GUEST_PROCESS_GROUP, largest, 8));
    CHECK(refuses_process(GUEST_PROCESS_WORKER, largest, 8));
    CHECK(refuses_process(GUEST_PROCESS_UMASK, largest, 8));
    CHECK(refuses_process(GUEST_PROCESS_RLIMIT, largest, 8));
    CHECK(refuses_process(GUEST_PROCESS_SECCOMP, largest, 7));
    CHECK(refuses_process(GUEST_PROCESS_ARGUMENT, "a\0b", 3));
    CHECK(refuses_process(999, "", 0));
}

int main(void) {
    a_whole_setup_is_decoded();
    impossible_setups_are_refused();
    a_whole_process_is_decoded();
    impossible_processes_are_refused();
    return 0;
}
