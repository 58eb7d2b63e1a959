#include "netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/io.h"

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *head, size_t length) {
    *request = (struct netlink_request){0};
    request->header = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(length),
                                        .nlmsg_type = type,
                                        .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)};
    memcpy(NLMSG_DATA(&request->header), head, length);
}

void netlink_add(struct netlink_request *request, uint16_t type, const void *value, size_t length) {
    struct rtattr *attribute = (struct rtattr *)(request->data + NLMSG_ALIGN(request->header.nlmsg_len));
    *attribute = (struct rtattr){.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(length)};
    if (length > 0) memcpy(RTA_DATA(attribute), value, length);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_ALIGN(attribute->rta_len);
}

void netlink_add_text(struct netlink_request *request, uint16_t type, const char *text) {
    netlink_add(request, type, text, strlen(text) + 1);
}

struct rtattr *netlink_nest(struct netlink_request *request, uint16_t type) {
    struct rtattr *nest = (struct rtattr *)(request->data + NLMSG_ALIGN(request->header.nlmsg_len));
    netlink_add(request, type, NULL, 0);
    return nest;
}

void netlink_end(struct netlink_request *request, struct rtattr *nest) {
    nest->rta_len = (uint16_t)(request->data + request->header.nlmsg_len - (uint8_t *)nest);
}

int netlink_ask(int netlink, const struct netlink_request *request) {
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
