/* Any bytes as the plan of a machine, and as a line of QMP. */
#include "vm/machine-plan.h"
#include "vm/qmp-line.h"

static void read_line(const uint8_t *data, size_t size) {
    const struct span line = {.at = (const char *)data, .length = size};
    struct span value;
    char words[64];
    if (size == 0) return;
    qmp_line_of(line, &value);
    json_text(value, words, sizeof(words));
    json_text(json_member(value, "desc"), words, sizeof(words));
    span_holds(line, "completed");
    json_is_object(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct vm_plan plan;
    struct failure why;
    vm_plan_decode(data, size, &plan, &why);
    vm_plan_free(&plan);
    read_line(data, size);
    return 0;
}
