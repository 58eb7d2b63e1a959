/* Requests to the kernel about links, addresses and filters (rtnetlink(7)), one message each. */
#ifndef BERTH_VM_NETLINK_H
#define BERTH_VM_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_MESSAGE_MAX 1024

/* One request with its attributes. Ours are far shorter than its room. */
struct netlink_request {
    union {
        uint8_t data[NETLINK_MESSAGE_MAX];
        struct nlmsghdr header;
    };
};

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *head, size_t length);
void netlink_add(struct netlink_request *request, uint16_t type, const void *value, size_t length);
void netlink_add_text(struct netlink_request *request, uint16_t type, const char *text);

/* What is added until netlink_end() is inside. */
struct rtattr *netlink_nest(struct netlink_request *request, uint16_t type);
void netlink_end(struct netlink_request *request, struct rtattr *nest);

/* Sends it and waits for the kernel's word; errno is the kernel's when it refuses. */
int netlink_ask(int netlink, const struct netlink_request *request);

#endif
