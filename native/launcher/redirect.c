/*
 *     table ip berth-names {
 *         chain output {
 *             type nat hook output priority -100;
 *             ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:PORT
 *             ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:PORT
 *         }
 *     }
 */
#include "redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"

#define TABLE "berth-names"
#define CHAIN "output"
#define BATCH_MAX 4096

/* Messages one behind the other, each with attributes, some of which hold others. */
struct batch {
    uint8_t data[BATCH_MAX];
    size_t length;
    size_t message; /* where the last one begins */
    uint32_t answers; /* that the kernel owes us */
};

static void *take(struct batch *batch, size_t length) {
    void *at = batch->data + batch->length;
    batch->length += NLMSG_ALIGN(length);
    return at;
}

static void end_message(struct batch *batch) {
    struct nlmsghdr *header = (struct nlmsghdr *)(batch->data + batch->message);
    header->nlmsg_len = (uint32_t)(batch->length - batch->message);
}

static void begin_message(struct batch *batch, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
    batch->message = batch->length;
    struct nlmsghdr *header = take(batch, sizeof(*header));
    *header = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)};
    if (flags & NLM_F_ACK) header->nlmsg_seq = ++batch->answers;
    struct nfgenmsg *netfilter = take(batch, sizeof(*netfilter));
    *netfilter = (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
}

static void begin_change(struct batch *batch, uint16_t type, uint16_t flags) {
    begin_message(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), (uint16_t)(NLM_F_ACK | NLM_F_CREATE | flags),
                  NFPROTO_IPV4, 0);
}

static void add(struct batch *batch, uint16_t type, const void *value, size_t length) {
    struct nlattr *attribute = take(batch, NLA_HDRLEN + length);
    *attribute = (struct nlattr){.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + length)};
    memcpy((uint8_t *)attribute + NLA_HDRLEN, value, length);
}

static void add_text(struct batch *batch, uint16_t type, const char *text) {
    add(batch, type, text, strlen(text) + 1);
}

static void add_number(struct batch *batch, uint16_t type, uint32_t number) {
    uint32_t value = htonl(number);
    add(batch, type, &value, sizeof(value));
}

/* What is added until end_nest() is inside. */
static size_t begin_nest(struct batch *batch, uint16_t type) {
    size_t start = batch->length;
    struct nlattr *attribute = take(batch, NLA_HDRLEN);
    *attribute = (struct nlattr){.nla_type = (uint16_t)(type | NLA_F_NESTED)};
    return start;
}

static void end_nest(struct batch *batch, size_t start) {
    struct nlattr *attribute = (struct nlattr *)(batch->data + start);
    attribute->nla_len = (uint16_t)(batch->length - start);
}

struct expression {
    size_t element;
    size_t data;
};

static struct expression begin_expression(struct batch *batch, const char *name) {
    struct expression expression = {.element = begin_nest(batch, NFTA_LIST_ELEM)};
    add_text(batch, NFTA_EXPR_NAME, name);
    expression.data = begin_nest(batch, NFTA_EXPR_DATA);
    return expression;
}

static void end_expression(struct batch *batch, struct expression expression) {
    end_nest(batch, expression.data);
    end_nest(batch, expression.element);
}

static void add_data(struct batch *batch, uint16_t type, const void *value, size_t length) {
    size_t nest = begin_nest(batch, type);
    add(batch, NFTA_DATA_VALUE, value, length);
    end_nest(batch, nest);
}

/* The value that was loaded is this one, or the rule does not apply. */
static void compare(struct batch *batch, const void *value, size_t length) {
    struct expression expression = begin_expression(batch, "cmp");
    add_number(batch, NFTA_CMP_SREG, NFT_REG_1);
    add_number(batch, NFTA_CMP_OP, NFT_CMP_EQ);
    add_data(batch, NFTA_CMP_DATA, value, length);
    end_expression(batch, expression);
}

static void match_protocol(struct batch *batch, uint8_t protocol) {
    struct expression expression = begin_expression(batch, "meta");
    add_number(batch, NFTA_META_DREG, NFT_REG_1);
    add_number(batch, NFTA_META_KEY, NFT_META_L4PROTO);
    end_expression(batch, expression);
    compare(batch, &protocol, sizeof(protocol));
}

static void match_bytes(struct batch *batch, uint32_t base, uint32_t offset, const void *value, uint32_t length) {
    struct expression expression = begin_expression(batch, "payload");
    add_number(batch, NFTA_PAYLOAD_DREG, NFT_REG_1);
    add_number(batch, NFTA_PAYLOAD_BASE, base);
    add_number(batch, NFTA_PAYLOAD_OFFSET, offset);
    add_number(batch, NFTA_PAYLOAD_LEN, length);
    end_expression(batch, expression);
    compare(batch, value, length);
}

static void load(struct batch *batch, uint32_t register_number, const void *value, size_t length) {
    struct expression expression = begin_expression(batch, "immediate");
    add_number(batch, NFTA_IMMEDIATE_DREG, register_number);
    add_data(batch, NFTA_IMMEDIATE_DATA, value, length);
    end_expression(batch, expression);
}

static void translate(struct batch *batch, const uint32_t *address, const uint16_t *port) {
    load(batch, NFT_REG_1, address, sizeof(*address));
    load(batch, NFT_REG_2, port, sizeof(*port));
    struct expression expression = begin_expression(batch, "nat");
    add_number(batch, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    add_number(batch, NFTA_NAT_FAMILY, NFPROTO_IPV4);
    add_number(batch, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
    add_number(batch, NFTA_NAT_REG_PROTO_MIN, NFT_REG_2);
    end_expression(batch, expression);
}

#define DESTINATION_ADDRESS_OFFSET 16 /* in an IPv4 header */
#define DESTINATION_PORT_OFFSET 2     /* in a UDP and in a TCP header */

static void add_rule(struct batch *batch, uint8_t protocol, uint32_t address, uint16_t from, uint16_t to) {
    const uint32_t wire_address = htonl(address);
    const uint16_t wire_from = htons(from);
    const uint16_t wire_to = htons(to);
    begin_change(batch, NFT_MSG_NEWRULE, NLM_F_APPEND);
    add_text(batch, NFTA_RULE_TABLE, TABLE);
    add_text(batch, NFTA_RULE_CHAIN, CHAIN);
    size_t expressions = begin_nest(batch, NFTA_RULE_EXPRESSIONS);
    match_bytes(batch, NFT_PAYLOAD_NETWORK_HEADER, DESTINATION_ADDRESS_OFFSET, &wire_address, sizeof(wire_address));
    match_protocol(batch, protocol);
    match_bytes(batch, NFT_PAYLOAD_TRANSPORT_HEADER, DESTINATION_PORT_OFFSET, &wire_from, sizeof(wire_from));
    translate(batch, &wire_address, &wire_to);
    end_nest(batch, expressions);
    end_message(batch);
}

static void add_table(struct batch *batch) {
    begin_change(batch, NFT_MSG_NEWTABLE, 0);
    add_text(batch, NFTA_TABLE_NAME, TABLE);
    end_message(batch);
}

static void add_chain(struct batch *batch) {
    begin_change(batch, NFT_MSG_NEWCHAIN, 0);
    add_text(batch, NFTA_CHAIN_TABLE, TABLE);
    add_text(batch, NFTA_CHAIN_NAME, CHAIN);
    add_text(batch, NFTA_CHAIN_TYPE, "nat");
    size_t hook = begin_nest(batch, NFTA_CHAIN_HOOK);
    add_number(batch, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
    add_number(batch, NFTA_HOOK_PRIORITY, (uint32_t)NF_IP_PRI_NAT_DST);
    end_nest(batch, hook);
    end_message(batch);
}

/* Reads the answers; all are there when the batch is sent. The first refusal is the reason of the others. */
static int read_answers(int socket, uint32_t expected, struct failure *why) {
    uint8_t data[8192];
    while (expected > 0) {
        ssize_t length = RETRY(recv(socket, data, sizeof(data), MSG_DONTWAIT));
        if (length < 0) return fail_errno(why, "nftables does not answer");
        for (const struct nlmsghdr *header = (const struct nlmsghdr *)data; NLMSG_OK(header, length);
             header = NLMSG_NEXT(header, length)) {
            if (header->nlmsg_type != NLMSG_ERROR) continue;
            const struct nlmsgerr *error = NLMSG_DATA(header);
            if (error->error != 0) {
                errno = -error->error;
                return fail_errno(why, "nftables refuses the redirection of names");
            }
            expected--;
        }
    }
    return 0;
}

int redirect_port(uint32_t address, uint16_t from, uint16_t to, struct failure *why) {
    struct batch batch = {0};
    begin_message(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    end_message(&batch);
    add_table(&batch);
    add_chain(&batch);
    add_rule(&batch, IPPROTO_UDP, address, from, to);
    add_rule(&batch, IPPROTO_TCP, address, from, to);
    begin_message(&batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    end_message(&batch);
    AUTO_CLOSE netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (netlink < 0) return fail_errno(why, "no netlink");
    if (RETRY(send(netlink, batch.data, batch.length, 0)) < 0) return fail_errno(why, "nftables");
    return read_answers(netlink, batch.answers, why);
}
