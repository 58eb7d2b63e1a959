/* A card's way to whoever answers it, with real devices in a network namespace of our own: we play the guest and the network. */
#include "vm/lease-link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if_arp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "turn.h"
#include "vm/dhcp-message.h"
#include "vm/dhcp.h"
#include "vm/taps.h"

static char INTERFACE[] = "eth0";
static char *INTERFACES[] = {INTERFACE};
static const uint8_t GUEST[MAC_BYTES] = {2, 0x42, 10, 0, 0, 2};
static const uint8_t ROUTER[MAC_BYTES] = {2, 0x42, 10, 0, 0, 1};
static const uint8_t EVERYBODY[MAC_BYTES] = {255, 255, 255, 255, 255, 255};

struct packet {
    struct virtio_net_hdr head; /* at the guest's end */
    struct ethhdr ethernet;
    uint8_t payload[1500];
} __attribute__((packed));

struct play {
    struct loop loop;
    struct lease lease;
    struct lease_link link;
    struct dhcp dhcp;
    int guest;
};

/* The interface's other end. -1: it cannot be, here. */
static int make_network(void) {
    struct ifreq interface = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000002)};
    if (unshare(CLONE_NEWNET) < 0) return -1;
    AUTO_CLOSE any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int network = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    strcpy(interface.ifr_name, INTERFACE);
    if (any < 0 || network < 0 || ioctl(network, TUNSETIFF, &interface) < 0) return -1;
    memcpy(&interface.ifr_addr, &address, sizeof(address));
    CHECK(ioctl(any, SIOCSIFADDR, &interface) == 0);
    address.sin_addr.s_addr = htonl(0xffff0000);
    memcpy(&interface.ifr_netmask, &address, sizeof(address));
    CHECK(ioctl(any, SIOCSIFNETMASK, &interface) == 0);
    interface.ifr_flags = IFF_UP;
    CHECK(ioctl(any, SIOCSIFFLAGS, &interface) == 0);
    return network;
}

static bool has_address(const char *name) {
    struct ifreq interface = {0};
    AUTO_CLOSE any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strcpy(interface.ifr_name, name);
    return ioctl(any, SIOCGIFADDR, &interface) == 0;
}

static void open_play(struct play *play) {
    const struct texts interfaces = {INTERFACES, 1};
    struct failure why;
    *play = (struct play){.lease = {.interface = INTERFACE,
                                    .address.s_addr = htonl(0x0a000002),
                                    .prefix = 16,
                                    .router.s_addr = htonl(0x0a000001),
                                    .server.s_addr = htonl(0x0a000001),
                                    .server_is_router = true}};
    memcpy(play->lease.mac, GUEST, MAC_BYTES);
    memcpy(play->lease.server_mac, ROUTER, MAC_BYTES);
    CHECK(loop_open(&play->loop) == 0);
    CHECK(taps_open(&interfaces, &play->guest, &why) == 0);
    CHECK(lease_link_open(&play->link, &play->lease, play->guest, &why) == 0);
    CHECK(dhcp_open(&play->dhcp, &play->loop, &play->link, &why) == 0);
}

static void close_play(struct play *play) {
    loop_close(&play->loop, &play->dhcp.watch);
    close(play->guest);
    close(play->loop.epoll);
}

static uint16_t checksum(const void *data, size_t length) {
    const uint16_t *words = data;
    uint32_t sum = 0;
    for (size_t index = 0; index < length / 2; index++) sum += words[index];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* A question by DHCP, to all or to the router. */
static size_t write_question(struct packet *frame, uint8_t type, bool is_renewal) {
    static const uint8_t COOKIE[] = {99, 130, 83, 99, 53, 1};
    const uint16_t length = 300;
    const uint32_t address = htonl(0x0a000002);
    struct iphdr ip = {.version = 4,
                       .ihl = 5,
                       .tot_len = htons((uint16_t)(sizeof(struct iphdr) + sizeof(struct udphdr) + length)),
                       .frag_off = htons(IP_DF),
                       .ttl = 64,
                       .protocol = IPPROTO_UDP,
                       .saddr = is_renewal ? address : 0,
                       .daddr = is_renewal ? htonl(0x0a000001) : htonl(INADDR_BROADCAST)};
    const struct udphdr udp = {
        .source = htons(68), .dest = htons(67), .len = htons((uint16_t)(sizeof(struct udphdr) + length))};
    uint8_t message[300] = {1, 1, MAC_BYTES};
    ip.check = checksum(&ip, sizeof(ip));
    if (is_renewal) memcpy(message + 12, &address, sizeof(address));
    memcpy(message + 28, GUEST, MAC_BYTES);
    memcpy(message + 236, COOKIE, sizeof(COOKIE));
    message[242] = type;
    message[243] = 255;
    *frame = (struct packet){.ethernet.h_proto = htons(ETH_P_IP)};
    memcpy(frame->ethernet.h_dest, is_renewal ? ROUTER : EVERYBODY, MAC_BYTES);
    memcpy(frame->ethernet.h_source, GUEST, MAC_BYTES);
    memcpy(frame->payload, &ip, sizeof(ip));
    memcpy(frame->payload + sizeof(ip), &udp, sizeof(udp));
    memcpy(frame->payload + sizeof(ip) + sizeof(udp), message, sizeof(message));
    return sizeof(frame->head) + sizeof(frame->ethernet) + sizeof(ip) + sizeof(udp) + sizeof(message);
}

/* The next frame of a protocol, while the loop turns; others (the kernel's own) are left out, but none may be `never`. */
static void await_frame(struct play *play, int fd, bool is_guest, uint16_t protocol, uint16_t never, struct packet *frame) {
    uint8_t *start = (uint8_t *)frame + (is_guest ? 0 : sizeof(frame->head));
    size_t room = is_guest ? sizeof(*frame) : sizeof(*frame) - sizeof(frame->head);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    for (;;) {
        turn(&play->loop);
        if (poll(&ready, 1, 10) != 1) continue;
        CHECK(read(fd, start, room) > (ssize_t)sizeof(frame->ethernet));
        CHECK(ntohs(frame->ethernet.h_proto) != never);
        if (ntohs(frame->ethernet.h_proto) == protocol) return;
    }
}

static void check_answered(struct play *play, uint8_t type, bool is_renewal, uint8_t answer) {
    struct packet frame;
    struct iphdr ip;
    const size_t length = write_question(&frame, type, is_renewal);
    CHECK(write(play->guest, &frame, length) == (ssize_t)length);
    await_frame(play, play->guest, true, ETH_P_IP, 0, &frame);
    memcpy(&ip, frame.payload, sizeof(ip));
    const uint8_t *message = frame.payload + sizeof(ip) + sizeof(struct udphdr);
    CHECK(memcmp(frame.ethernet.h_dest, GUEST, MAC_BYTES) == 0 && memcmp(frame.ethernet.h_source, ROUTER, MAC_BYTES) == 0);
    CHECK(ip.saddr == htonl(0x0a000001) && ip.daddr == htonl(0x0a000002) && ip.protocol == IPPROTO_UDP);
    CHECK(message[0] == 2 && memcmp(message + 16, "\x0a\0\0\2", 4) == 0 && message[240] == 53 && message[242] == answer);
}

static void write_other(struct packet *frame, const uint8_t *to, const uint8_t *from) {
    *frame = (struct packet){.ethernet.h_proto = htons(ETH_P_ARP)};
    memcpy(frame->ethernet.h_dest, to, MAC_BYTES);
    memcpy(frame->ethernet.h_source, from, MAC_BYTES);
}

/* What went before, and was a question to the server, did not come there. */
static void check_joined(struct play *play, int network) {
    const size_t length = sizeof(struct ethhdr) + 46;
    struct packet frame;
    write_other(&frame, ROUTER, GUEST);
    CHECK(write(play->guest, &frame, sizeof(frame.head) + length) == (ssize_t)(sizeof(frame.head) + length));
    await_frame(play, network, false, ETH_P_ARP, ETH_P_IP, &frame);
    CHECK(memcmp(frame.ethernet.h_dest, ROUTER, MAC_BYTES) == 0);
    write_other(&frame, GUEST, ROUTER);
    CHECK(write(network, (const uint8_t *)&frame + sizeof(frame.head), length) == (ssize_t)length);
    await_frame(play, play->guest, true, ETH_P_ARP, 0, &frame);
    CHECK(memcmp(frame.ethernet.h_dest, GUEST, MAC_BYTES) == 0);
}

/* Twice: the second time as after a restart, with what the first time left. */
static void questions_stay_and_everything_else_goes_through(int network) {
    for (int start = 0; start < 2; start++) {
        struct play play;
        CHECK(has_address(INTERFACE) == (start == 0));
        open_play(&play);
        CHECK(!has_address(INTERFACE) && has_address(play.link.tap) && play.link.mtu == 1500);
        check_answered(&play, DHCP_DISCOVER, false, DHCP_OFFER);
        check_answered(&play, DHCP_REQUEST, true, DHCP_ACK);
        check_joined(&play, network);
        close_play(&play);
    }
}

int main(void) {
    AUTO_CLOSE network = make_network();
    if (network < 0) {
        printf("left out: making a network takes root and /dev/net/tun\n");
        return 0;
    }
    questions_stay_and_everything_else_goes_through(network);
    return 0;
}
