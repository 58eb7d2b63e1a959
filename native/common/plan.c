#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "protocol.h"

#define PORTS_MAX 16384

static int take_port_number(const struct field *field, uint16_t *into, struct failure *why) {
    uint64_t number;
    if (!field_number(field, &number) || number > UINT16_MAX) return field_broken(field, why);
    *into = (uint16_t)number;
    return 0;
}

static int take_word(const struct field *field, const char *no, const char *yes, bool *into, struct failure *why) {
    bool is_yes = field->length == strlen(yes) && memcmp(field->value, yes, field->length) == 0;
    bool is_no = field->length == strlen(no) && memcmp(field->value, no, field->length) == 0;
    *into = is_yes;
    return is_yes || is_no ? 0 : field_broken(field, why);
}

static const char *const PROTOCOLS[] = {[PORT_TCP] = "tcp", [PORT_UDP] = "udp", [PORT_SCTP] = "sctp"};

const char *protocol_name(enum port_protocol protocol) {
    return PROTOCOLS[protocol];
}

static int take_protocol(const struct field *field, enum port_protocol *into, struct failure *why) {
    for (size_t index = 0; index < sizeof(PROTOCOLS) / sizeof(*PROTOCOLS); index++) {
        const char *name = PROTOCOLS[index];
        if (field->length != strlen(name) || memcmp(field->value, name, field->length) != 0) continue;
        *into = (enum port_protocol)index;
        return 0;
    }
    return field_broken(field, why);
}

static int take_port_field(const struct field *field, struct port_plan *port, struct failure *why) {
    switch (field->tag) {
        case PORT_TAG_PROTOCOL: return take_protocol(field, &port->protocol, why);
        case PORT_TAG_HOST_IP: return take_text(field, &port->host_ip, why);
        case PORT_TAG_HOST_PORT: return take_port_number(field, &port->host_port, why);
        case PORT_TAG_HOST_PORT_LAST: return take_port_number(field, &port->host_port_last, why);
        case PORT_TAG_CONTAINER_IP: return take_text(field, &port->container_ip, why);
        case PORT_TAG_CONTAINER_PORT: return take_port_number(field, &port->container_port, why);
        default: return field_broken(field, why);
    }
}

int port_decode(const struct field *outer, struct port_plan *port, struct failure *why) {
    *port = (struct port_plan){0};
    size_t at = 0;
    struct field field;
    enum field_result result;
    while ((result = field_next(outer->value, outer->length, &at, &field)) == FIELD_NEXT) {
        if (take_port_field(&field, port, why) < 0) return -1;
    }
    if (result == FIELD_BROKEN || !port->host_ip || !port->container_ip || !port->container_port) {
        return field_broken(outer, why);
    }
    return 0;
}

void port_free(struct port_plan *port) {
    free(port->host_ip);
    free(port->container_ip);
    *port = (struct port_plan){0};
}

static int take_port(const struct field *outer, struct plan *plan, struct failure *why) {
    if (plan->port_count >= PORTS_MAX) return field_broken(outer, why);
    struct port_plan *ports = realloc(plan->ports, (plan->port_count + 1) * sizeof(*ports));
    if (!ports) return field_broken(outer, why);
    plan->ports = ports;
    return port_decode(outer, &ports[plan->port_count++], why);
}

static int take_log_driver(const struct field *field, struct plan *plan, struct failure *why) {
    static const char *const NAMES[] = {[LOG_NONE] = "none", [LOG_JSON_FILE] = "json-file", [LOG_LOCAL] = "local"};
    for (size_t index = 0; index < sizeof(NAMES) / sizeof(*NAMES); index++) {
        if (field->length != strlen(NAMES[index]) || memcmp(field->value, NAMES[index], field->length) != 0) continue;
        plan->log_driver = (enum log_driver)index;
        return 0;
    }
    return field_broken(field, why);
}

static int take_send_field(const struct field *field, struct send_plan *send, struct failure *why) {
    switch (field->tag) {
        case SEND_TAG_FORMAT: return take_word(field, "syslog", "journald", &send->journald, why);
        case SEND_TAG_ADDRESS: return take_text(field, &send->address, why);
        case SEND_TAG_CONSTANT:
            return buffer_append(&send->constant, field->value, field->length) < 0 ? field_broken(field, why) : 0;
        case SEND_TAG_FACILITY: return take_number(field, &send->facility, why);
        default: return field_broken(field, why);
    }
}

static int take_send(const struct field *outer, struct send_plan *send, struct failure *why) {
    size_t at = 0;
    struct field field;
    enum field_result result;
    while ((result = field_next(outer->value, outer->length, &at, &field)) == FIELD_NEXT) {
        if (take_send_field(&field, send, why) < 0) return -1;
    }
    bool is_whole = result == FIELD_END && send->address && send->constant.length > 0 && send->facility < 24;
    return is_whole ? 0 : field_broken(outer, why);
}

static int take_restart(const struct field *field, uint64_t *policy, struct failure *why) {
    if (take_number(field, policy, why) < 0) return -1;
    return *policy <= RESTART_ON_FAILURE ? 0 : field_broken(field, why);
}

static int take_field(const struct field *field, struct plan *plan, struct failure *why) {
    switch (field->tag) {
        case TAG_ID: return take_text(field, &plan->id, why);
        case TAG_DIRECTORY: return take_text(field, &plan->directory, why);
        case TAG_SOCKET: return take_text(field, &plan->socket, why);
        case TAG_LAYER: return take_item(field, &plan->root.layers, why);
        case TAG_UPPER: return take_text(field, &plan->root.upper, why);
        case TAG_WORK: return take_text(field, &plan->root.work, why);
        case TAG_TERMINAL: return take_flag(field, &plan->terminal, why);
        case TAG_OPEN_STDIN: return take_flag(field, &plan->open_stdin, why);
        case TAG_STDIN_ONCE: return take_flag(field, &plan->stdin_once, why);
        case TAG_NETWORK: plan->has_network = true; return take_number(field, &plan->network, why);
        case TAG_PORT: return take_port(field, plan, why);
        case TAG_LOG_DRIVER: return take_log_driver(field, plan, why);
        case TAG_LOG_PATH: return take_text(field, &plan->log_path, why);
        case TAG_LOG_MAX_SIZE: return take_number(field, &plan->log_max_size, why);
        case TAG_LOG_MAX_FILES: return take_number(field, &plan->log_max_files, why);
        case TAG_LOG_ATTRIBUTES:
            return buffer_append(&plan->log_attributes, field->value, field->length) < 0 ? field_broken(field, why) : 0;
        case TAG_LOG_COMPRESSOR: return take_text(field, &plan->log_compressor, why);
        case TAG_LOG_SEND: return take_send(field, &plan->log_send, why);
        case TAG_SHM_SIZE: return take_number(field, &plan->shm_size, why);
        case TAG_RUNTIME_PATH: return take_text(field, &plan->runtime, why);
        case TAG_RUNTIME_ARGUMENT: return take_item(field, &plan->runtime_arguments, why);
        case TAG_RUNTIME_ROOT: return take_text(field, &plan->runtime_root, why);
        case TAG_RESTART: return take_restart(field, &plan->restart.policy, why);
        case TAG_RESTARTS: return take_number(field, &plan->restarts, why);
        case TAG_RESTART_MAXIMUM: return take_number(field, &plan->restart.maximum, why);
        default: return field_broken(field, why);
    }
}

static int check_whole(const struct plan *plan, struct failure *why) {
    if (!plan->id || !plan->directory || !plan->socket || !plan->runtime || !plan->runtime_root) {
        return fail(why, FAILURE_INVALID, "the plan lacks its id, directory, socket, runtime or the runtime's root");
    }
    if (!plan->root.upper != !plan->root.work) {
        return fail(why, FAILURE_INVALID, "the plan names only one of the upper and the work directory");
    }
    if (plan->log_driver != LOG_NONE && !plan->log_path) return fail(why, FAILURE_INVALID, "the plan has no path for the log");
    return 0;
}

int plan_decode(const uint8_t *payload, size_t length, struct plan *plan, struct failure *why) {
    *plan = (struct plan){0};
    size_t at = 0;
    struct field field;
    enum field_result result;
    while ((result = field_next(payload, length, &at, &field)) == FIELD_NEXT) {
        if (take_field(&field, plan, why) < 0) return -1;
    }
    if (result == FIELD_BROKEN) return fail(why, FAILURE_INVALID, "a field of the plan ends after its payload");
    return check_whole(plan, why);
}

void plan_free(struct plan *plan) {
    char *texts[] = {plan->id,       plan->directory, plan->socket,  plan->root.upper,
                     plan->root.work, plan->log_path, plan->runtime, plan->runtime_root,
                     plan->log_compressor, plan->log_send.address};
    for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) free(texts[index]);
    for (size_t index = 0; index < plan->port_count; index++) port_free(&plan->ports[index]);
    free(plan->ports);
    buffer_free(&plan->log_send.constant);
    buffer_free(&plan->log_attributes);
    texts_free(&plan->root.layers);
    texts_free(&plan->runtime_arguments);
    *plan = (struct plan){0};
}

int port_encode(struct buffer *out, const struct port_plan *port, uint16_t bound_port) {
    AUTO_BUFFER fields = {0};
    if (field_append_text(&fields, PORT_TAG_PROTOCOL, protocol_name(port->protocol)) < 0 ||
        field_append_text(&fields, PORT_TAG_HOST_IP, port->host_ip) < 0 ||
        field_append_number(&fields, PORT_TAG_HOST_PORT, bound_port) < 0 ||
        field_append_text(&fields, PORT_TAG_CONTAINER_IP, port->container_ip) < 0 ||
        field_append_number(&fields, PORT_TAG_CONTAINER_PORT, port->container_port) < 0) {
        return -1;
    }
    return field_append(out, TAG_PORT, fields.data, fields.length);
}
