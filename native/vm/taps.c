#include "taps.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define MESSAGE_MAX 1024
#define INGRESS_HANDLE 0xffff0000u

/* One request with its attributes. */
struct request {
    union {
        uint8_t data[MESSAGE_MAX];
        struct nlmsghdr header;
    };
};

static void begin(struct request *request, uint16_t type, uint16_t flags, const void *head, size_t length) {
    *request = (struct request){0};
    request->header = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(length),
                                        .nlmsg_type = type,
                                        .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)};
    memcpy(NLMSG_DATA(&request->header), head, length);
}

static void add(struct request *request, uint16_t type, const void *value, size_t length) {
    struct rtattr *attribute = (struct rtattr *)(request->data + NLMSG_ALIGN(request->header.nlmsg_len));
    *attribute = (struct rtattr){.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(length)};
    if (length > 0) memcpy(RTA_DATA(attribute), value, length);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_ALIGN(attribute->rta_len);
}

static void add_text(struct request *request, uint16_t type, const char *text) {
    add(request, type, text, strlen(text) + 1);
}

/* What is added until end_nest() is inside. */
static struct rtattr *begin_nest(struct request *request, uint16_t type) {
    struct rtattr *nest = (struct rtattr *)(request->data + NLMSG_ALIGN(request->header.nlmsg_len));
    add(request, type, NULL, 0);
    return nest;
}

static void end_nest(struct request *request, struct rtattr *nest) {
    nest->rta_len = (uint16_t)(request->data + request->header.nlmsg_len - (uint8_t *)nest);
}

/* errno is the kernel's when it refuses. */
static int ask(int netlink, const struct request *request) {
    uint8_t answer[4096];
    if (RETRY(send(netlink, request->data, request->header.nlmsg_len, 0)) < 0) return -1;
    ssize_t length = RETRY(recv(netlink, answer, sizeof(answer), 0));
    if (length < 0) return -1;
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    if (!NLMSG_OK(header, length) || header->nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    const struct nlmsgerr *error = NLMSG_DATA(header);
    errno = -error->error;
    return error->error == 0 ? 0 : -1;
}

/* ---- from one interface to another ---- */

static struct tcmsg ingress_of(int index) {
    return (struct tcmsg){.tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_parent = TC_H_INGRESS,
                          .tcm_handle = INGRESS_HANDLE};
}

/* Anew: the filters of a machine that was before go with the old one. */
static int add_ingress(int netlink, int index) {
    const struct tcmsg message = ingress_of(index);
    struct request request;
    begin(&request, RTM_DELQDISC, 0, &message, sizeof(message));
    if (ask(netlink, &request) < 0 && errno != ENOENT && errno != EINVAL) return -1;
    begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
    add_text(&request, TCA_KIND, "ingress");
    return ask(netlink, &request);
}

static void add_redirection(struct request *request, int to) {
    const struct tc_mirred parameters = {
        .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to};
    struct rtattr *actions = begin_nest(request, TCA_U32_ACT);
    struct rtattr *first = begin_nest(request, 1);
    add_text(request, TCA_ACT_KIND, "mirred");
    struct rtattr *options = begin_nest(request, TCA_ACT_OPTIONS);
    add(request, TCA_MIRRED_PARMS, &parameters, sizeof(parameters));
    end_nest(request, options);
    end_nest(request, first);
    end_nest(request, actions);
}

/* A key whose mask is 0 fits every frame. */
static int add_filter(int netlink, int from, int to) {
    const struct tcmsg message = {.tcm_family = AF_UNSPEC,
                                  .tcm_ifindex = from,
                                  .tcm_parent = INGRESS_HANDLE,
                                  .tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL))};
    struct {
        struct tc_u32_sel selector;
        struct tc_u32_key key;
    } everything = {.selector = {.flags = TC_U32_TERMINAL, .nkeys = 1}};
    struct request request;
    begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
    add_text(&request, TCA_KIND, "u32");
    struct rtattr *options = begin_nest(&request, TCA_OPTIONS);
    add(&request, TCA_U32_SEL, &everything, sizeof(everything.selector) + sizeof(everything.key));
    add_redirection(&request, to);
    end_nest(&request, options);
    return ask(netlink, &request);
}

static int redirect(int netlink, int from, int to) {
    return add_ingress(netlink, from) < 0 ? -1 : add_filter(netlink, from, to);
}

/* ---- a tap ---- */

static int make_tap(struct ifreq *name) {
    AUTO_CLOSE tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    *name = (struct ifreq){.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(name->ifr_name, "berth-tap%d");
    if (tap < 0 || ioctl(tap, TUNSETIFF, name) < 0) return -1;
    return take_fd(&tap);
}

static int mtu_of(int netlink, const char *interface) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    return ioctl(netlink, SIOCGIFMTU, &request) < 0 ? -1 : request.ifr_mtu;
}

static int set_up(int netlink, int index, int mtu) {
    const struct ifinfomsg message = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP,
                                      .ifi_change = IFF_UP};
    const uint32_t size = (uint32_t)mtu;
    struct request request;
    begin(&request, RTM_NEWLINK, 0, &message, sizeof(message));
    add(&request, IFLA_MTU, &size, sizeof(size));
    return ask(netlink, &request);
}

static int open_tap(int netlink, const char *interface, struct failure *why) {
    struct ifreq name;
    int index = (int)if_nametoindex(interface);
    if (index == 0) return fail_errno(why, "the interface %s of the container's network", interface);
    AUTO_CLOSE tap = make_tap(&name);
    if (tap < 0) return fail_errno(why, "no tap device (/dev/net/tun)");
    int tap_index = (int)if_nametoindex(name.ifr_name);
    int mtu = mtu_of(netlink, interface);
    if (tap_index == 0 || mtu < 0 || set_up(netlink, tap_index, mtu) < 0) {
        return fail_errno(why, "the tap device of %s", interface);
    }
    if (redirect(netlink, index, tap_index) < 0 || redirect(netlink, tap_index, index) < 0) {
        return fail_errno(why, "%s cannot be joined to the guest's card (the kernel's sch_ingress, cls_u32, act_mirred)",
                          interface);
    }
    return take_fd(&tap);
}

int taps_open(const struct texts *interfaces, int *taps, struct failure *why) {
    AUTO_CLOSE netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0) return fail_errno(why, "no netlink");
    for (size_t index = 0; index < interfaces->count; index++) {
        taps[index] = open_tap(netlink, interfaces->items[index], why);
        if (taps[index] >= 0) continue;
        while (index > 0) close_fd(&taps[--index]);
        return -1;
    }
    return 0;
}
