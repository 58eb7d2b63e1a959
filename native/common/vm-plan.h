/*
 * What `berth-vm run` does with one virtual machine: the file VM_PLAN_FILE in the bundle. It holds fields (frame.h)
 * without a frame. And what the monitor of a running machine is asked on its control socket. src/vm/vm-plan.ts is the
 * same.
 *
 * There are two kinds. A plan with a PROCESS is a container's: the guest runs our agent, which starts the process. One
 * without SETUP and PROCESS is a computer's: what its firmware boots is the user's, nothing of ours is inside, and our
 * standard streams are its serial console. It has started when the script is done; SIGTERM, SIGINT and SIGPWR press its power
 * button, each time they come; it ends with 0 when it is switched off, and with 1 and the reason on its console when its
 * kernel panics or QEMU dies.
 *
 * The program of a machine is QEMU. It runs in a root of its own that holds nothing but the machine's FILEs and
 *   /dev/null, /dev/urandom and /proc of its own processes,
 * so its program, libraries and firmware are FILEs as well. Its descriptors:
 *   0     nothing to read
 *   1     the guest's console, should the arguments send it there: its last lines explain a guest that dies
 *   2     QEMU's own words, which explain why it did not start
 *   3     a connected socket (-chardev socket,fd=3): of a container the guest's port, GUEST_PORT of guest-protocol.h; of a
 *         computer the serial console
 *   4     QMP (the same)
 *   5     the STATE file, to read, if there is one
 *   6     of a computer: the port of QEMU's guest agent (the same as 3)
 *   7     the FILE_SERVER, if there is one (a connected socket: -chardev socket,fd=7)
 *   8     a memfd with the content of MEMORY, if there is one
 *   10…   a tap device for each TAP, in their order
 *
 * A FILE_SERVER (virtiofsd) is another program in a root of its own, which serves folders to the guest. Its descriptors:
 *   0     nothing to read
 *   1, 2  its words
 *   3     a listening socket on which QEMU has connected already (--fd=3)
 * A machine whose file server ends is ended.
 */
#ifndef BERTH_VM_PLAN_H
#define BERTH_VM_PLAN_H

#define VM_PLAN_FILE "vm.plan"
#define VM_CONTROL_SOCKET "control" /* in the folder ROOT/ID */
/* In the bundle: "1" once the guest's kernel has killed a process for want of memory, which no cgroup here counts. */
#define VM_OUT_OF_MEMORY_FILE "out-of-memory"

#define VM_AGENT_DESCRIPTOR 3
#define VM_QMP_DESCRIPTOR 4
#define VM_STATE_DESCRIPTOR 5
#define VM_GUEST_AGENT_DESCRIPTOR 6
#define VM_FILE_SERVER_DESCRIPTOR 7
#define VM_MEMORY_DESCRIPTOR 8
#define VM_TAP_DESCRIPTOR 10

enum vm_plan_tag {
    VM_PLAN_MACHINE = 1,   /* repeated; fields of its own: enum vm_machine_tag. The first one that boots is it */
    VM_PLAN_UID_BASE = 2,  /* user and group N of QEMU's user namespace are the host's UID_BASE + N, for 65,536 N */
    VM_PLAN_NETWORK = 3,   /* path of the container's network namespace; absent: there is none */
    VM_PLAN_TAP = 4,       /* repeated: an interface in that namespace, whose frames the guest's card takes over */
    VM_PLAN_CGROUP = 5,    /* repeated; fields of its own: enum vm_cgroup_tag */
    VM_PLAN_SETUP = 6,     /* payload of the guest's SETUP, but for its time and seed: those are the start's */
    VM_PLAN_PROCESS = 7,   /* payload of the guest's START for its first process */
    VM_PLAN_LEASE = 8,     /* repeated, of a computer; fields of its own: enum vm_lease_tag */
};

/*
 * What a card that asks by DHCP is told, and where it may ask for names. The interface's IPv4 addresses in the network
 * namespace are taken away: they are the guest's.
 */
enum vm_lease_tag {
    VM_LEASE_INTERFACE = 1, /* one of the TAPs */
    VM_LEASE_MAC = 2,       /* of the guest's card, "02:42:0a:00:00:02": nobody else is answered */
    VM_LEASE_ADDRESS = 3,   /* "10.0.0.2/16" */
    VM_LEASE_ROUTER = 4,    /* "10.0.0.1"; absent: the network leads nowhere else */
    VM_LEASE_SERVER = 5,    /* who answers to DHCP and to DNS, by UDP and TCP: the router's address, or one that nobody has */
    VM_LEASE_SERVER_MAC = 6, /* of the router, if SERVER is its address: frames to it are looked through for such questions */
    VM_LEASE_HOSTNAME = 7,
    VM_LEASE_SEARCH = 8, /* repeated: domains in which names are looked for */
};

/* One way to have the machine: from a template, or by booting a kernel. */
enum vm_machine_tag {
    VM_MACHINE_PROGRAM = 1,  /* path in QEMU's root */
    VM_MACHINE_ARGUMENT = 2, /* repeated; without the program's name in front */
    VM_MACHINE_FILE = 3,     /* repeated; fields of its own: enum vm_file_tag */
    VM_MACHINE_QMP = 4,      /* repeated: a command, as a line of JSON. Its refusal ends the machine */
    VM_MACHINE_AWAIT = 5,    /* repeated; fields of its own: enum vm_await_tag. Commands and these are done in order */
    VM_MACHINE_STATE = 6,    /* path of a file on the host, for descriptor 5: a guest that is asked for READY. Of a computer
                                the file is removed: its disks are others than the state's as soon as it goes on */
    VM_MACHINE_TEMPLATE_MEMORY = 7, /* the FILE's name of memory that is only read: template-memory.so sees to it */
    VM_MACHINE_BOOT_TIMEOUT = 8,    /* milliseconds until the guest must be ready, or a computer's script done */
    VM_MACHINE_FILE_SERVER = 9,     /* fields of its own: PROGRAM, ARGUMENT and FILE */
    VM_MACHINE_MEMORY = 10,         /* path of a file on the host: the machine has a copy as its memory, which a file server can map */
    VM_MACHINE_FILE_SIZE = 11,      /* bytes: QEMU makes no file longer than this, however long it was; absent: as it likes */
};

enum vm_file_tag {
    VM_FILE_HOST_PATH = 1, /* symbolic links are followed; a device becomes a node of the same number */
    VM_FILE_NAME = 2,      /* absolute path in QEMU's root; folders on the way are made */
    VM_FILE_WRITABLE = 3,  /* 1 */
    VM_FILE_IDMAP = 4,     /* 1: what root owns on the host, root owns in QEMU's user namespace, and so on */
};

enum vm_await_tag {
    VM_AWAIT_EVENT = 1, /* its name; also one that came since the command before */
    VM_AWAIT_WORD = 2,  /* repeated: the event's line must hold all of them */
};

enum vm_cgroup_tag {
    VM_CGROUP_FOLDER = 1,  /* made if it is missing, removed by `berth-vm delete` */
    VM_CGROUP_SETTING = 2, /* repeated; fields of its own: enum vm_setting_tag. Written before anybody joins */
};

enum vm_setting_tag { VM_SETTING_FILE = 1, VM_SETTING_VALUE = 2 };

/*
 * The control socket: frames as everywhere. A request has an id of the client's choice; its answer carries the same.
 * The guest's own requests GUEST_PUT_FILE, GUEST_STATISTICS, GUEST_PROCESSES and GUEST_KILL_ALL are passed on as they
 * are, and so are their answers. Tags are the guest's too (enum guest_tag).
 */
enum vm_control_message {
    VM_CONTROL_EXEC = 0x40,   /* a START payload, with three descriptors (standard input, output, error) → GUEST_STARTED,
                                 later GUEST_EXITED. GUEST_SIGNAL and GUEST_RESIZE then mean that process, which is
                                 killed when the connection ends */
    VM_CONTROL_STREAM = 0x41, /* a START payload → GUEST_STARTED; the connection is then the process's standard input and
                                 output, as they are. Its end is the process's end */
    VM_CONTROL_PAUSE = 0x42,  /* → GUEST_OK: no processor of the guest runs */
    VM_CONTROL_RESUME = 0x43, /* → GUEST_OK: they run again, and the guest's clock is right */
    VM_CONTROL_STATE = 0x44,  /* → STATE_IS */
    /* A computer's guest is asked nothing of the above but to be paused, resumed and for its state. */
    VM_CONTROL_QMP = 0x45,    /* a QMP command as JSON, on one line → QMP_RETURN. A descriptor that came with the connection's
                                 first byte goes with its first command, for getfd and add-fd */
    VM_CONTROL_EVENTS = 0x46, /* → GUEST_OK, and from then on EVENTs with id 0 on this connection */
    VM_CONTROL_AGENT = 0x47,  /* of a computer only → GUEST_OK, as soon as nobody else has it: the connection is then the stream to QEMU's guest
                                 agent, as it is. What the agent says while nobody has it is thrown away */
    VM_CONTROL_STATE_IS = 0xc4, /* fields: enum vm_state_tag */
    VM_CONTROL_QMP_RETURN = 0xc5, /* QEMU's answer as JSON: an object with "return" or "error" */
    VM_CONTROL_EVENT = 0xc6,      /* an event of QEMU's as JSON */
};

enum vm_state_tag {
    VM_STATE_PID = 1,     /* QEMU's */
    VM_STATE_MACHINE = 2, /* which MACHINE of the plan booted, from 0 */
    VM_STATE_READY = 3,   /* microseconds from the start of QEMU until the guest was ready; of a computer: the script done */
    VM_STATE_STARTED = 4, /* and until its first process was executed; of a computer the same as READY */
    VM_STATE_PASSED_OVER = 5, /* repeated: why a MACHINE before it did not boot */
};

#endif
