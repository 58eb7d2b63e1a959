/*
 * What is said between berthd and its native parts; src/runtime/protocol.ts is the same. A request has an id of the
 * client's choice, its answer (OK, ERROR or the one named here) carries the same id; other frames have id 0.
 */
#ifndef BERTH_PROTOCOL_H
#define BERTH_PROTOCOL_H

enum message {
    /* To the launcher. */
    MESSAGE_LAUNCHER_HELLO = 0x01,  /* → LAUNCHER_STATE */
    MESSAGE_LAUNCH = 0x02,          /* a plan → OK {pid} */
    MESSAGE_CREATE_NETWORK = 0x03,  /* → OK {network} */
    MESSAGE_RELEASE_NETWORK = 0x04, /* {network} */
    MESSAGE_OPEN_FILES = 0x05,      /* {socket, layer*, upper, work} or {socket, directory} */
    MESSAGE_UNMOUNT_LAYER = 0x06,   /* {layer} */
    MESSAGE_AWAIT_CHILD = 0x07,     /* {pid} → OK once the process has gone, and with it its use of layers */

    /* To a supervisor. The first frame of a connection decides what it is: HELLO, ATTACH or EXEC. */
    MESSAGE_HELLO = 0x10,       /* control connection → STATE */
    MESSAGE_RUN = 0x11,         /* → STARTED */
    MESSAGE_DISCARD = 0x12,
    MESSAGE_SIGNAL = 0x13,      /* {number} */
    MESSAGE_RESIZE = 0x14,      /* {rows, columns} */
    MESSAGE_PAUSE = 0x15,
    MESSAGE_RESUME = 0x16,
    MESSAGE_ATTACH = 0x17,      /* {streams} */
    MESSAGE_EXEC = 0x18,        /* {streams, terminal, process} → STARTED; SIGNAL and RESIZE then mean that process */
    MESSAGE_STDIN = 0x19,       /* raw bytes; OK when the process's pipe has taken all of them */
    MESSAGE_CLOSE_STDIN = 0x1a,
    MESSAGE_SET_RESTART = 0x1b,    /* {restart, restart maximum?} */
    MESSAGE_PUBLISH = 0x1d,        /* {port} → OK {port}, as it was bound */
    MESSAGE_WITHDRAW = 0x1e,       /* {port}: its connections go on, new ones are refused; one that is not there is fine */
    MESSAGE_CANCEL_RESTART = 0x1c, /* this run is the last, and a restart that is waited for does not come */

    /* Answers and events. */
    MESSAGE_OK = 0x80,
    MESSAGE_LAUNCHER_STATE = 0x81, /* {pid} */
    MESSAGE_STATE = 0x82,          /* {state, terminal, pid, port*, passwd, group, network?, started?, restarts, ended*} */
    MESSAGE_STARTED = 0x83,        /* {pid, time} */
    MESSAGE_STDOUT = 0x90,         /* raw bytes */
    MESSAGE_STDERR = 0x91,         /* raw bytes */
    MESSAGE_EXITED = 0x92, /* {code, oom, time, end signal}; PID 1's also {memory peak, memory limit, start time,
                              restarts, runtime log?} */
    MESSAGE_PORT_REFUSED = 0x93,   /* {port} */
    MESSAGE_RESTARTING = 0x94,     /* as the container's EXITED: it will be restarted */
    MESSAGE_RESTARTED = 0x95,      /* {pid, time} */
    MESSAGE_ERROR = 0xff,          /* {kind, message, port index?, runtime log?} */
};

enum tag {
    TAG_ID = 1,
    TAG_DIRECTORY = 2,
    TAG_SOCKET = 3,
    TAG_LAYER = 4, /* repeated, the bottom one first */
    TAG_UPPER = 5,
    TAG_WORK = 6,
    TAG_TERMINAL = 7,
    TAG_OPEN_STDIN = 8,
    TAG_STDIN_ONCE = 9,
    TAG_NETWORK = 10, /* in a plan the launcher's handle, in a state the supervisor's own descriptor */
    TAG_PORT = 11,    /* repeated; fields of its own: enum port_tag */
    TAG_LOG_DRIVER = 12,
    TAG_LOG_PATH = 13,
    TAG_LOG_MAX_SIZE = 14,
    TAG_LOG_MAX_FILES = 15,
    TAG_SHM_SIZE = 16,
    TAG_RUNTIME_PATH = 17,
    TAG_RUNTIME_ARGUMENT = 18, /* repeated */
    TAG_RUNTIME_ROOT = 19,
    TAG_RESTART = 20, /* enum restart_value */
    TAG_RESTART_MAXIMUM = 21, /* 0: without end */
    TAG_LOG_ATTRIBUTES = 22, /* of every message, in the format of the files */
    TAG_LOG_COMPRESSOR = 23, /* a program that compresses its standard input to its standard output */
    TAG_LOG_SEND = 24, /* where else the log goes; fields of its own: enum send_tag */

    TAG_KIND = 32,
    TAG_MESSAGE = 33,
    TAG_PORT_INDEX = 34,
    TAG_RUNTIME_LOG = 35,
    TAG_PID = 36,
    TAG_TIME = 37, /* nanoseconds since the epoch */
    TAG_CODE = 38,
    TAG_OOM_KILLED = 39,
    TAG_STATE = 40, /* enum state_value */
    TAG_PASSWD = 41,
    TAG_GROUP = 42,
    TAG_NUMBER = 43,
    TAG_ROWS = 44,
    TAG_COLUMNS = 45,
    TAG_STREAMS = 46, /* bits: enum stream_bit */
    TAG_PROCESS = 47, /* an OCI process object as JSON */
    TAG_STARTED = 48, /* fields of its own: pid and time */
    TAG_START_TIME = 49,
    TAG_RESTARTS = 50, /* how often the policy has restarted it, or is about to */
    TAG_ENDED = 51, /* an end that was followed by a restart; fields of its own: as PID 1's EXITED */

    TAG_END_SIGNAL = 60,   /* 0: it ended by itself */
    TAG_MEMORY_PEAK = 61,  /* bytes; 0: not known */
    TAG_MEMORY_LIMIT = 62, /* bytes; 0: none */
};

enum port_tag {
    PORT_TAG_PROTOCOL = 1, /* "tcp", "udp" or "sctp" */
    PORT_TAG_HOST_IP = 2,
    PORT_TAG_HOST_PORT = 3,
    PORT_TAG_CONTAINER_IP = 4,
    PORT_TAG_CONTAINER_PORT = 5,
    PORT_TAG_HOST_PORT_LAST = 6, /* the first free one from the host port on, up to this, is taken */
};

enum send_tag {
    SEND_TAG_FORMAT = 1,  /* "syslog" or "journald" */
    SEND_TAG_ADDRESS = 2, /* "unix:PATH", "udp:IP:PORT" or "tcp:IP:PORT" */
    SEND_TAG_CONSTANT = 3, /* what every message has: a syslog tag, or fields of the journal's protocol */
    SEND_TAG_FACILITY = 4,
};

enum state_value { STATE_PREPARED = 0, STATE_RUNNING = 1, STATE_EXITED = 2, STATE_RESTARTING = 3 };

enum restart_value { RESTART_NO = 0, RESTART_ALWAYS = 1, RESTART_ON_FAILURE = 2 };

enum stream_bit { STREAM_STDIN = 1, STREAM_STDOUT = 2, STREAM_STDERR = 4 };

#endif
