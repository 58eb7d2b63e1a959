/*
 * berth-connect MODE NAMESPACE PORT ADDRESS...: a TCP connection from inside a network namespace. With the mode "relay" it is
 * joined with descriptor 3, a socket, until the other side ends it; with "check" its being there is all. Ends with 0, or
 * with 1 and a line on standard error when there is none.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/tcp-relay.h"
#include "connect.h"

#define CLIENT 3

static int run(const char *mode, char **arguments, struct failure *why) {
    char *end;
    bool relays = strcmp(mode, "relay") == 0;
    if (!relays && strcmp(mode, "check") != 0) return fail(why, FAILURE_INVALID, "%s is no mode", mode);
    unsigned long port = strtoul(arguments[1], &end, 10);
    if (*end || port < 1 || port > 65535) return fail(why, FAILURE_INVALID, "%s is no port", arguments[1]);
    if (enter_network(arguments[0], why) < 0) return -1;
    AUTO_CLOSE fd = connect_first((const char *const *)arguments + 2, (uint16_t)port, why);
    if (fd < 0) return -1;
    return relays ? relay(CLIENT, fd, CLIENT, why) : 0;
}

int main(int count, char **arguments) {
    struct failure why;
    if (count < 5) {
        fprintf(stderr, "usage: berth-connect MODE NAMESPACE PORT ADDRESS...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (run(arguments[1], arguments + 2, &why) == 0) return 0;
    fprintf(stderr, "%s\n", why.message);
    return 1;
}
