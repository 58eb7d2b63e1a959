/*
 * The files that berthd writes (src/network/name-files.ts), decoded. Both are lines of words:
 *
 *     berth-names 1                      the first line: what this is, and its version
 *     network NAME                       of a network: what follows the dot of its containers' full names
 *     host ADDRESS TITLE                 an address and the name that it is called by in the other direction
 *     name NAME ADDRESS                  repeated; a name may have several addresses
 *     end                                the last line
 *
 *     berth-names 1
 *     network ID                         of a sandbox: the file of a network that it is in; the first one answers first
 *     link ID NAME TARGET                in this sandbox, and in that network, NAME is TARGET too
 *     forward                            other names go to servers outside; without this line they fail
 *     server ADDRESS                     those servers; without one, the host's
 *     search DOMAIN                      a name with this behind it is also the one before the dot
 *     end
 */
#ifndef BERTH_RESOLVER_RECORDS_H
#define BERTH_RESOLVER_RECORDS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDS_MAX (16u * 1024 * 1024)
#define NETWORK_ID_MAX 64
#define SERVERS_MAX 8

struct address {
    int family; /* AF_INET or AF_INET6 */
    uint8_t bytes[16];
};

struct record {
    const char *name; /* lower case; in `text` */
    struct address address;
};

/* What the containers of one network are called. */
struct network_names {
    char *text;
    const char *network;
    struct record *names; /* sorted by name */
    size_t name_count;
    struct record *hosts; /* sorted by address; the name is the title */
    size_t host_count;
};

struct link {
    const char *network;
    const char *name;
    const char *target;
};

/* What one sandbox sees. */
struct sandbox_view {
    char *text;
    const char **networks;
    size_t network_count;
    struct link *links;
    size_t link_count;
    bool forward;
    struct address servers[SERVERS_MAX];
    size_t server_count;
    const char **domains; /* lower case */
    size_t domain_count;
};

/* -1 when the text is not exactly what is described above, or memory is short. Free the result in any case. */
int network_names_parse(const char *data, size_t length, struct network_names *names);
int sandbox_view_parse(const char *data, size_t length, struct sandbox_view *view);

void network_names_free(struct network_names *names);
void sandbox_view_free(struct sandbox_view *view);

/* The records of a lower-case name; NULL and 0 when it is unknown. */
const struct record *network_names_find(const struct network_names *names, const char *name, size_t *count);

/* What an address is called; NULL when nobody has it. */
const char *network_names_reverse(const struct network_names *names, const struct address *address);

bool address_parse(const char *text, struct address *address);
size_t address_length(const struct address *address);

/* The nameserver lines of a resolv.conf(5); how many there are, at most SERVERS_MAX. */
size_t resolv_conf_servers(const char *data, size_t length, struct address servers[SERVERS_MAX]);

#endif
