/* What berthd asks of the launcher. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/protocol.h"
#include "crash-point.h"
#include "launcher.h"

#define REQUEST_MAX (1024u * 1024)

static void send_number(struct client *client, uint8_t type, uint16_t id, uint16_t tag, uint64_t number) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, tag, number);
    connection_send(&client->connection, type, id, payload.data, payload.length);
}

/* A request of a single field. */
static int only_field(const struct frame *frame, uint16_t tag, struct field *field, struct failure *why) {
    size_t at = 0;
    if (field_next(frame->payload, frame->length, &at, field) == FIELD_NEXT && field->tag == tag &&
        at == frame->length) {
        return 0;
    }
    return fail(why, FAILURE_INVALID, "request %u must have the field %u only", frame->type, tag);
}

static int on_launch(struct client *client, const struct frame *frame, struct failure *why) {
    struct plan plan;
    int result = plan_decode(frame->payload, frame->length, &plan, why);
    if (result == 0) result = start_supervisor(client, frame->id, &plan, frame, why);
    plan_free(&plan);
    return result;
}

static int on_create_network(struct client *client, const struct frame *frame, struct failure *why) {
    int handle = networks_create(&client->launcher->networks, client, why);
    if (handle < 0) return -1;
    crash_point("network.created");
    resolver_update(client->launcher);
    send_number(client, MESSAGE_OK, frame->id, TAG_NETWORK, (uint64_t)handle);
    return 0;
}

void release_network(struct launcher *launcher, struct network *network) {
    uint64_t inode = network->inode;
    networks_release(&launcher->networks, network);
    resolver_forget(launcher, inode);
}

static int on_release_network(struct client *client, const struct frame *frame, struct failure *why) {
    struct field field;
    uint64_t handle;
    if (only_field(frame, TAG_NETWORK, &field, why) < 0) return -1;
    if (!field_number(&field, &handle)) return fail(why, FAILURE_INVALID, "the handle is no number");
    struct network *network = networks_find(&client->launcher->networks, handle);
    if (!network) {
        return fail(why, FAILURE_NOT_FOUND, "no network namespace has the handle %llu", (unsigned long long)handle);
    }
    release_network(client->launcher, network);
    crash_point("network.released");
    connection_send(&client->connection, MESSAGE_OK, frame->id, NULL, 0);
    return 0;
}

static int on_unmount_layer(struct client *client, const struct frame *frame, struct failure *why) {
    struct field field;
    if (only_field(frame, TAG_LAYER, &field, why) < 0) return -1;
    AUTO_TEXT path = field_text(&field);
    if (!path) return fail(why, FAILURE_INVALID, "the layer's path is not valid");
    if (layers_forget(&client->launcher->layers, path, why) < 0) return -1;
    crash_point("layer.unmounted");
    connection_send(&client->connection, MESSAGE_OK, frame->id, NULL, 0);
    return 0;
}

static int on_await_child(struct client *client, const struct frame *frame, struct failure *why) {
    struct field field;
    uint64_t pid;
    if (only_field(frame, TAG_PID, &field, why) < 0) return -1;
    if (!field_number(&field, &pid)) return fail(why, FAILURE_INVALID, "the pid is no number");
    return child_await(client, frame->id, (pid_t)pid, why);
}

struct files_request {
    char *socket;
    char *directory;
    struct root_plan root;
};

static int decode_files_request(const struct frame *frame, struct files_request *request, struct failure *why) {
    size_t at = 0;
    struct field field;
    enum field_result result;
    while ((result = field_next(frame->payload, frame->length, &at, &field)) == FIELD_NEXT) {
        char **into = field.tag == TAG_SOCKET      ? &request->socket
                      : field.tag == TAG_DIRECTORY ? &request->directory
                      : field.tag == TAG_UPPER     ? &request->root.upper
                      : field.tag == TAG_WORK      ? &request->root.work
                                                   : NULL;
        char *text = field_text(&field);
        if (!text || (into && *into) || (!into && field.tag != TAG_LAYER)) {
            free(text);
            return fail(why, FAILURE_INVALID, "field %u of the request is not valid", field.tag);
        }
        if (into) *into = text;
        else if (texts_add(&request->root.layers, text) < 0) return fail_errno(why, "the layers");
    }
    if (result == FIELD_BROKEN || !request->socket || !request->root.upper != !request->root.work) {
        return fail(why, FAILURE_INVALID, "the request for a file worker is not whole");
    }
    return 0;
}

static int on_open_files(struct client *client, const struct frame *frame, struct failure *why) {
    struct files_request request = {0};
    int result = decode_files_request(frame, &request, why);
    if (result == 0) {
        result = start_file_worker(client, frame->id, request.socket, &request.root, request.directory, why);
    }
    free(request.socket);
    free(request.directory);
    free(request.root.upper);
    free(request.root.work);
    texts_free(&request.root.layers);
    return result;
}

static int on_request(struct client *client, const struct frame *frame, struct failure *why) {
    switch (frame->type) {
        case MESSAGE_LAUNCHER_HELLO:
            send_number(client, MESSAGE_LAUNCHER_STATE, frame->id, TAG_PID, (uint64_t)getpid());
            return 0;
        case MESSAGE_LAUNCH: return on_launch(client, frame, why);
        case MESSAGE_CREATE_NETWORK: return on_create_network(client, frame, why);
        case MESSAGE_RELEASE_NETWORK: return on_release_network(client, frame, why);
        case MESSAGE_OPEN_FILES: return on_open_files(client, frame, why);
        case MESSAGE_UNMOUNT_LAYER: return on_unmount_layer(client, frame, why);
        case MESSAGE_AWAIT_CHILD: return on_await_child(client, frame, why);
        default: return fail(why, FAILURE_NOT_IMPLEMENTED, "the launcher knows no request %u", frame->type);
    }
}

static void on_frame(struct connection *connection, const struct frame *frame) {
    struct client *client = container_of(connection, struct client, connection);
    struct failure why;
    if (on_request(client, frame, &why) < 0) connection_refuse(connection, frame->id, &why);
}

/* Nobody will ask for their release: those that a supervisor has go with it, the others now. */
static void disown_networks(struct client *client) {
    struct launcher *launcher = client->launcher;
    for (size_t index = launcher->networks.count; index-- > 0;) {
        struct network *network = &launcher->networks.held[index];
        if (network->owner != client) continue;
        network->owner = NULL;
        if (!children_use_network(launcher, (uint64_t)network->namespace)) release_network(launcher, network);
    }
}

static void on_closed(struct connection *connection) {
    struct client *client = container_of(connection, struct client, connection);
    struct launcher *launcher = client->launcher;
    for (struct child *child = launcher->children; child; child = child->next) {
        if (child->client == client) child_disown(child);
        if (child->awaited_by == client) child->awaited_by = NULL;
    }
    for (struct client **link = &launcher->clients; *link; link = &(*link)->next) {
        if (*link != client) continue;
        *link = client->next;
        break;
    }
    disown_networks(client);
    connection_release(connection);
    free(client);
}

static const struct connection_events EVENTS = {.frame = on_frame, .closed = on_closed};

void client_accept(struct launcher *launcher, int socket) {
    struct client *client = calloc(1, sizeof(*client));
    if (!client) {
        close(socket);
        return;
    }
    client->launcher = launcher;
    if (connection_open(&client->connection, &launcher->loop, socket, REQUEST_MAX, &EVENTS) < 0) {
        free(client);
        return;
    }
    client->next = launcher->clients;
    launcher->clients = client;
}
