/* What a supervisor does with one container (SupervisorPlan of src/runtime/contract.ts), decoded from fields. */
#ifndef BERTH_PLAN_H
#define BERTH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "failure.h"
#include "fields.h"
#include "frame.h"

enum port_protocol { PORT_TCP, PORT_UDP, PORT_SCTP };

struct port_plan {
    enum port_protocol protocol;
    char *host_ip;
    uint16_t host_port;
    uint16_t host_port_last; /* 0: that port and no other */
    char *container_ip;
    uint16_t container_port;
};

/* "tcp". */
const char *protocol_name(enum port_protocol protocol);

struct root_plan {
    struct texts layers; /* the bottom one first */
    char *upper;         /* NULL: read-only */
    char *work;
};

enum log_driver { LOG_NONE, LOG_JSON_FILE, LOG_LOCAL };

/* Where log messages go beside the file. */
struct send_plan {
    bool journald; /* else syslog */
    char *address; /* NULL: nowhere */
    struct buffer constant;
    uint64_t facility;
};

struct restart_plan {
    uint64_t policy; /* enum restart_value */
    uint64_t maximum;
};

struct plan {
    char *id;
    char *directory;
    char *socket;
    struct root_plan root;
    bool terminal;
    bool open_stdin;
    bool stdin_once;
    bool has_network;
    uint64_t network;
    struct port_plan *ports;
    size_t port_count;
    enum log_driver log_driver;
    char *log_path;
    uint64_t log_max_size;
    uint64_t log_max_files;
    struct buffer log_attributes; /* in the format of the files */
    char *log_compressor; /* NULL: rotated files stay as they are */
    struct send_plan log_send;
    uint64_t shm_size;
    char *runtime;
    struct texts runtime_arguments;
    char *runtime_root;
    struct restart_plan restart;
    uint64_t restarts; /* that it had before */
};

/* Fields that are unknown, missing, doubled or out of range are refused by name. `plan` is to be freed either way. */
int plan_decode(const uint8_t *payload, size_t length, struct plan *plan, struct failure *why);

void plan_free(struct plan *plan);

/* Decodes one TAG_PORT field. `port` is to be freed either way. */
int port_decode(const struct field *field, struct port_plan *port, struct failure *why);
void port_free(struct port_plan *port);

/* Appends a port as one TAG_PORT field, with the port that was bound. */
int port_encode(struct buffer *out, const struct port_plan *port, uint16_t bound_port);

#endif
