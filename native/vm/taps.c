#include "taps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "filters.h"
#include "netlink.h"

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

/* The namespace's own IPv6 has nothing to say to the guest. A kernel without IPv6 refuses, and says nothing either. */
static void keep_quiet(int netlink, int index) {
    const struct ifinfomsg message = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    struct netlink_request request;
    netlink_begin(&request, RTM_NEWLINK, 0, &message, sizeof(message));
    struct rtattr *families = netlink_nest(&request, IFLA_AF_SPEC);
    struct rtattr *ipv6 = netlink_nest(&request, AF_INET6);
    netlink_add(&request, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
    netlink_end(&request, ipv6);
    netlink_end(&request, families);
    netlink_ask(netlink, &request);
}

static int set_up(int netlink, int index, int mtu) {
    const struct ifinfomsg message = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP,
                                      .ifi_change = IFF_UP};
    const uint32_t size = (uint32_t)mtu;
    struct netlink_request request;
    netlink_begin(&request, RTM_NEWLINK, 0, &message, sizeof(message));
    netlink_add(&request, IFLA_MTU, &size, sizeof(size));
    return netlink_ask(netlink, &request);
}

static int open_tap(int netlink, const char *interface, struct failure *why) {
    struct ifreq name;
    int index = (int)if_nametoindex(interface);
    if (index == 0) return fail_errno(why, "the interface %s of the container's network", interface);
    AUTO_CLOSE tap = make_tap(&name);
    if (tap < 0) return fail_errno(why, "no tap device (/dev/net/tun)");
    int tap_index = (int)if_nametoindex(name.ifr_name);
    int mtu = mtu_of(netlink, interface);
    keep_quiet(netlink, tap_index);
    if (tap_index == 0 || mtu < 0 || set_up(netlink, tap_index, mtu) < 0) {
        return fail_errno(why, "the tap device of %s", interface);
    }
    if (filters_redirect(netlink, index, tap_index) < 0 || filters_redirect(netlink, tap_index, index) < 0) {
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
