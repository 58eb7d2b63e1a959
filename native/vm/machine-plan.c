#include "machine-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fields.h"
#include "common/io.h"
#include "common/vm-plan.h"

#define PLAN_MAX (16u * 1024 * 1024)
#define REPEATED_MAX 65536u
#define BOOT_TIMEOUT_MAX (60u * 60 * 1000)

static int take_bytes(const struct field *field, struct buffer *into, struct failure *why) {
    if (into->length > 0 || buffer_append(into, field->value, field->length) < 0) return field_broken(field, why);
    return 0;
}

/* Room for one more item of `size` bytes, all zero. NULL: there are too many. */
static void *add_item(void *items_pointer, size_t *count, size_t size) {
    void **items = items_pointer;
    if (*count >= REPEATED_MAX) return NULL;
    uint8_t *larger = realloc(*items, (*count + 1) * size);
    if (!larger) return NULL;
    *items = larger;
    uint8_t *item = larger + (*count)++ * size;
    memset(item, 0, size);
    return item;
}

/* ---- a machine ---- */

static int take_file_field(const struct field *field, void *into, struct failure *why) {
    struct file_plan *file = into;
    switch (field->tag) {
        case VM_FILE_HOST_PATH: return take_text(field, &file->host_path, why);
        case VM_FILE_NAME: return take_text(field, &file->name, why);
        case VM_FILE_WRITABLE: return take_flag(field, &file->writable, why);
        case VM_FILE_IDMAP: return take_flag(field, &file->idmap, why);
        default: return field_broken(field, why);
    }
}

static bool leads_up(const char *path) {
    for (const char *at = path; (at = strstr(at, "..")); at += 2) {
        if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == 0)) return true;
    }
    return false;
}

static int take_file(const struct field *outer, struct program_plan *program, struct failure *why) {
    struct file_plan *file = add_item(&program->files, &program->file_count, sizeof(*file));
    if (!file) return field_broken(outer, why);
    if (take_inner_fields(outer, take_file_field, file, why) < 0) return -1;
    bool is_whole = file->host_path && file->name && file->name[0] == '/' && file->name[1] && !leads_up(file->name);
    return is_whole ? 0 : field_broken(outer, why);
}

static int take_program_field(const struct field *field, void *into, struct failure *why) {
    struct program_plan *program = into;
    switch (field->tag) {
        case VM_MACHINE_PROGRAM: return take_text(field, &program->path, why);
        case VM_MACHINE_ARGUMENT: return take_item(field, &program->arguments, why);
        case VM_MACHINE_FILE: return take_file(field, program, why);
        default: return field_broken(field, why);
    }
}

static int take_file_server(const struct field *outer, struct program_plan *program, struct failure *why) {
    if (program->path || take_inner_fields(outer, take_program_field, program, why) < 0) return field_broken(outer, why);
    return program->path ? 0 : field_broken(outer, why);
}

static int take_step_field(const struct field *field, void *into, struct failure *why) {
    struct step_plan *step = into;
    switch (field->tag) {
        case VM_AWAIT_EVENT: return take_text(field, &step->event, why);
        case VM_AWAIT_WORD: return take_item(field, &step->words, why);
        default: return field_broken(field, why);
    }
}

static int take_step(const struct field *outer, struct machine_plan *machine, struct failure *why) {
    struct step_plan *step = add_item(&machine->steps, &machine->step_count, sizeof(*step));
    if (!step) return field_broken(outer, why);
    if (outer->tag == VM_MACHINE_QMP) return take_text(outer, &step->command, why);
    if (take_inner_fields(outer, take_step_field, step, why) < 0) return -1;
    return step->event ? 0 : field_broken(outer, why);
}

static int take_machine_field(const struct field *field, void *into, struct failure *why) {
    struct machine_plan *machine = into;
    switch (field->tag) {
        case VM_MACHINE_PROGRAM:
        case VM_MACHINE_ARGUMENT:
        case VM_MACHINE_FILE: return take_program_field(field, &machine->qemu, why);
        case VM_MACHINE_FILE_SERVER: return take_file_server(field, &machine->file_server, why);
        case VM_MACHINE_QMP:
        case VM_MACHINE_AWAIT: return take_step(field, machine, why);
        case VM_MACHINE_STATE: return take_text(field, &machine->state, why);
        case VM_MACHINE_MEMORY: return take_text(field, &machine->memory, why);
        case VM_MACHINE_TEMPLATE_MEMORY: return take_text(field, &machine->template_memory, why);
        case VM_MACHINE_FILE_SIZE: return take_number_to(field, INT64_MAX, &machine->file_size, why);
        case VM_MACHINE_BOOT_TIMEOUT: return take_number_to(field, BOOT_TIMEOUT_MAX, &machine->boot_timeout, why);
        default: return field_broken(field, why);
    }
}

static int take_machine(const struct field *outer, struct vm_plan *plan, struct failure *why) {
    struct machine_plan *machine = add_item(&plan->machines, &plan->machine_count, sizeof(*machine));
    if (!machine) return field_broken(outer, why);
    machine->file_size = RLIM_INFINITY;
    if (take_inner_fields(outer, take_machine_field, machine, why) < 0) return -1;
    if (machine->qemu.path && machine->boot_timeout > 0) return 0;
    return fail(why, FAILURE_INVALID, "a machine of the plan lacks its program or its boot's time");
}

/* ---- cgroups ---- */

static int take_setting_field(const struct field *field, void *into, struct failure *why) {
    struct setting_plan *setting = into;
    switch (field->tag) {
        case VM_SETTING_FILE: return take_text(field, &setting->file, why);
        case VM_SETTING_VALUE: return take_text(field, &setting->value, why);
        default: return field_broken(field, why);
    }
}

static int take_cgroup_field(const struct field *field, void *into, struct failure *why) {
    struct cgroup_plan *cgroup = into;
    if (field->tag == VM_CGROUP_FOLDER) return take_text(field, &cgroup->folder, why);
    if (field->tag != VM_CGROUP_SETTING) return field_broken(field, why);
    struct setting_plan *setting = add_item(&cgroup->settings, &cgroup->setting_count, sizeof(*setting));
    if (!setting) return field_broken(field, why);
    if (take_inner_fields(field, take_setting_field, setting, why) < 0) return -1;
    return setting->file && setting->value ? 0 : field_broken(field, why);
}

static int take_cgroup(const struct field *outer, struct vm_plan *plan, struct failure *why) {
    struct cgroup_plan *cgroup = add_item(&plan->cgroups, &plan->cgroup_count, sizeof(*cgroup));
    if (!cgroup) return field_broken(outer, why);
    if (take_inner_fields(outer, take_cgroup_field, cgroup, why) < 0) return -1;
    return cgroup->folder && cgroup->folder[0] == '/' ? 0 : field_broken(outer, why);
}

/* ---- the whole ---- */

static int take_lease(const struct field *outer, struct vm_plan *plan, struct failure *why) {
    struct lease *lease = add_item(&plan->leases, &plan->lease_count, sizeof(*lease));
    return lease ? lease_decode(outer, lease, why) : field_broken(outer, why);
}

static int take_uid_base(const struct field *field, uid_t *into, struct failure *why) {
    uint64_t number = 0;
    if (!field_number(field, &number) || number == 0 || number > UINT32_MAX - VM_ID_COUNT) {
        return field_broken(field, why);
    }
    *into = (uid_t)number;
    return 0;
}

static int take_plan_field(const struct field *field, void *into, struct failure *why) {
    struct vm_plan *plan = into;
    switch (field->tag) {
        case VM_PLAN_MACHINE: return take_machine(field, plan, why);
        case VM_PLAN_UID_BASE: return take_uid_base(field, &plan->uid_base, why);
        case VM_PLAN_NETWORK: return take_text(field, &plan->network, why);
        case VM_PLAN_TAP: return take_item(field, &plan->taps, why);
        case VM_PLAN_CGROUP: return take_cgroup(field, plan, why);
        case VM_PLAN_SETUP: return take_bytes(field, &plan->setup, why);
        case VM_PLAN_PROCESS: return take_bytes(field, &plan->process, why);
        case VM_PLAN_LEASE: return take_lease(field, plan, why);
        default: return field_broken(field, why);
    }
}

static bool has_tap(const struct vm_plan *plan, const char *name) {
    for (size_t index = 0; index < plan->taps.count; index++) {
        if (strcmp(plan->taps.items[index], name) == 0) return true;
    }
    return false;
}

static int check_leases(const struct vm_plan *plan, struct failure *why) {
    for (size_t index = 0; index < plan->lease_count; index++) {
        const char *interface = plan->leases[index].interface;
        if (!has_tap(plan, interface)) return fail(why, FAILURE_INVALID, "a lease is for %s, which is no tap", interface);
    }
    return 0;
}

int vm_plan_decode(const uint8_t *payload, size_t length, struct vm_plan *plan, struct failure *why) {
    *plan = (struct vm_plan){0};
    if (take_fields(payload, length, take_plan_field, plan, why) < 0) return -1;
    if (plan->machine_count == 0 || plan->uid_base == 0) {
        return fail(why, FAILURE_INVALID, "the plan lacks a machine or its user");
    }
    plan->is_computer = plan->setup.length == 0 && plan->process.length == 0;
    if (!plan->is_computer && plan->process.length == 0) return fail(why, FAILURE_INVALID, "the plan lacks its process");
    if (!plan->is_computer && plan->lease_count > 0) {
        return fail(why, FAILURE_INVALID, "a container's machine is set up, and asks nobody for addresses");
    }
    if (plan->taps.count > 0 && !plan->network) {
        return fail(why, FAILURE_INVALID, "the plan names interfaces and no network namespace");
    }
    return check_leases(plan, why);
}

int vm_plan_read(const char *directory, struct vm_plan *plan, struct failure *why) {
    *plan = (struct vm_plan){0};
    AUTO_BUFFER content = {0};
    AUTO_CLOSE folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE file = folder < 0 ? -1 : openat(folder, VM_PLAN_FILE, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read_until_end(file, &content, PLAN_MAX) < 0) return fail_errno(why, "the plan of the machine");
    return vm_plan_decode(content.data, content.length, plan, why);
}

static void program_free(struct program_plan *program) {
    for (size_t index = 0; index < program->file_count; index++) {
        free(program->files[index].host_path);
        free(program->files[index].name);
    }
    free(program->path);
    texts_free(&program->arguments);
    free(program->files);
}

static void machine_free(struct machine_plan *machine) {
    for (size_t index = 0; index < machine->step_count; index++) {
        free(machine->steps[index].command);
        free(machine->steps[index].event);
        texts_free(&machine->steps[index].words);
    }
    program_free(&machine->qemu);
    program_free(&machine->file_server);
    free(machine->steps);
    free(machine->state);
    free(machine->template_memory);
    free(machine->memory);
}

static void cgroup_free(struct cgroup_plan *cgroup) {
    for (size_t index = 0; index < cgroup->setting_count; index++) {
        free(cgroup->settings[index].file);
        free(cgroup->settings[index].value);
    }
    free(cgroup->folder);
    free(cgroup->settings);
}

void vm_plan_free(struct vm_plan *plan) {
    for (size_t index = 0; index < plan->machine_count; index++) machine_free(&plan->machines[index]);
    for (size_t index = 0; index < plan->cgroup_count; index++) cgroup_free(&plan->cgroups[index]);
    for (size_t index = 0; index < plan->lease_count; index++) lease_free(&plan->leases[index]);
    free(plan->machines);
    free(plan->cgroups);
    free(plan->leases);
    free(plan->network);
    texts_free(&plan->taps);
    buffer_free(&plan->setup);
    buffer_free(&plan->process);
    *plan = (struct vm_plan){0};
}

bool program_shares_folders(const struct program_plan *program) {
    for (size_t index = 0; index < program->file_count; index++) {
        struct stat status;
        const struct file_plan *file = &program->files[index];
        if (file->idmap && stat(file->host_path, &status) == 0 && S_ISDIR(status.st_mode)) return true;
    }
    return false;
}
