/* Payloads of SETUP, START and PUT_FILE that are noise are refused or decoded; nothing leaks, nothing is read beyond. */
#include <stdint.h>
#include <stddef.h>

#include "guest/mount-options.h"
#include "guest/process-plan.h"
#include "guest/setup-plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct failure why;
    struct setup_plan setup;
    if (setup_decode(data, size, &setup, &why) == 0 && setup.mount_count > 0) {
        struct mount_options options;
        mount_options_parse(setup.mounts[0].options, &options, &why);
    }
    setup_free(&setup);
    struct process_plan process;
    process_decode(data, size, &process, &why);
    process_plan_free(&process);
    struct file_plan file;
    file_decode(data, size, &file, &why);
    file_free(&file);
    return 0;
}
