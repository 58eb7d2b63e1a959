/* Plans of machines: whole ones are understood, others refused. */
#include "vm/machine-plan.h"

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
    AUTO_BUFFER machine = {0};
    field_append_text(&machine, VM_MACHINE_PROGRAM, "/usr/bin/qemu");
    field_append_text(&machine, VM_MACHINE_ARGUMENT, "-m");
    field_append_text(&machine, VM_MACHINE_ARGUMENT, "512M");
    field_append(&machine, VM_MACHINE_FILE, file.data, file.length);
    field_append_text(&machine, VM_MACHINE_QMP, "{\"execute\":\"cont\"}");
    field_append(&machine, VM_MACHINE_AWAIT, await.data, await.length);
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
    CHECK(machine->arguments.count == 2 && machine->file_count == 1 && machine->files[0].writable);
    CHECK(!machine->files[0].idmap && machine->boot_timeout == 30000);
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
    AUTO_BUFFER no_program = {0};
    field_append(&no_program, VM_PLAN_MACHINE, NULL, 0);
    check_refused(&no_program, "program");
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

int main(void) {
    a_whole_plan_is_understood();
    what_is_missing_is_refused();
    users_of_the_host_are_refused();
    names_that_lead_out_of_the_root_are_refused();
    return 0;
}
