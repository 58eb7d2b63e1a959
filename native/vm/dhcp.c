#include "dhcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "common/io.h"
#include "dhcp-message.h"

#define SERVER_PORT 67
#define CLIENT_PORT 68

static void on_question(struct watch *watch, uint32_t events) {
    (void)events;
    struct dhcp *dhcp = container_of(watch, struct dhcp, watch);
    const struct lease_link *link = dhcp->link;
    uint8_t message[DHCP_MESSAGE_MAX];
    struct dhcp_request request;
    struct dhcp_answer answer;
    ssize_t length = RETRY(recv(watch->fd, message, sizeof(message), 0));
    if (length < 0 || !dhcp_parse(message, (size_t)length, &request)) return;
    if (!dhcp_answer(link->lease, link->mtu, &request, &answer)) return;
    const struct sockaddr_in client = {
        .sin_family = AF_INET, .sin_port = htons(CLIENT_PORT), .sin_addr = answer.to};
    /* One that is lost is asked for again. */
    sendto(watch->fd, answer.message, answer.length, MSG_NOSIGNAL, (const struct sockaddr *)&client, sizeof(client));
}

int dhcp_open(struct dhcp *dhcp, struct loop *loop, const struct lease_link *link, struct failure *why) {
    const struct in_addr any = {.s_addr = htonl(INADDR_ANY)};
    const int yes = 1;
    *dhcp = (struct dhcp){.link = link};
    dhcp->watch = (struct watch){.fd = lease_link_socket(link, SOCK_DGRAM, any, SERVER_PORT), .ready = on_question};
    if (dhcp->watch.fd >= 0 && setsockopt(dhcp->watch.fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)) == 0 &&
        loop_watch(loop, &dhcp->watch, EPOLLIN) == 0) {
        return 0;
    }
    return fail_errno(why, "nobody can answer to DHCP from the card of %s", link->lease->interface);
}
