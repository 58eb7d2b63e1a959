/*
 * What is said between a VM's monitor on the host and the guest's PID 1 (native/guest), over the virtio-serial port
 * GUEST_PORT; src/vm/guest-protocol.ts is the same. Frames and fields as in frame.h.
 *
 * The host chooses every id but those of DNS queries: one for each process and one for each request, none twice at the
 * same time. An answer carries its question's id. The first process of a guest has the id GUEST_MAIN_PROCESS.
 *
 * Of each stream of a process at most GUEST_WINDOW_BYTES are under way: its sender stops there until the receiver has
 * given bytes back by WINDOW. So a stream that nobody reads stops no other.
 */
#ifndef BERTH_GUEST_PROTOCOL_H
#define BERTH_GUEST_PROTOCOL_H

#define GUEST_PORT "berth.agent"
#define GUEST_VERSION 1
#define GUEST_MAIN_PROCESS 1
#define GUEST_WINDOW_BYTES (256u * 1024)

/* The longest payloads: of a stream's frame, of any other towards the guest, of any other towards the host. */
#define GUEST_STREAM_MAX (32u * 1024 - 8)
#define GUEST_REQUEST_MAX (4u * 1024 * 1024)
#define GUEST_ANSWER_MAX (1024u * 1024)

/* The disks' serial numbers, and the mount tag of the shared folders. */
#define GUEST_LAYER_DISK "layers"
#define GUEST_WRITABLE_DISK "writable"
#define GUEST_SHARE_TAG "b0"
/*
 * A word of the kernel's command line, which is a variable of PID 1: by what folders are shared, "9p" or "virtiofs". A template says
 * "any": the one virtio-mmio device of either kind that it has may be of the other kind by the time of SETUP.
 */
#define GUEST_SHARES_VARIABLE "BERTH_SHARES"
#define GUEST_SHARES_ANY "any"

enum guest_message {
    /* To the guest. */
    GUEST_SETUP = 0x01,       /* {guest_setup_tag*} → OK; once, before the first START */
    GUEST_START = 0x02,       /* {guest_process_tag*} → STARTED, later EXITED */
    GUEST_STDIN = 0x03,       /* raw bytes */
    GUEST_CLOSE_STDIN = 0x04, /* no more bytes will come */
    GUEST_SIGNAL = 0x05,      /* {number} */
    GUEST_RESIZE = 0x06,      /* {rows, columns} */
    GUEST_WINDOW = 0x07,      /* {stream, bytes}: both ways */
    GUEST_PUT_FILE = 0x08,    /* {path, content, mode?} → OK: replaces the content of one of SETUP's files, or writes one in the root */
    GUEST_STATISTICS = 0x09,  /* → FILES: the guest's accounts as the kernel writes them */
    GUEST_PROCESSES = 0x0a,   /* → PROCESS_LIST {process record*} */
    GUEST_POWER_OFF = 0x0b,   /* → OK once everything is on the disks; then the machine is switched off */
    GUEST_DNS_ANSWER = 0x0c,  /* a DNS message; empty: nobody answered */
    GUEST_PING = 0x0d,        /* → READY */
    GUEST_SET_TIME = 0x0e,    /* {time} → OK: after a pause */
    GUEST_KILL_ALL = 0x0f,    /* → OK: every process gets SIGKILL; the EXITEDs follow */

    /* To the host. */
    GUEST_OK = 0x80,
    GUEST_READY = 0x81,         /* {version}: after the boot, and as the answer to PING */
    GUEST_STARTED = 0x82,       /* {pid}: the program was executed; pid as the guest's PID 1 sees it */
    GUEST_FILES = 0x89,         /* {file*} */
    GUEST_PROCESS_LIST = 0x8a,  /* {process record*} */
    GUEST_STDOUT = 0x90,        /* raw bytes; a terminal's output too */
    GUEST_STDERR = 0x91,        /* raw bytes */
    GUEST_EXITED = 0x92,        /* {code, end signal, out of memory}: behind everything that the process wrote */
    GUEST_OUT_OF_MEMORY = 0x93, /* {count}: how many processes the kernel has killed for want of memory so far */
    GUEST_DNS_QUERY = 0x95,     /* a DNS message, to be asked by UDP; the id is the guest's choice */
    GUEST_DNS_QUERY_TCP = 0x96, /* the same, to be asked by TCP */
    GUEST_ERROR = 0xff,         /* {kind, message} in place of an answer */
};

/* How SETUP describes the machine that the processes see. */
enum guest_setup_tag {
    GUEST_SETUP_TIME = 1,       /* nanoseconds since the epoch */
    GUEST_SETUP_SEED = 2,       /* 32 random bytes or more */
    GUEST_SETUP_HOSTNAME = 3,
    GUEST_SETUP_DOMAINNAME = 4,
    GUEST_SETUP_LAYER = 5,      /* repeated, the bottom one first: a partition's number on the layer disk */
    GUEST_SETUP_WRITABLE = 6,   /* 1: the writable disk holds what is written; 0 or absent: the guest's memory */
    GUEST_SETUP_READ_ONLY_ROOT = 7, /* 1 */
    GUEST_SETUP_INTERFACE = 8,  /* repeated; fields of its own: enum guest_interface_tag */
    GUEST_SETUP_ROUTE = 9,      /* repeated; fields of its own: enum guest_route_tag */
    GUEST_SETUP_FILE = 10,      /* repeated; fields of its own: enum guest_file_tag; a file of the guest's memory mounted over the root's */
    GUEST_SETUP_MOUNT = 11,     /* repeated, in order; fields of its own: enum guest_mount_tag */
    GUEST_SETUP_SYSCTL = 12,    /* repeated; "net.ipv4.ip_forward=1" */
    GUEST_SETUP_SHM_SIZE = 13,  /* bytes of /dev/shm */
    GUEST_SETUP_MASKED_PATH = 14,    /* repeated */
    GUEST_SETUP_READ_ONLY_PATH = 15, /* repeated */
    GUEST_SETUP_NAME_SERVICE = 16,   /* 1: questions to 127.0.0.11:53 are sent to the host as DNS_QUERY */
    GUEST_SETUP_PIDS_LIMIT = 17,     /* 0 or absent: what the guest's kernel can take */
};

enum guest_interface_tag {
    GUEST_INTERFACE_MAC = 1,     /* six bytes: the card to be found by; absent: the next one of the guest's cards */
    GUEST_INTERFACE_NEW_MAC = 2, /* six bytes */
    GUEST_INTERFACE_NAME = 3,    /* what it is called from now on */
    GUEST_INTERFACE_MTU = 4,
    GUEST_INTERFACE_ADDRESS = 5, /* repeated: "172.17.0.2/16", "fd00::2/64" */
};

enum guest_route_tag {
    GUEST_ROUTE_DESTINATION = 1, /* "10.0.0.0/8"; absent: everything of the gateway's family */
    GUEST_ROUTE_GATEWAY = 2,     /* absent: directly on the interface */
    GUEST_ROUTE_INTERFACE = 3,   /* a name */
};

/* Also of PUT_FILE and of FILES. */
enum guest_file_tag {
    GUEST_FILE_PATH = 1,
    GUEST_FILE_MODE = 2, /* absent: 0644 */
    GUEST_FILE_CONTENT = 3,
};

enum guest_mount_tag {
    GUEST_MOUNT_TYPE = 1,        /* "share", "virtiofs" or "tmpfs" */
    GUEST_MOUNT_SOURCE = 2,      /* share: a path below the shared folder; virtiofs: a mount tag */
    GUEST_MOUNT_DESTINATION = 3, /* in the root */
    GUEST_MOUNT_READ_ONLY = 4,   /* 1 */
    GUEST_MOUNT_OPTIONS = 5,     /* what mount(8) takes: "size=64m,mode=1777,noexec,nosuid" */
};

/* How START describes a process. */
enum guest_process_tag {
    GUEST_PROCESS_ARGUMENT = 1, /* repeated */
    GUEST_PROCESS_ENVIRONMENT = 2, /* repeated: NAME=VALUE */
    GUEST_PROCESS_DIRECTORY = 3,
    GUEST_PROCESS_UID = 4,
    GUEST_PROCESS_GID = 5,
    GUEST_PROCESS_GROUP = 6,    /* repeated: supplementary groups */
    GUEST_PROCESS_TERMINAL = 7, /* 1: a pty, whose output is STDOUT */
    GUEST_PROCESS_ROWS = 8,
    GUEST_PROCESS_COLUMNS = 9,
    GUEST_PROCESS_STDIN = 10,   /* 1: STDIN frames will come; else it reads /dev/null (or a terminal that stays silent) */
    GUEST_PROCESS_BOUNDING = 11, /* capability masks as in capset(2): bit N is capability N */
    GUEST_PROCESS_EFFECTIVE = 12,
    GUEST_PROCESS_PERMITTED = 13,
    GUEST_PROCESS_INHERITABLE = 14,
    GUEST_PROCESS_AMBIENT = 15,
    GUEST_PROCESS_NO_NEW_PRIVILEGES = 16, /* 1 */
    GUEST_PROCESS_RLIMIT = 17,  /* repeated: 24 bytes, three u64: resource, soft, hard */
    GUEST_PROCESS_UMASK = 18,   /* absent: 0022 */
    GUEST_PROCESS_OOM_SCORE = 19, /* oom_score_adj + 1000; absent: 1000 */
    GUEST_PROCESS_INIT = 20,    /* 1: berth's init is PID 1 and starts the command */
    GUEST_PROCESS_STOP_SIGNAL = 21,
    GUEST_PROCESS_STOP_GROUP = 22, /* 1: the stop signal goes to the other processes where PID 1 cannot receive it */
    GUEST_PROCESS_WORKER = 23,  /* one of berth's own in place of a program: enum guest_worker */
    GUEST_PROCESS_PROBE = 25,   /* 1: a health check, none of the machine's processes to the rule of STOP_GROUP; nor is what it starts */
    GUEST_PROCESS_SECCOMP = 24, /* a compiled filter: struct sock_filter, repeated, as the kernel takes it */
};

/* Their connection is STDIN and STDOUT. The first three are the file worker (native/fs), each with another root. */
enum guest_worker {
    GUEST_WORKER_ROOT = 1,       /* what the processes see */
    GUEST_WORKER_ROOT_ALONE = 2, /* the same without what is mounted in it */
    GUEST_WORKER_CHANGES = 3,    /* what was written: overlayfs's upper folder */
    GUEST_WORKER_CONNECT = 4,    /* passes bytes on to a TCP connection. ARGUMENT: a port, then the addresses to try in
                                    order; STARTED once one has accepted, ERROR with its reason when none does */
    GUEST_WORKER_WAIT = 5,       /* ends with its input: the machine is there for the files on its disks alone */
};

/* What other payloads hold. */
enum guest_tag {
    GUEST_TAG_KIND = 32, /* as protocol.h's TAG_KIND: "not-found", "invalid", … */
    GUEST_TAG_MESSAGE = 33,
    GUEST_TAG_VERSION = 34,
    GUEST_TAG_PID = 36,
    GUEST_TAG_TIME = 37,
    GUEST_TAG_CODE = 38,
    GUEST_TAG_OUT_OF_MEMORY = 39, /* 1: the process was killed for want of memory */
    GUEST_TAG_NUMBER = 43,
    GUEST_TAG_ROWS = 44,
    GUEST_TAG_COLUMNS = 45,
    GUEST_TAG_STREAM = 46, /* enum guest_stream */
    GUEST_TAG_BYTES = 47,
    GUEST_TAG_COUNT = 48,
    GUEST_TAG_FILE = 49,    /* repeated; fields of its own: enum guest_file_tag */
    GUEST_TAG_PROCESS = 50, /* repeated; fields of its own: enum guest_record_tag */
    GUEST_TAG_END_SIGNAL = 60, /* 0: it ended by itself */
};

/* A line of PROCESS_LIST. Numbers of processes are those that the guest's PID 1 sees. */
enum guest_record_tag {
    GUEST_RECORD_PID = 1,
    GUEST_RECORD_STAT = 2,    /* /proc/PID/stat as it is: state, parent, terminal, times (proc(5)) */
    GUEST_RECORD_STATUS = 3,  /* /proc/PID/status as it is: users and groups */
    GUEST_RECORD_COMMAND = 4, /* /proc/PID/cmdline: arguments, each with a zero byte behind it */
    GUEST_RECORD_USER = 5,    /* its effective user's name in the root's passwd, else the number */
};

enum guest_stream { GUEST_STREAM_STDIN = 0, GUEST_STREAM_STDOUT = 1, GUEST_STREAM_STDERR = 2 };

#endif
