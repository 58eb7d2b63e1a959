/* Plans of machines: whole ones are understood, others refused. */
#include "vm/machine-plan.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/vm-plan.h"
#include "testing/check.h"

static void append_machine(struct buffer *out) {
    AUTO_BUFFER file = {0};
    field_append_text(&file, VM_FILE_HOST_PATH, "/data/disk");
    field_append_text(&file, VM_FILE_NAME, "/disks/writable");
    field_append_number(&file, VM_FILE_WRITABLE, 1);
    AUTO_BUFFER await = {0};
    field_append_text(&await, VM_AWAIT_EVENT, "MIGRATION");
    field_append_text(&await, VM_AWAIT_WORD, "completed");
    AUTO_BUFFER server = {0};
    field_append_text(&server, VM_MACHINE_PROGRAM, "/usr/lib/qemu/virtiofsd");
    field_append_text(&server, VM_MACHINE_ARGUMENT, "--fd=3");
    field_append(&server, VM_MACHINE_FILE, file.data, file.length);
    AUTO_BUFFER machine = {0};
    field_append(&machine, VM_MACHINE_FILE_SERVER, server.data, server.length);
    field_append_text(&machine, VM_MACHINE_PROGRAM, "/usr/bin/qemu");
    field_append_text(&machine, VM_MACHINE_ARGUMENT, "-m");
    field_append_text(&machine, VM_MACHINE_ARGUMENT, "512M");
    field_append(&machine, VM_MACHINE_FILE, file.data, file.length);
    field_append_text(&machine, VM_MACHINE_QMP, "{\"execute\":\"cont\"}");
    field_append(&machine, VM_MACHINE_AWAIT, await.data, await.length);
    field_append_text(&machine, VM_MACHINE_MEMORY, "/data/template/memory");
    field_append_number(&machine, VM_MACHINE_FILE_SIZE, 1 << 20);
    field_append_number(&machine, VM_MACHINE_BOOT_TIMEOUT, 30000);
    field_append(out, VM_PLAN_MACHINE, machine.data, machine.length);
}

static void append_rest(struct buffer *out) {
    field_append_number(out, VM_PLAN_UID_BASE, 1000000);
    field_append_text(out, VM_PLAN_SETUP, "setup");
    field_append_text(out, VM_PLAN_PROCESS, "process");
}

static void check_refused(const struct buffer *payload, const char *words) {
    struct vm_plan plan;
    struct failure why;
    CHECK(vm_plan_decode(payload->data, payload->length, &plan, &why) < 0);
    CHECK(strcmp(why.kind, FAILURE_INVALID) == 0);
    CHECK(strstr(why.message, words));
    vm_plan_free(&plan);
}

static void a_whole_plan_is_understood(void) {
    AUTO_BUFFER out = {0};
    AUTO_BUFFER setting = {0};
    AUTO_BUFFER cgroup = {0};
    append_machine(&out);
    append_rest(&out);
    field_append_text(&out, VM_PLAN_NETWORK, "/proc/1/ns/net");
    field_append_text(&out, VM_PLAN_TAP, "eth0");
    field_append_text(&setting, VM_SETTING_FILE, "pids.max");
    field_append_text(&setting, VM_SETTING_VALUE, "9");
    field_append_text(&cgroup, VM_CGROUP_FOLDER, "/sys/fs/cgroup/x");
    field_append(&cgroup, VM_CGROUP_SETTING, setting.data, setting.length);
    field_append(&out, VM_PLAN_CGROUP, cgroup.data, cgroup.length);
    struct vm_plan plan;
    struct failure why;
    CHECK(vm_plan_decode(out.data, out.length, &plan, &why) == 0);
    CHECK(plan.machine_count == 1 && plan.uid_base == 1000000 && plan.taps.count == 1);
    const struct machine_plan *machine = &plan.machines[0];
    CHECK(machine->qemu.arguments.count == 2 && machine->qemu.file_count == 1 && machine->qemu.files[0].writable);
    CHECK(machine->file_size == 1 << 20);
    CHECK(!machine->qemu.files[0].idmap && machine->boot_timeout == 30000);
    CHECK(strcmp(machine->memory, "/data/template/memory") == 0);
    const struct program_plan *server = &machine->file_server;
    CHECK(strcmp(server->path, "/usr/lib/qemu/virtiofsd") == 0 && server->arguments.count == 1 && server->file_count == 1);
    CHECK(machine->step_count == 2 && machine->steps[0].command && !machine->steps[1].command);
    CHECK(strcmp(machine->steps[1].event, "MIGRATION") == 0 && machine->steps[1].words.count == 1);
    CHECK(plan.cgroup_count == 1 && strcmp(plan.cgroups[0].settings[0].value, "9") == 0);
    CHECK(plan.setup.length == 5 && plan.process.length == 7);
    vm_plan_free(&plan);
}

static void what_is_missing_is_refused(void) {
    AUTO_BUFFER empty = {0};
    check_refused(&empty, "lacks");
    AUTO_BUFFER no_user = {0};
    append_machine(&no_user);
    field_append_text(&no_user, VM_PLAN_PROCESS, "process");
    check_refused(&no_user, "lacks");
    AUTO_BUFFER no_process = {0};
    append_machine(&no_process);
    field_append_number(&no_process, VM_PLAN_UID_BASE, 1000000);
    field_append_text(&no_process, VM_PLAN_SETUP, "setup");
    check_refused(&no_process, "process");
    AUTO_BUFFER no_program = {0};
    field_append(&no_program, VM_PLAN_MACHINE, NULL, 0);
    check_refused(&no_program, "program");
    AUTO_BUFFER nameless_server = {0};
    AUTO_BUFFER machine = {0};
    field_append(&machine, VM_MACHINE_FILE_SERVER, NULL, 0);
    field_append(&nameless_server, VM_PLAN_MACHINE, machine.data, machine.length);
    check_refused(&nameless_server, "not valid");
    AUTO_BUFFER no_network = {0};
    append_machine(&no_network);
    append_rest(&no_network);
    field_append_text(&no_network, VM_PLAN_TAP, "eth0");
    check_refused(&no_network, "network namespace");
}

/* The host's root is user 0, and a range that ends beyond the last user is none. */
static void users_of_the_host_are_refused(void) {
    AUTO_BUFFER root = {0};
    append_machine(&root);
    field_append_number(&root, VM_PLAN_UID_BASE, 0);
    check_refused(&root, "not valid");
    AUTO_BUFFER beyond = {0};
    append_machine(&beyond);
    field_append_number(&beyond, VM_PLAN_UID_BASE, UINT32_MAX - 10);
    check_refused(&beyond, "not valid");
}

static void names_that_lead_out_of_the_root_are_refused(void) {
    static const char *const NAMES[] = {"relative", "/", "/a/../../etc", "/..", "/a/.."};
    for (size_t index = 0; index < sizeof(NAMES) / sizeof(*NAMES); index++) {
        AUTO_BUFFER file = {0};
        AUTO_BUFFER machine = {0};
        AUTO_BUFFER out = {0};
        field_append_text(&file, VM_FILE_HOST_PATH, "/data");
        field_append_text(&file, VM_FILE_NAME, NAMES[index]);
        field_append(&machine, VM_MACHINE_FILE, file.data, file.length);
        field_append(&out, VM_PLAN_MACHINE, machine.data, machine.length);
        check_refused(&out, "not valid");
    }
}

struct lease_texts {
    const char *mac;
    const char *address;
    const char *router;
    const char *server;
};

static void append_lease(struct buffer *out, const struct lease_texts *texts) {
    AUTO_BUFFER lease = {0};
    field_append_text(&lease, VM_LEASE_INTERFACE, "eth0");
    field_append_text(&lease, VM_LEASE_MAC, texts->mac);
    field_append_text(&lease, VM_LEASE_ADDRESS, texts->address);
    field_append_text(&lease, VM_LEASE_ROUTER, texts->router);
    field_append_text(&lease, VM_LEASE_SERVER, texts->server);
    field_append_text(&lease, VM_LEASE_HOSTNAME, "one");
    field_append_text(&lease, VM_LEASE_SEARCH, "example.org");
    field_append(out, VM_PLAN_LEASE, lease.data, lease.length);
}

static void append_computer(struct buffer *out) {
    append_machine(out);
    field_append_number(out, VM_PLAN_UID_BASE, 1000000);
    field_append_text(out, VM_PLAN_NETWORK, "/proc/1/ns/net");
    field_append_text(out, VM_PLAN_TAP, "eth0");
}

static const struct lease_texts LEASE = {"02:42:0a:00:00:02", "10.0.0.2/16", "10.0.0.1", "10.0.0.1"};

static void a_plan_without_a_process_is_a_computer(void) {
    AUTO_BUFFER out = {0};
    struct vm_plan plan;
    struct failure why;
    append_computer(&out);
    append_lease(&out, &LEASE);
    CHECK(vm_plan_decode(out.data, out.length, &plan, &why) == 0);
    CHECK(plan.is_computer && plan.lease_count == 1);
    const struct lease *lease = &plan.leases[0];
    CHECK(strcmp(lease->interface, "eth0") == 0 && memcmp(lease->mac, "\x02\x42\x0a\0\0\x02", 6) == 0);
    CHECK(lease->address.s_addr == htonl(0x0a000002) && lease->router.s_addr == htonl(0x0a000001));
    CHECK(lease_mask(lease).s_addr == htonl(0xffff0000) && !lease->server_is_router && lease->search.count == 1);
    vm_plan_free(&plan);
}

static void broken_leases_are_refused(void) {
    static const struct lease_texts BROKEN[] = {
        {"02:42:0a:00:00", "10.0.0.2/16", "10.0.0.1", "10.0.0.1"},
        {"02:42:0a:00:00:0g", "10.0.0.2/16", "10.0.0.1", "10.0.0.1"},
        {"02:42:0a:00:00:02", "10.0.0.2", "10.0.0.1", "10.0.0.1"},
        {"02:42:0a:00:00:02", "10.0.0.2/0", "10.0.0.1", "10.0.0.1"},
        {"02:42:0a:00:00:02", "10.0.0.2/33", "10.0.0.1", "10.0.0.1"},
        {"02:42:0a:00:00:02", "10.0.0/16", "10.0.0.1", "10.0.0.1"},
        {"02:42:0a:00:00:02", "10.0.0.2/16", "fd00::1", "10.0.0.1"},
        {"02:42:0a:00:00:02", "10.0.0.2/16", "10.0.0.1", "0.0.0.0"},
    };
    for (size_t index = 0; index < sizeof(BROKEN) / sizeof(*BROKEN); index++) {
        AUTO_BUFFER out = {0};
        append_computer(&out);
        append_lease(&out, &BROKEN[index]);
        check_refused(&out, "not valid");
    }
    AUTO_BUFFER container = {0};
    append_computer(&container);
    append_lease(&container, &LEASE);
    field_append_text(&container, VM_PLAN_PROCESS, "process");
    check_refused(&container, "asks nobody");
    AUTO_BUFFER other = {0};
    append_machine(&other);
    field_append_number(&other, VM_PLAN_UID_BASE, 1000000);
    append_lease(&other, &LEASE);
    check_refused(&other, "no tap");
    AUTO_BUFFER empty = {0};
    append_computer(&empty);
    field_append(&empty, VM_PLAN_LEASE, NULL, 0);
    check_refused(&empty, "lacks");
}

int main(void) {
    a_plan_without_a_process_is_a_computer();
    broken_leases_are_refused();
    a_whole_plan_is_understood();
    what_is_missing_is_refused();
    users_of_the_host_are_refused();
    names_that_lead_out_of_the_root_are_refused();
    return 0;
}
