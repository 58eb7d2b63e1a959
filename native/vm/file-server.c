#include "file-server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/io.h"
#include "confine.h"

/*
 * The server takes the first connection and then listens no more. Ours is the first: it waits in the queue before the server has
 * begun. The address is one that the kernel chooses (unix(7), autobind): nothing is left behind.
 */
int file_server_connect(struct file_server_ends *ends, struct failure *why) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(address);
    ends->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends->listening < 0 || ends->client < 0 ||
        bind(ends->listening, (struct sockaddr *)&address, sizeof(address.sun_family)) < 0 ||
        listen(ends->listening, 1) < 0 || getsockname(ends->listening, (struct sockaddr *)&address, &length) < 0 ||
        connect(ends->client, (struct sockaddr *)&address, length) < 0) {
        return fail_errno(why, "the socket of the file server");
    }
    return 0;
}

pid_t file_server_start(const struct program_plan *plan, const struct confinement *confinement, int listening, int words,
                        struct failure *why) {
    const int descriptors[] = {-1, words, words, listening};
    char *environment[] = {NULL};
    const struct confined_program program = {
        .plan = plan,
        .capabilities = FILE_SERVER_CAPABILITIES,
        .file_size = RLIM_INFINITY, /* of the folder's file system's */
        .environment = environment,
        .first = descriptors,
        .first_count = sizeof(descriptors) / sizeof(*descriptors),
    };
    return confined_program_start(&program, confinement, why);
}
