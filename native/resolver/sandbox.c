#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/io.h"
#include "resolver.h"

/* How many datagrams one sandbox gets answered before the others have their turn. */
#define BURST 32

static struct network *network_use(struct resolver *resolver, const char *id) {
    for (struct network *network = resolver->networks; network; network = network->next) {
        if (strcmp(network->id, id) != 0) continue;
        network->uses++;
        return network;
    }
    struct network *network = calloc(1, sizeof(*network));
    if (!network) return NULL;
    snprintf(network->id, sizeof(network->id), "%s", id);
    network->uses = 1;
    network->next = resolver->networks;
    resolver->networks = network;
    return network;
}

static void network_leave(struct resolver *resolver, struct network *leaving) {
    if (!leaving || --leaving->uses > 0) return;
    for (struct network **link = &resolver->networks; *link; link = &(*link)->next) {
        if (*link != leaving) continue;
        *link = leaving->next;
        break;
    }
    network_names_free(&leaving->names);
    free(leaving);
}

/* A file that cannot be understood leaves what was known; the log says so once for each content. */
static void network_refresh(struct network *network) {
    char path[sizeof("n-") + NETWORK_ID_MAX];
    snprintf(path, sizeof(path), "n-%s", network->id);
    AUTO_BUFFER content = {0};
    enum file_news news = file_read_news(path, &network->stamp, RECORDS_MAX, &content);
    if (news == FILE_SAME) return;
    struct network_names names = {0};
    bool understood = news == FILE_NEW && network_names_parse((char *)content.data, content.length, &names) == 0;
    if (news == FILE_NEW && !understood) {
        log_line("the resolver does not understand %s", path);
        network_names_free(&names);
        return;
    }
    network_names_free(&network->names);
    network->names = names;
    network->known = understood;
    if (news == FILE_GONE) network->stamp = (struct stamp){0};
}

static void view_forget(struct sandbox *sandbox) {
    for (size_t index = 0; index < sandbox->view.network_count; index++) {
        if (sandbox->networks) network_leave(sandbox->resolver, sandbox->networks[index]);
    }
    free(sandbox->networks);
    sandbox->networks = NULL;
    sandbox_view_free(&sandbox->view);
    sandbox->known = false;
}

static int view_take(struct sandbox *sandbox, const struct sandbox_view *view) {
    struct network **networks = calloc(view->network_count ? view->network_count : 1, sizeof(*networks));
    if (!networks) return -1;
    for (size_t index = 0; index < view->network_count; index++) {
        networks[index] = network_use(sandbox->resolver, view->networks[index]);
    }
    view_forget(sandbox);
    sandbox->view = *view;
    sandbox->networks = networks;
    sandbox->known = true;
    return 0;
}

static void sandbox_path(const struct sandbox *sandbox, char path[32]) {
    snprintf(path, 32, "s-%" PRIu64, sandbox->id);
}

static void view_refresh(struct sandbox *sandbox) {
    char path[32];
    sandbox_path(sandbox, path);
    AUTO_BUFFER content = {0};
    enum file_news news = file_read_news(path, &sandbox->stamp, RECORDS_MAX, &content);
    if (news == FILE_GONE) {
        view_forget(sandbox);
        sandbox->stamp = (struct stamp){0};
    }
    if (news == FILE_NEW) {
        struct sandbox_view view;
        if (sandbox_view_parse((char *)content.data, content.length, &view) < 0) {
            log_line("the resolver does not understand %s", path);
            sandbox_view_free(&view);
        } else if (view_take(sandbox, &view) < 0) {
            sandbox_view_free(&view);
        }
    }
    for (size_t index = 0; index < sandbox->view.network_count; index++) {
        if (sandbox->networks[index]) network_refresh(sandbox->networks[index]);
    }
}

static size_t refuse(const uint8_t *message, const struct question *question, enum rcode rcode, uint8_t *data,
                     size_t limit) {
    struct reply reply;
    reply_begin(&reply, data, limit, message, question, rcode);
    return reply_end(&reply);
}

enum outcome sandbox_ask(const struct requester *requester, const uint8_t *message, size_t length, uint8_t *data,
                         size_t limit, size_t *used) {
    struct sandbox *sandbox = requester->sandbox;
    struct question question;
    enum question_result result = question_read(message, length, &question);
    if (result == QUESTION_NONE) return OUTCOME_SILENCE;
    if (result != QUESTION_WHOLE) {
        *used = refuse(message, NULL, result == QUESTION_BROKEN ? RCODE_FORMAT : RCODE_NOT_IMPLEMENTED, data, limit);
        return OUTCOME_ANSWERED;
    }
    if (!requester->stream && question.udp_room < limit) limit = question.udp_room;
    view_refresh(sandbox);
    if (!sandbox->known) {
        *used = refuse(message, &question, RCODE_REFUSED, data, limit);
        return OUTCOME_ANSWERED;
    }
    const struct network_names *networks[sandbox->view.network_count + 1];
    for (size_t index = 0; index < sandbox->view.network_count; index++) {
        const struct network *network = sandbox->networks[index];
        networks[index] = network && network->known ? &network->names : NULL;
    }
    const struct answer_source source = {.view = &sandbox->view, .networks = networks};
    struct reply reply;
    if (answer(&source, message, &question, sandbox->resolver->turn++, data, limit, &reply) == ANSWER_GIVEN) {
        *used = reply_end(&reply);
        return OUTCOME_ANSWERED;
    }
    if (forward_start(requester, message, length) == 0) return OUTCOME_FORWARDED;
    *used = refuse(message, &question, RCODE_SERVER_FAILURE, data, limit);
    return OUTCOME_ANSWERED;
}

/* False when nothing more has come. */
static bool receive(struct sandbox *sandbox) {
    static uint8_t message[MESSAGE_MAX];
    static uint8_t data[EDNS_UDP_MAX];
    struct requester requester = {.sandbox = sandbox};
    socklen_t size = sizeof(requester.client);
    ssize_t length = RETRY(recvfrom(sandbox->udp.fd, message, sizeof(message), 0, (struct sockaddr *)&requester.client,
                                    &size));
    if (length < 0) return errno != EAGAIN;
    if (is_answer(message, (size_t)length)) {
        forward_take_local(sandbox, &requester.client, message, (size_t)length);
        return true;
    }
    size_t used = 0;
    if (sandbox_ask(&requester, message, (size_t)length, data, sizeof(data), &used) == OUTCOME_ANSWERED) {
        sendto(sandbox->udp.fd, data, used, MSG_NOSIGNAL, (struct sockaddr *)&requester.client, size);
    }
    return true;
}

static void on_datagram(struct watch *watch, uint32_t events) {
    (void)events;
    struct sandbox *sandbox = container_of(watch, struct sandbox, udp);
    for (int count = 0; count < BURST && receive(sandbox); count++) continue;
}

static void on_connection(struct watch *watch, uint32_t events) {
    (void)events;
    stream_accept(container_of(watch, struct sandbox, tcp));
}

static void sandbox_free(struct sandbox *sandbox) {
    struct resolver *resolver = sandbox->resolver;
    streams_close(resolver, sandbox);
    forwards_cancel(resolver, sandbox, NULL);
    view_forget(sandbox);
    loop_close(&resolver->loop, &sandbox->udp);
    loop_close(&resolver->loop, &sandbox->tcp);
    free(sandbox);
}

int sandbox_add(struct resolver *resolver, uint64_t id, int udp, int tcp) {
    sandbox_remove(resolver, id); /* an inode is used again when its namespace has gone */
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    if (!sandbox) return -1;
    *sandbox = (struct sandbox){.id = id,
                                .udp = {.fd = udp, .ready = on_datagram},
                                .tcp = {.fd = tcp, .ready = on_connection},
                                .resolver = resolver};
    if (loop_watch(&resolver->loop, &sandbox->udp, EPOLLIN) < 0 ||
        loop_watch(&resolver->loop, &sandbox->tcp, EPOLLIN) < 0) {
        sandbox_free(sandbox);
        return -1;
    }
    sandbox->next = resolver->sandboxes;
    resolver->sandboxes = sandbox;
    return 0;
}

void sandbox_remove(struct resolver *resolver, uint64_t id) {
    for (struct sandbox **link = &resolver->sandboxes; *link; link = &(*link)->next) {
        struct sandbox *sandbox = *link;
        if (sandbox->id != id) continue;
        *link = sandbox->next;
        sandbox_free(sandbox);
        return;
    }
}

void sandboxes_check(struct resolver *resolver) {
    for (struct sandbox **link = &resolver->sandboxes; *link;) {
        struct sandbox *sandbox = *link;
        char path[32];
        struct stat status;
        sandbox_path(sandbox, path);
        if (stat(path, &status) == 0) {
            link = &sandbox->next;
            continue;
        }
        *link = sandbox->next;
        sandbox_free(sandbox);
    }
    resolver->loop.stopped = !resolver->sandboxes;
}
