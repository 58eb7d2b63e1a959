#include "lease.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/vm-plan.h"

static int take_mac(const struct field *field, uint8_t mac[MAC_BYTES], struct failure *why) {
    AUTO_TEXT text = field_text(field);
    unsigned bytes[MAC_BYTES];
    int end = 0;
    if (!text || strlen(text) != 3 * MAC_BYTES - 1) return field_broken(field, why);
    int count = sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
                       &bytes[5], &end);
    if (count != MAC_BYTES || text[end]) return field_broken(field, why);
    for (int index = 0; index < MAC_BYTES; index++) mac[index] = (uint8_t)bytes[index];
    return 0;
}

static int take_ip(const struct field *field, struct in_addr *ip, struct failure *why) {
    AUTO_TEXT text = field_text(field);
    return text && inet_pton(AF_INET, text, ip) == 1 && ip->s_addr ? 0 : field_broken(field, why);
}

static int take_address(const struct field *field, struct lease *lease, struct failure *why) {
    AUTO_TEXT text = field_text(field);
    char *slash = text ? strchr(text, '/') : NULL;
    char *end = NULL;
    if (!slash || slash[1] < '0' || slash[1] > '9') return field_broken(field, why);
    *slash = 0;
    unsigned long prefix = strtoul(slash + 1, &end, 10);
    if (*end || prefix < 1 || prefix > 32) return field_broken(field, why);
    lease->prefix = (unsigned)prefix;
    return inet_pton(AF_INET, text, &lease->address) == 1 && lease->address.s_addr ? 0 : field_broken(field, why);
}

static int take_lease_field(const struct field *field, void *into, struct failure *why) {
    struct lease *lease = into;
    switch (field->tag) {
        case VM_LEASE_INTERFACE: return take_text(field, &lease->interface, why);
        case VM_LEASE_MAC: return take_mac(field, lease->mac, why);
        case VM_LEASE_ADDRESS: return take_address(field, lease, why);
        case VM_LEASE_ROUTER: return take_ip(field, &lease->router, why);
        case VM_LEASE_SERVER: return take_ip(field, &lease->server, why);
        case VM_LEASE_SERVER_MAC: lease->server_is_router = true; return take_mac(field, lease->server_mac, why);
        case VM_LEASE_HOSTNAME: return take_text(field, &lease->hostname, why);
        case VM_LEASE_SEARCH: return take_item(field, &lease->search, why);
        default: return field_broken(field, why);
    }
}

int lease_decode(const struct field *outer, struct lease *lease, struct failure *why) {
    static const uint8_t NOBODY[MAC_BYTES];
    if (take_inner_fields(outer, take_lease_field, lease, why) < 0) return -1;
    bool is_whole = lease->interface && lease->address.s_addr && lease->server.s_addr &&
                    memcmp(lease->mac, NOBODY, MAC_BYTES) != 0;
    return is_whole ? 0 : fail(why, FAILURE_INVALID, "a lease of the plan lacks its interface, card, address or server");
}

void lease_free(struct lease *lease) {
    free(lease->interface);
    free(lease->hostname);
    texts_free(&lease->search);
}

struct in_addr lease_mask(const struct lease *lease) {
    return (struct in_addr){.s_addr = htonl(UINT32_MAX << (32 - lease->prefix))};
}
