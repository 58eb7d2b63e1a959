#include "filters.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "netlink.h"

#define INGRESS_HANDLE 0xffff0000u
#define KEYS_MAX 5
#define DNS_PORT 53
#define DHCP_PORT 67

/* The order in which filters are asked; those of one priority see one protocol. */
enum priority { PRIORITY_IPV4 = 1, PRIORITY_ARP, PRIORITY_REDIRECTION };

/* What a frame must have from its network header on; a key whose mask is 0 fits every frame. */
struct match {
    enum priority priority;
    uint16_t protocol;
    unsigned char count;
    struct tc_u32_key keys[KEYS_MAX];
};

static struct tcmsg ingress_of(int index) {
    return (struct tcmsg){.tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_parent = TC_H_INGRESS,
                          .tcm_handle = INGRESS_HANDLE};
}

/* Anew: the filters of a machine that was before go with the old one. */
static int add_ingress(int netlink, int index) {
    const struct tcmsg message = ingress_of(index);
    struct netlink_request request;
    netlink_begin(&request, RTM_DELQDISC, 0, &message, sizeof(message));
    if (netlink_ask(netlink, &request) < 0 && errno != ENOENT && errno != EINVAL) return -1;
    netlink_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
    netlink_add_text(&request, TCA_KIND, "ingress");
    return netlink_ask(netlink, &request);
}

static void add_redirection(struct netlink_request *request, int to) {
    const struct tc_mirred parameters = {
        .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to};
    struct rtattr *actions = netlink_nest(request, TCA_U32_ACT);
    struct rtattr *first = netlink_nest(request, 1);
    netlink_add_text(request, TCA_ACT_KIND, "mirred");
    struct rtattr *options = netlink_nest(request, TCA_ACT_OPTIONS);
    netlink_add(request, TCA_MIRRED_PARMS, &parameters, sizeof(parameters));
    netlink_end(request, options);
    netlink_end(request, first);
    netlink_end(request, actions);
}

static void add_match(struct netlink_request *request, const struct match *match) {
    struct {
        struct tc_u32_sel selector;
        struct tc_u32_key keys[KEYS_MAX];
    } all = {.selector = {.flags = TC_U32_TERMINAL, .nkeys = match->count}};
    size_t size = sizeof(all.selector) + match->count * sizeof(*match->keys);
    memcpy(all.keys, match->keys, match->count * sizeof(*match->keys));
    netlink_add(request, TCA_U32_SEL, &all, size);
}

/* `to` is where such frames go; 0: they stay, since a filter without an action ends the search. */
static int add_filter(int netlink, int from, const struct match *match, int to) {
    const struct tcmsg message = {.tcm_family = AF_UNSPEC,
                                  .tcm_ifindex = from,
                                  .tcm_parent = INGRESS_HANDLE,
                                  .tcm_info = TC_H_MAKE((uint32_t)match->priority << 16, htons(match->protocol))};
    struct netlink_request request;
    netlink_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
    netlink_add_text(&request, TCA_KIND, "u32");
    struct rtattr *options = netlink_nest(&request, TCA_OPTIONS);
    add_match(&request, match);
    if (to > 0) add_redirection(&request, to);
    netlink_end(&request, options);
    return netlink_ask(netlink, &request);
}

int filters_redirect(int netlink, int from, int to) {
    const struct match everything = {.priority = PRIORITY_REDIRECTION, .protocol = ETH_P_ALL, .count = 1};
    return add_ingress(netlink, from) < 0 ? -1 : add_filter(netlink, from, &everything, to);
}

/* ---- questions to a lease's server ---- */

static struct tc_u32_key key(int offset, uint32_t mask, uint32_t value) {
    return (struct tc_u32_key){.mask = htonl(mask), .val = htonl(value), .off = offset};
}

/* Of an IPv4 packet without options (20 bytes, so that the ports follow) that is no part of another. */
static struct match to_port(uint8_t protocol, uint16_t port) {
    return (struct match){.priority = PRIORITY_IPV4,
                          .protocol = ETH_P_IP,
                          .count = 4,
                          .keys = {key(0, 0xff000000, 0x45000000), key(4, 0x00003fff, 0),
                                   key(8, 0x00ff0000, (uint32_t)protocol << 16), key(20, 0x0000ffff, port)}};
}

static int keep_names(int netlink, int from, uint8_t protocol, const struct lease *lease) {
    struct match match = to_port(protocol, DNS_PORT);
    match.keys[match.count++] = key(16, 0xffffffff, ntohl(lease->server.s_addr));
    return add_filter(netlink, from, &match, 0);
}

/* An address that nobody else has, nobody else tells the place of. */
static int keep_arp(int netlink, int from, const struct lease *lease) {
    const struct match match = {.priority = PRIORITY_ARP,
                                .protocol = ETH_P_ARP,
                                .count = 1,
                                .keys = {key(24, 0xffffffff, ntohl(lease->server.s_addr))}};
    return lease->server_is_router ? 0 : add_filter(netlink, from, &match, 0);
}

int filters_keep_questions(int netlink, int from, const struct lease *lease) {
    const struct match dhcp = to_port(IPPROTO_UDP, DHCP_PORT);
    if (add_filter(netlink, from, &dhcp, 0) < 0 || keep_names(netlink, from, IPPROTO_UDP, lease) < 0 ||
        keep_names(netlink, from, IPPROTO_TCP, lease) < 0) {
        return -1;
    }
    return keep_arp(netlink, from, lease);
}
