#include "links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define MESSAGE_MAX 512
#define CARDS_MAX 64

/* One request: a header, the family's own header, attributes. */
struct request {
    union {
        struct nlmsghdr header;
        uint8_t bytes[MESSAGE_MAX];
    };
};

/* A card of the guest. */
struct card {
    int index;
    uint8_t mac[MAC_LENGTH];
    bool is_taken;
};

struct cards {
    struct card items[CARDS_MAX];
    size_t count;
};

/* An address with the length of its prefix. */
struct prefix {
    int family;
    uint8_t address[16];
    unsigned length;
};

static void *begin(struct request *request, uint16_t type, uint16_t flags, size_t size) {
    memset(request, 0, sizeof(*request));
    request->header = (struct nlmsghdr){
        .nlmsg_len = (uint32_t)NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)};
    return NLMSG_DATA(&request->header);
}

/* All that is added is shorter than what a request has room for: names, addresses, numbers. */
static void add(struct request *request, uint16_t type, const void *value, size_t length) {
    struct rtattr *attribute = (struct rtattr *)(request->bytes + NLMSG_ALIGN(request->header.nlmsg_len));
    *attribute = (struct rtattr){.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(length)};
    memcpy(RTA_DATA(attribute), value, length);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_SPACE(length);
}

static void add_number(struct request *request, uint16_t type, uint32_t number) {
    add(request, type, &number, sizeof(number));
}

/* 0 or -1 with errno, as the kernel answers. */
static int ask(int netlink, struct request *request) {
    uint8_t answer[4096];
    request->header.nlmsg_flags |= NLM_F_ACK;
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0) return -1;
    ssize_t length = RETRY(recv(netlink, answer, sizeof(answer), 0));
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    if (length < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    const struct nlmsgerr *result = NLMSG_DATA(header);
    errno = -result->error;
    return result->error == 0 ? 0 : -1;
}

static void take_card(struct cards *cards, const struct nlmsghdr *header) {
    const struct ifinfomsg *link = NLMSG_DATA(header);
    if (link->ifi_type != ARPHRD_ETHER || cards->count == CARDS_MAX) return;
    struct card *card = &cards->items[cards->count];
    *card = (struct card){.index = link->ifi_index};
    int length = (int)IFLA_PAYLOAD(header);
    for (const struct rtattr *at = IFLA_RTA(link); RTA_OK(at, length); at = RTA_NEXT(at, length)) {
        if (at->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(at) == MAC_LENGTH) memcpy(card->mac, RTA_DATA(at), MAC_LENGTH);
    }
    cards->count++;
}

static int list_cards(int netlink, struct cards *cards, struct failure *why) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(*link));
    link->ifi_family = AF_UNSPEC;
    if (send(netlink, &request, request.header.nlmsg_len, 0) < 0) return fail_errno(why, "the network cards");
    _Alignas(struct nlmsghdr) uint8_t answer[32768];
    for (;;) {
        ssize_t length = RETRY(recv(netlink, answer, sizeof(answer), 0));
        if (length < 0) return fail_errno(why, "the network cards");
        const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
        for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
            if (header->nlmsg_type == NLMSG_DONE) return 0;
            if (header->nlmsg_type == RTM_NEWLINK) take_card(cards, header);
        }
    }
}

/* By its address, or the next one. */
static struct card *find_card(struct cards *cards, const struct interface_plan *plan) {
    for (size_t index = 0; index < cards->count; index++) {
        struct card *card = &cards->items[index];
        if (card->is_taken) continue;
        if (!plan->is_named_by_mac || memcmp(card->mac, plan->mac, MAC_LENGTH) == 0) return card;
    }
    return NULL;
}

static const char *name_of(const struct interface_plan *plan) {
    return plan->name ? plan->name : "the interface";
}

static int raise_link(int netlink, int index, const struct interface_plan *plan) {
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, 0, sizeof(*link));
    link->ifi_index = index;
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    if (plan && plan->name) add(&request, IFLA_IFNAME, plan->name, strlen(plan->name) + 1);
    if (plan && plan->has_new_mac) add(&request, IFLA_ADDRESS, plan->new_mac, MAC_LENGTH);
    if (plan && plan->mtu) add_number(&request, IFLA_MTU, (uint32_t)plan->mtu);
    return ask(netlink, &request);
}

/* "10.0.0.1/8" or, as a whole address, "10.0.0.1". */
static bool parse_prefix(const char *text, struct prefix *prefix) {
    char address[64];
    size_t length = strcspn(text, "/");
    if (length >= sizeof(address)) return false;
    memcpy(address, text, length);
    address[length] = 0;
    *prefix = (struct prefix){.family = strchr(address, ':') ? AF_INET6 : AF_INET};
    unsigned bits = prefix->family == AF_INET ? 32 : 128;
    prefix->length = bits;
    if (inet_pton(prefix->family, address, prefix->address) != 1) return false;
    if (text[length] == 0) return true;
    char *end;
    unsigned long number = strtoul(text + length + 1, &end, 10);
    prefix->length = (unsigned)number;
    return end != text + length + 1 && *end == 0 && number <= bits;
}

static size_t address_size(const struct prefix *prefix) {
    return prefix->family == AF_INET ? 4 : 16;
}

/* The host has given the address to nobody else: nobody needs to be asked whether it is free (IFA_F_NODAD). */
static int add_address(int netlink, int index, const char *text, struct failure *why) {
    struct prefix prefix;
    if (!parse_prefix(text, &prefix)) return fail(why, FAILURE_INVALID, "%s is not an address", text);
    struct request request;
    struct ifaddrmsg *address = begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*address));
    address->ifa_family = (uint8_t)prefix.family;
    address->ifa_prefixlen = (uint8_t)prefix.length;
    address->ifa_index = (uint32_t)index;
    address->ifa_flags = IFA_F_NODAD;
    add(&request, IFA_LOCAL, prefix.address, address_size(&prefix));
    add(&request, IFA_ADDRESS, prefix.address, address_size(&prefix));
    return ask(netlink, &request) < 0 ? fail_errno(why, "the address %s", text) : 0;
}

static int set_interface(int netlink, int card, const struct interface_plan *plan, struct failure *why) {
    if (raise_link(netlink, card, plan) < 0) return fail_errno(why, "%s", name_of(plan));
    for (size_t index = 0; index < plan->addresses.count; index++) {
        if (add_address(netlink, card, plan->addresses.items[index], why) < 0) return -1;
    }
    return 0;
}

/* A name may be another card's until that one has its own: all planned ones get out of the way first. */
static int choose_card(int netlink, struct cards *cards, const struct interface_plan *plan, struct failure *why) {
    if (plan->name && strlen(plan->name) >= IFNAMSIZ) {
        return fail(why, FAILURE_INVALID, "%s is too long for an interface", plan->name);
    }
    struct card *card = find_card(cards, plan);
    if (!card) return fail(why, FAILURE_NOT_FOUND, "%s has no network card", name_of(plan));
    card->is_taken = true;
    char free_name[IFNAMSIZ];
    snprintf(free_name, sizeof(free_name), "berth%d", card->index);
    struct request request;
    struct ifinfomsg *link = begin(&request, RTM_NEWLINK, 0, sizeof(*link));
    link->ifi_index = card->index;
    add(&request, IFLA_IFNAME, free_name, strlen(free_name) + 1);
    if (plan->name && ask(netlink, &request) < 0) return fail_errno(why, "%s", name_of(plan));
    return card->index;
}

static int set_interfaces(int netlink, const struct setup_plan *plan, struct failure *why) {
    struct cards cards = {0};
    int chosen[CARDS_MAX];
    if (plan->interface_count > CARDS_MAX) return fail(why, FAILURE_INVALID, "a machine has at most %d cards", CARDS_MAX);
    if (plan->interface_count > 0 && list_cards(netlink, &cards, why) < 0) return -1;
    for (size_t index = 0; index < plan->interface_count; index++) {
        chosen[index] = choose_card(netlink, &cards, &plan->interfaces[index], why);
        if (chosen[index] < 0) return -1;
    }
    for (size_t index = 0; index < plan->interface_count; index++) {
        if (set_interface(netlink, chosen[index], &plan->interfaces[index], why) < 0) return -1;
    }
    return 0;
}

static int add_route(int netlink, const struct route_plan *plan, struct failure *why) {
    struct prefix destination = {0};
    struct prefix gateway = {0};
    bool is_valid = (!plan->destination || parse_prefix(plan->destination, &destination)) &&
                    (!plan->gateway || parse_prefix(plan->gateway, &gateway)) &&
                    (!plan->destination || !plan->gateway || destination.family == gateway.family);
    const char *name = plan->destination ? plan->destination : "default";
    if (!is_valid) return fail(why, FAILURE_INVALID, "the route %s is not valid", name);
    struct request request;
    struct rtmsg *route = begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*route));
    *route = (struct rtmsg){
        .rtm_family = (uint8_t)(plan->gateway ? gateway.family : destination.family),
        .rtm_dst_len = (uint8_t)destination.length,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_BOOT,
        .rtm_scope = plan->gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
        .rtm_type = RTN_UNICAST,
    };
    if (destination.length > 0) add(&request, RTA_DST, destination.address, address_size(&destination));
    if (plan->gateway) add(&request, RTA_GATEWAY, gateway.address, address_size(&gateway));
    add_number(&request, RTA_OIF, if_nametoindex(plan->interface));
    return ask(netlink, &request) < 0 ? fail_errno(why, "the route %s by %s", name, plan->interface) : 0;
}

int set_links(const struct setup_plan *plan, struct failure *why) {
    AUTO_CLOSE netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0) return fail_errno(why, "the network");
    if (raise_link(netlink, (int)if_nametoindex("lo"), NULL) < 0) return fail_errno(why, "lo");
    if (set_interfaces(netlink, plan, why) < 0) return -1;
    for (size_t index = 0; index < plan->route_count; index++) {
        if (add_route(netlink, &plan->routes[index], why) < 0) return -1;
    }
    return 0;
}
