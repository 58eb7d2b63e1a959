/* Whatever a process sends as a question is refused with an answer that is no longer than it, and whose numbers are its own. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_BUFFER out = {0};
    if (size < DNS_HEADER) return 0;
    append_refusal(&out, data, size);
    if (out.length < DNS_HEADER || out.length > size || memcmp(out.data, data, 2) != 0) abort();
    return 0;
}
