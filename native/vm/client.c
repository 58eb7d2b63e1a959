#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/io.h"
#include "common/vm-plan.h"
#include "guest.h"
#include "pass-descriptors.h"
#include "state-folder.h"

#define PASSED_DESCRIPTOR 3

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

/* The payload of an answer of type `wanted`. */
static int read_answer(int connection, unsigned wanted, struct buffer *payload, struct failure *why) {
    AUTO_BUFFER in = {0};
    for (;;) {
        struct frame frame;
        size_t used;
        enum frame_result result = frame_decode(in.data, in.length, GUEST_ANSWER_MAX, &frame, &used);
        if (result == FRAME_WHOLE && frame.type == wanted) {
            return buffer_append(payload, frame.payload, frame.length) < 0 ? fail_errno(why, "the answer") : 0;
        }
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
    AUTO_BUFFER nothing = {0};
    if (connection < 0) return -1;
    if (frame_append(&request, (uint8_t)type, 1, NULL, 0) < 0 ||
        write_all(connection, request.data, request.length) < 0) {
        return fail_errno(why, "the monitor of the virtual machine");
    }
    return read_answer(connection, GUEST_OK, &nothing, why);
}

int client_qmp(const struct options *options, struct failure *why) {
    /* Before anything else is opened, which might become 3. */
    const int passed = PASSED_DESCRIPTOR;
    bool is_passed = fcntl(passed, F_GETFD) >= 0;
    AUTO_CLOSE connection = client_connect(options, why);
    AUTO_BUFFER command = {0};
    AUTO_BUFFER request = {0};
    AUTO_BUFFER answer = {0};
    if (connection < 0) return -1;
    if (read_until_end(STDIN_FILENO, &command, GUEST_REQUEST_MAX) < 0) return fail_errno(why, "the command");
    if (frame_append(&request, VM_CONTROL_QMP, 1, command.data, command.length) < 0 ||
        send_with_descriptors(connection, request.data, request.length, &passed, is_passed ? 1 : 0) < 0) {
        return fail_errno(why, "the monitor of the virtual machine");
    }
    if (read_answer(connection, VM_CONTROL_QMP_RETURN, &answer, why) < 0) return -1;
    return write_all(STDOUT_FILENO, answer.data, answer.length) < 0 ? fail_errno(why, "standard output") : 0;
}
