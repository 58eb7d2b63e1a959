#include "dhcp-message.h"

#include <arpa/inet.h>
#include <string.h>

/* Where things are in a message: RFC 2131, figure 1. */
enum place {
    PLACE_OPERATION = 0,
    PLACE_HARDWARE = 1,
    PLACE_HARDWARE_LENGTH = 2,
    PLACE_TRANSACTION = 4,
    PLACE_SECONDS = 8,
    PLACE_FLAGS = 10,
    PLACE_CLIENT = 12,
    PLACE_YOURS = 16,
    PLACE_RELAY = 24,
    PLACE_MAC = 28,
    PLACE_COOKIE = 236,
    PLACE_OPTIONS = 240,
};

enum option {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_NAME_SERVER = 6,
    OPTION_HOSTNAME = 12,
    OPTION_DOMAIN = 15,
    OPTION_MTU = 26,
    OPTION_REQUESTED = 50,
    OPTION_LEASE_TIME = 51,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_ROOM = 57,
    OPTION_SEARCH = 119,
    OPTION_ROUTES = 121,
    OPTION_END = 255,
};

#define OPERATION_REQUEST 1
#define OPERATION_REPLY 2
#define ETHERNET 1
#define FLAG_BROADCAST 0x80
#define OPTION_MAX 255
/* Of IP and UDP, which the room that a client tells includes. */
#define HEADERS 28
/* What every client takes (RFC 2131, 2), and what some take for too short otherwise (BOOTP). */
#define LEAST_ROOM (576 - HEADERS)
#define LEAST_LENGTH 300
/* The address stays as long as the computer; that it has become another one is noticed at half of this. */
#define LEASE_SECONDS 3600

static const uint8_t COOKIE[] = {99, 130, 83, 99};

/* ---- what comes ---- */

static void take_address(const uint8_t *value, size_t length, struct in_addr *address) {
    if (length == sizeof(*address)) memcpy(address, value, sizeof(*address));
}

static void take_room(const uint8_t *value, size_t length, struct dhcp_request *request) {
    if (length != 2) return;
    size_t room = (size_t)value[0] << 8 | value[1];
    if (room > LEAST_ROOM + HEADERS) request->room = room - HEADERS;
    if (request->room > DHCP_MESSAGE_MAX) request->room = DHCP_MESSAGE_MAX;
}

static void take_option(uint8_t code, const uint8_t *value, size_t length, struct dhcp_request *request) {
    switch (code) {
        case OPTION_TYPE:
            if (length == 1) request->type = value[0];
            break;
        case OPTION_REQUESTED: take_address(value, length, &request->requested); break;
        case OPTION_SERVER: take_address(value, length, &request->server); break;
        case OPTION_ROOM: take_room(value, length, request); break;
        case OPTION_WANTED:
            request->wanted = value;
            request->wanted_count = length;
            break;
        default: break;
    }
}

/* Options in the fields of the server's name and the file (option 52) are a server's means. */
static void take_options(const uint8_t *message, size_t length, struct dhcp_request *request) {
    size_t at = PLACE_OPTIONS;
    while (at < length && message[at] != OPTION_END) {
        uint8_t code = message[at++];
        if (code == OPTION_PAD) continue;
        if (at >= length || message[at] > length - at - 1) return;
        size_t size = message[at++];
        take_option(code, message + at, size, request);
        at += size;
    }
}

static bool is_relayed(const uint8_t *message) {
    static const uint8_t NOBODY[4];
    return memcmp(message + PLACE_RELAY, NOBODY, sizeof(NOBODY)) != 0;
}

bool dhcp_parse(const uint8_t *message, size_t length, struct dhcp_request *request) {
    *request = (struct dhcp_request){.room = LEAST_ROOM};
    if (length < PLACE_OPTIONS || memcmp(message + PLACE_COOKIE, COOKIE, sizeof(COOKIE)) != 0) return false;
    if (message[PLACE_OPERATION] != OPERATION_REQUEST || message[PLACE_HARDWARE] != ETHERNET ||
        message[PLACE_HARDWARE_LENGTH] != MAC_BYTES || is_relayed(message)) {
        return false;
    }
    memcpy(request->transaction, message + PLACE_TRANSACTION, sizeof(request->transaction));
    memcpy(request->seconds, message + PLACE_SECONDS, sizeof(request->seconds));
    request->wants_broadcast = message[PLACE_FLAGS] & FLAG_BROADCAST;
    memcpy(&request->client, message + PLACE_CLIENT, sizeof(request->client));
    memcpy(request->mac, message + PLACE_MAC, MAC_BYTES);
    take_options(message, length, request);
    return request->type != 0;
}

/* ---- what is answered ---- */

static bool is(struct in_addr one, struct in_addr other) {
    return one.s_addr == other.s_addr;
}

/* RFC 2131, 4.3.2: to whom a REQUEST is, and for which address, is said in different places. */
static uint8_t answer_to_request(const struct lease *lease, const struct dhcp_request *request) {
    struct in_addr wanted = request->requested.s_addr ? request->requested : request->client;
    if (request->server.s_addr && !is(request->server, lease->server)) return 0;
    return is(wanted, lease->address) ? DHCP_ACK : DHCP_NAK;
}

static uint8_t answer_type(const struct lease *lease, const struct dhcp_request *request) {
    if (memcmp(request->mac, lease->mac, MAC_BYTES) != 0) return 0;
    switch (request->type) {
        case DHCP_DISCOVER: return DHCP_OFFER;
        case DHCP_REQUEST: return answer_to_request(lease, request);
        case DHCP_INFORM: return is(request->client, lease->address) ? DHCP_ACK : 0;
        default: return 0; /* what is declined or released stays the guest's */
    }
}

struct writer {
    struct dhcp_answer *answer;
    const struct dhcp_request *request;
    size_t room; /* without that of the end */
};

static void write_option(struct writer *writer, uint8_t code, const void *value, size_t length) {
    struct dhcp_answer *answer = writer->answer;
    if (length == 0 || length > OPTION_MAX || answer->length + 2 + length > writer->room) return;
    answer->message[answer->length++] = code;
    answer->message[answer->length++] = (uint8_t)length;
    memcpy(answer->message + answer->length, value, length);
    answer->length += length;
}

/* One that clients may do without: only for those who name it, or name nothing. */
static void write_wanted(struct writer *writer, uint8_t code, const void *value, size_t length) {
    const struct dhcp_request *request = writer->request;
    if (request->wanted && !memchr(request->wanted, code, request->wanted_count)) return;
    write_option(writer, code, value, length);
}

static void write_address(struct writer *writer, uint8_t code, struct in_addr address) {
    if (address.s_addr) write_wanted(writer, code, &address, sizeof(address));
}

static void write_mtu(struct writer *writer, unsigned mtu) {
    const uint8_t value[] = {(uint8_t)(mtu >> 8), (uint8_t)mtu};
    if (mtu <= UINT16_MAX) write_wanted(writer, OPTION_MTU, value, sizeof(value));
}

/* RFC 3442: the server on the link, where it is not the router, and the way out. Whoever knows this option heeds no other. */
static void write_routes(struct writer *writer, const struct lease *lease) {
    uint8_t value[1 + 4 + 4 + 1 + 4];
    size_t length = 0;
    if (lease->server_is_router) return;
    value[length++] = 32;
    memcpy(value + length, &lease->server, 4);
    memset(value + length + 4, 0, 4);
    length += 8;
    if (lease->router.s_addr) {
        value[length++] = 0;
        memcpy(value + length, &lease->router, 4);
        length += 4;
    }
    write_wanted(writer, OPTION_ROUTES, value, length);
}

/* "example.org" as DNS writes it (RFC 1035, 3.1); 0: it is no domain. */
static size_t write_domain(const char *domain, uint8_t *into, size_t room) {
    size_t used = 0;
    while (*domain) {
        size_t label = strcspn(domain, ".");
        if (label == 0 || label > 63 || used + label + 2 > room) return 0;
        into[used++] = (uint8_t)label;
        memcpy(into + used, domain, label);
        used += label;
        domain += label;
        if (*domain) domain++;
    }
    if (used == 0) return 0;
    into[used++] = 0;
    return used;
}

/* RFC 3397. */
static void write_search(struct writer *writer, const struct lease *lease) {
    uint8_t value[OPTION_MAX];
    size_t length = 0;
    for (size_t index = 0; index < lease->search.count; index++) {
        length += write_domain(lease->search.items[index], value + length, sizeof(value) - length);
    }
    write_wanted(writer, OPTION_SEARCH, value, length);
}

static void write_text(struct writer *writer, uint8_t code, const char *text) {
    if (text) write_wanted(writer, code, text, strlen(text));
}

/* What matters most comes first, should there be no room for the rest. */
static void write_options(struct writer *writer, const struct lease *lease, unsigned mtu) {
    write_address(writer, OPTION_MASK, lease_mask(lease));
    write_routes(writer, lease);
    write_address(writer, OPTION_ROUTER, lease->router);
    write_address(writer, OPTION_NAME_SERVER, lease->server);
    write_mtu(writer, mtu);
    write_text(writer, OPTION_HOSTNAME, lease->hostname);
    write_text(writer, OPTION_DOMAIN, lease->search.count > 0 ? lease->search.items[0] : NULL);
    write_search(writer, lease);
}

static void write_head(const struct dhcp_request *request, struct dhcp_answer *answer) {
    memset(answer->message, 0, sizeof(answer->message));
    answer->message[PLACE_OPERATION] = OPERATION_REPLY;
    answer->message[PLACE_HARDWARE] = ETHERNET;
    answer->message[PLACE_HARDWARE_LENGTH] = MAC_BYTES;
    memcpy(answer->message + PLACE_TRANSACTION, request->transaction, sizeof(request->transaction));
    answer->message[PLACE_FLAGS] = request->wants_broadcast ? FLAG_BROADCAST : 0;
    memcpy(answer->message + PLACE_MAC, request->mac, MAC_BYTES);
    memcpy(answer->message + PLACE_COOKIE, COOKIE, sizeof(COOKIE));
    answer->length = PLACE_OPTIONS;
}

static void write_addresses(const struct lease *lease, const struct dhcp_request *request, uint8_t type,
                            struct dhcp_answer *answer) {
    bool has_address = request->client.s_addr != 0 && type == DHCP_ACK;
    if (has_address) memcpy(answer->message + PLACE_CLIENT, &request->client, 4);
    if (type != DHCP_NAK && request->type != DHCP_INFORM) memcpy(answer->message + PLACE_YOURS, &lease->address, 4);
    bool can_hear = has_address || (type != DHCP_NAK && !request->wants_broadcast);
    answer->to.s_addr = can_hear ? lease->address.s_addr : htonl(INADDR_BROADCAST);
}

bool dhcp_answer(const struct lease *lease, unsigned mtu, const struct dhcp_request *request, struct dhcp_answer *answer) {
    const uint32_t seconds = htonl(LEASE_SECONDS);
    struct writer writer = {.answer = answer, .request = request, .room = request->room - 1};
    uint8_t type = answer_type(lease, request);
    if (type == 0) return false;
    write_head(request, answer);
    write_addresses(lease, request, type, answer);
    write_option(&writer, OPTION_TYPE, &type, 1);
    write_option(&writer, OPTION_SERVER, &lease->server, sizeof(lease->server));
    if (type != DHCP_NAK && request->type != DHCP_INFORM) {
        write_option(&writer, OPTION_LEASE_TIME, &seconds, sizeof(seconds));
    }
    if (type != DHCP_NAK) write_options(&writer, lease, mtu);
    answer->message[answer->length++] = OPTION_END;
    if (answer->length < LEAST_LENGTH) answer->length = LEAST_LENGTH;
    return true;
}
