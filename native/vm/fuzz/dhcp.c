/* Any bytes as a guest's message by DHCP: whatever is answered to it is a message that fits. */
#include <arpa/inet.h>
#include <string.h>

#include "testing/check.h"
#include "vm/dhcp-message.h"

static char LONG[] = "a-name-of-some-length.and-of-several-labels.example.org";
static char *SEARCH[] = {LONG, LONG, LONG, LONG, LONG};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct lease lease = {.address.s_addr = htonl(0x0a000002),
                                .prefix = 8,
                                .router.s_addr = htonl(0x0a000001),
                                .server.s_addr = htonl(0xa9fe0101),
                                .hostname = LONG,
                                .search = {SEARCH, 5}};
    uint8_t message[1500] = {0};
    struct dhcp_request request;
    struct dhcp_answer answer;
    /* A head that is right, so that what is behind it is looked at; and the input as it is. */
    memcpy(message, "\1\1\6", 3);
    memcpy(message + 236, "\x63\x82\x53\x63", 4);
    size_t rest = size > sizeof(message) - 240 ? sizeof(message) - 240 : size;
    memcpy(message + 240, data, rest);
    if (dhcp_parse(message, 240 + rest, &request) && dhcp_answer(&lease, 1500, &request, &answer)) {
        CHECK(answer.length >= 300 && answer.length <= request.room && answer.length <= sizeof(answer.message));
        CHECK(!dhcp_parse(answer.message, answer.length, &request)); /* a server's, not a client's */
    }
    dhcp_parse(data, size, &request);
    return 0;
}
