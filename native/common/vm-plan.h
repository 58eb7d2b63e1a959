/*
 * What `berth-vm run` does with one virtual machine: the file VM_PLAN_FILE in the bundle. It holds fields (frame.h)
 * without a frame. And what the monitor of a running machine is asked on its control socket. src/vm/vm-plan.ts is the
 * same.
 *
 * The program of a machine is QEMU. It runs in a root of its own that holds nothing but the machine's FILEs and
 *   /dev/null, /dev/urandom and /proc of its own processes,
 * so its program, libraries and firmware are FILEs as well. Its descriptors:
 *   0     nothing to read
 *   1     the guest's console, should the arguments send it there: its last lines explain a guest that dies
 *   2     QEMU's own words, which explain why it did not start
 *   3     the guest's port (a connected socket: -chardev socket,fd=3), GUEST_PORT of guest-protocol.h
 *   4     QMP (the same)
 *   5     the STATE file, to read, if there is one
 *   10…   a tap device for each TAP, in their order
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
#define VM_TAP_DESCRIPTOR 10

enum vm_plan_tag {
    VM_PLAN_MACHINE = 1,   /* repeated; fields of its own: enum vm_machine_tag. The first one that boots is it */
    VM_PLAN_UID_BASE = 2,  /* user and group N of QEMU's user namespace are the host's UID_BASE + N, for 65,536 N */
    VM_PLAN_NETWORK = 3,   /* path of the container's network namespace; absent: there is none */
    VM_PLAN_TAP = 4,       /* repeated: an interface in that namespace, whose frames the guest's card takes over */
    VM_PLAN_CGROUP = 5,    /* repeated; fields of its own: enum vm_cgroup_tag */
    VM_PLAN_SETUP = 6,     /* payload of the guest's SETUP, but for its time and seed: those are the start's */
    VM_PLAN_PROCESS = 7,   /* payload of the guest's START for its first process */
};

/* One way to have the machine: from a template, or by booting a kernel. */
enum vm_machine_tag {
    VM_MACHINE_PROGRAM = 1,  /* path in QEMU's root */
    VM_MACHINE_ARGUMENT = 2, /* repeated; without the program's name in front */
    VM_MACHINE_FILE = 3,     /* repeated; fields of its own: enum vm_file_tag */
    VM_MACHINE_QMP = 4,      /* repeated: a command, as a line of JSON. Its refusal ends the machine */
    VM_MACHINE_AWAIT = 5,    /* repeated; fields of its own: enum vm_await_tag. Commands and these are done in order */
    VM_MACHINE_STATE = 6,    /* path of a file on the host, for descriptor 5: a guest that is asked for READY */
    VM_MACHINE_TEMPLATE_MEMORY = 7, /* the FILE's name of memory that is only read: template-memory.so sees to it */
    VM_MACHINE_BOOT_TIMEOUT = 8,    /* milliseconds until the guest must be ready */
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
    VM_CONTROL_STATE_IS = 0xc4, /* fields: enum vm_state_tag */
};

enum vm_state_tag {
    VM_STATE_PID = 1,     /* QEMU's */
    VM_STATE_MACHINE = 2, /* which MACHINE of the plan booted, from 0 */
    VM_STATE_READY = 3,   /* microseconds from the start of QEMU until the guest was ready */
    VM_STATE_STARTED = 4, /* and until its first process was executed */
    VM_STATE_PASSED_OVER = 5, /* repeated: why a MACHINE before it did not boot */
};

#endif
