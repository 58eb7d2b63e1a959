/* A question that nobody answers is answered by SERVFAIL with the same question. */
#include "guest/refusal.h"

#include <string.h>

#include "testing/check.h"

static const uint8_t QUESTION[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x02no\x04name\x00\x00\x01\x00\x01\x00\x00\x29";

int main(void) {
    AUTO_BUFFER out = {0};
    append_refusal(&out, QUESTION, sizeof(QUESTION) - 1);
    CHECK(out.length == DNS_HEADER + 13);
    CHECK(memcmp(out.data, "\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00", DNS_HEADER) == 0);
    CHECK(memcmp(out.data + DNS_HEADER, QUESTION + DNS_HEADER, 13) == 0);
    buffer_free(&out);
    append_refusal(&out, (const uint8_t *)"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3fshort", 18);
    CHECK(out.length == DNS_HEADER && out.data[5] == 0);
    return 0;
}
