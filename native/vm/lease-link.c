#include "lease-link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "filters.h"
#include "netlink.h"

static int change_address(int netlink, uint16_t type, int index, struct in_addr address, unsigned prefix) {
    const struct ifaddrmsg message = {
        .ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix, .ifa_index = (unsigned)index};
    struct netlink_request request;
    netlink_begin(&request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &message, sizeof(message));
    netlink_add(&request, IFA_LOCAL, &address, sizeof(address));
    netlink_add(&request, IFA_ADDRESS, &address, sizeof(address));
    return netlink_ask(netlink, &request);
}

/* The guest's address is none of the namespace's, which would take its packets for forged ones. */
static int give_address_up(int netlink, const struct lease *lease) {
    int index = (int)if_nametoindex(lease->interface);
    int result = change_address(netlink, RTM_DELADDR, index, lease->address, lease->prefix);
    return result < 0 && errno == EADDRNOTAVAIL ? 0 : result;
}

/* As the router's frames are addressed, so that those to it are taken for ours where the filters keep them. */
static int take_router_place(int netlink, int index, const struct lease *lease) {
    const struct ifinfomsg message = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    struct netlink_request request;
    if (!lease->server_is_router) return 0;
    netlink_begin(&request, RTM_NEWLINK, 0, &message, sizeof(message));
    netlink_add(&request, IFLA_ADDRESS, lease->server_mac, MAC_BYTES);
    return netlink_ask(netlink, &request);
}

static int add_route(int netlink, int index, struct in_addr to) {
    const struct rtmsg message = {.rtm_family = AF_INET,
                                  .rtm_dst_len = 32,
                                  .rtm_table = RT_TABLE_MAIN,
                                  .rtm_protocol = RTPROT_STATIC,
                                  .rtm_scope = RT_SCOPE_LINK,
                                  .rtm_type = RTN_UNICAST};
    struct netlink_request request;
    netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof(message));
    netlink_add(&request, RTA_DST, &to, sizeof(to));
    netlink_add(&request, RTA_OIF, &index, sizeof(index));
    return netlink_ask(netlink, &request);
}

/* Its answer to the question who it is would go past us. */
static int add_neighbour(int netlink, int index, const struct lease *lease) {
    const struct ndmsg message = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
    struct netlink_request request;
    netlink_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof(message));
    netlink_add(&request, NDA_DST, &lease->address, sizeof(lease->address));
    netlink_add(&request, NDA_LLADDR, lease->mac, MAC_BYTES);
    return netlink_ask(netlink, &request);
}

static int join(int netlink, int index, const struct lease *lease) {
    if (give_address_up(netlink, lease) < 0 || take_router_place(netlink, index, lease) < 0) return -1;
    if (change_address(netlink, RTM_NEWADDR, index, lease->server, 32) < 0) return -1;
    if (add_route(netlink, index, lease->address) < 0 || add_neighbour(netlink, index, lease) < 0) return -1;
    return filters_keep_questions(netlink, index, lease);
}

int lease_link_open(struct lease_link *link, const struct lease *lease, int tap, struct failure *why) {
    struct ifreq name = {0};
    *link = (struct lease_link){.lease = lease};
    AUTO_CLOSE netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0 || ioctl(tap, TUNGETIFF, &name) < 0) return fail_errno(why, "the tap device of %s", lease->interface);
    memcpy(link->tap, name.ifr_name, sizeof(link->tap));
    int index = (int)if_nametoindex(link->tap);
    if (index == 0 || ioctl(netlink, SIOCGIFMTU, &name) < 0) return fail_errno(why, "the tap device %s", link->tap);
    link->mtu = (unsigned)name.ifr_mtu;
    if (join(netlink, index, lease) == 0) return 0;
    return fail_errno(why, "questions from the card of %s cannot be answered", lease->interface);
}

int lease_link_socket(const struct lease_link *link, int type, struct in_addr address, uint16_t port) {
    const struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
    const int yes = 1;
    AUTO_CLOSE fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link->tap, (socklen_t)strlen(link->tap) + 1) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
        return -1;
    }
    return take_fd(&fd);
}
