#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/io.h"
#include "common/vm-plan.h"
#include "guest.h"
#include "state-folder.h"

int client_connect(const struct options *options, struct failure *why) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE folder = state_open(options->root, options->id, why);
    if (folder < 0) return -1;
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" VM_CONTROL_SOCKET, folder);
    AUTO_CLOSE connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0) return fail_errno(why, "no socket");
    if (connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0) {
        return fail_errno(why, "the monitor of the virtual machine %s does not answer", options->id);
    }
    return take_fd(&connection);
}

static int read_answer(int connection, struct failure *why) {
    AUTO_BUFFER in = {0};
    for (;;) {
        struct frame frame;
        size_t used;
        enum frame_result result = frame_decode(in.data, in.length, GUEST_ANSWER_MAX, &frame, &used);
        if (result == FRAME_WHOLE && frame.type == GUEST_OK) return 0;
        if (result == FRAME_WHOLE) {
            guest_failure(&frame, why);
            return -1;
        }
        uint8_t *room = result == FRAME_INCOMPLETE ? buffer_reserve(&in, 4096) : NULL;
        ssize_t count = room ? RETRY(read(connection, room, 4096)) : 0;
        if (count <= 0) return fail(why, FAILURE_UNAVAILABLE, "the virtual machine has ended");
        in.length += (size_t)count;
    }
}

int client_ask(const struct options *options, unsigned type, struct failure *why) {
    AUTO_CLOSE connection = client_connect(options, why);
    AUTO_BUFFER request = {0};
    if (connection < 0) return -1;
    if (frame_append(&request, (uint8_t)type, 1, NULL, 0) < 0 ||
        write_all(connection, request.data, request.length) < 0) {
        return fail_errno(why, "the monitor of the virtual machine");
    }
    return read_answer(connection, why);
}
