/* The monitor of one virtual machine: its whole state, and what its files offer each other. */
#ifndef BERTH_VM_MONITOR_H
#define BERTH_VM_MONITOR_H

#include <sys/types.h>

#include "agent-port.h"
#include "card-services.h"
#include "common/failure.h"
#include "common/loop.h"
#include "console.h"
#include "guest.h"
#include "machine-plan.h"
#include "names.h"
#include "options.h"
#include "qmp.h"
#include "words.h"

enum phase {
    PHASE_BOOTING,    /* QEMU runs, the guest is not ready; of a computer: the script is not done */
    PHASE_SETTING_UP, /* SETUP is under way */
    PHASE_STARTING,   /* START is under way */
    PHASE_RUNNING,
    PHASE_ENDING, /* the first process has ended, or the start has failed: QEMU is awaited */
};

struct session;

struct monitor {
    struct loop loop;
    const struct options *options;
    struct vm_plan plan;
    enum phase phase;
    int log;
    int folder;   /* ROOT/ID */
    int report;   /* to `berth-vm run`; -1 when it knows */
    int out_of_memory; /* the file that says so */
    int terminal; /* to ask for its size; -1: none */
    char *scratch;
    int user_namespace;
    int *taps; /* as many as the plan's; closed when a machine has booted */

    size_t machine; /* of the plan: the one that boots or has booted */
    struct failure *passed_over; /* why those before did not */
    pid_t qemu; /* 0: none */
    pid_t file_server; /* 0: none */
    uint64_t started_at; /* microseconds: QEMU's start */
    uint64_t ready_after;
    uint64_t executed_after;
    bool ready_awaited; /* the script is done */
    bool is_ready;
    struct words console;
    struct words words;
    struct qmp qmp;
    struct guest guest; /* of a container */
    struct console serial; /* of a computer; its last words are in `console` */
    struct agent_port agent_port;
    struct names names; /* of a container */
    struct card_services services; /* of a computer */
    char shutdown_reason[32]; /* as QEMU says */
    char broken[128];         /* how the guest broke the protocol */

    struct process *init; /* NULL before and after */
    struct failure failure; /* of the start */
    bool has_failed;
    bool is_paused; /* its processors stand still */
    bool lacks_room; /* as the host's disk has none for what it writes */
    bool told_of_room;
    struct errand *resuming; /* who waits for the guest to go on; NULL: nobody */
    int exit_code;
    int exit_signal;

    struct watch signals;
    struct watch timer; /* of the boot, later of the end */
    struct watch listening;
    struct session *sessions;
};

/* boot.c: from one machine of the plan to a guest that is ready. */
int boot_begin(struct monitor *monitor, struct failure *why);
/* This machine will not be: the next one boots when QEMU has gone, or the start fails. */
void boot_give_up(struct monitor *monitor, const struct failure *why);
/* QEMU has ended before the guest was ready. */
void boot_ended(struct monitor *monitor);
uint64_t microseconds(void);
void machine_ran_out_of_memory(struct monitor *monitor);

/* lifecycle.c and end.c: from a guest that is ready to the end. */
void machine_ready(struct monitor *monitor);
void machine_fail(struct monitor *monitor, const struct failure *why);
void machine_kill(struct monitor *monitor);
/* Its guest stands still, as the host's disk has no room for what it writes. */
void machine_lacks_room(struct monitor *monitor);
/* A child has ended. */
void machine_reaped(struct monitor *monitor);
/* 0: it does not go off. */
void monitor_set_timer(struct monitor *monitor, uint64_t milliseconds);
void machine_timed_out(struct monitor *monitor);

/* lifecycle.c, for both kinds. */
void machine_fail_start(struct monitor *monitor, const struct failure *why);
void machine_report_success(struct monitor *monitor);
/* What only a start takes is given up: no other machine of the plan will be tried. */
int machine_give_up_host(struct monitor *monitor, struct failure *why);
/* Why it died: `status` is QEMU's end, `said` what its guest said last, or NULL. */
void machine_explain_death(struct monitor *monitor, int status, const struct words *said, struct failure *why);

/* computer.c: a machine whose system is the user's. */
void computer_started(struct monitor *monitor);
/* A signal that came to the monitor. */
void computer_signal(struct monitor *monitor, int number);
/* Its QEMU has ended while it ran. */
void computer_ended(struct monitor *monitor, int status);

/* computer-requests.c */
void sessions_tell(struct monitor *monitor, struct span event);
void computer_agent_free(struct agent_port *port);

/* signals.c */
int signals_open(struct monitor *monitor, struct failure *why);

/* sessions.c: the control socket. */
/* The guest's processors stand still from now on, whoever has stopped them. */
void sessions_stopped(struct monitor *monitor);
int sessions_open(struct monitor *monitor, struct failure *why);

/* monitor.c: runs until the machine has ended; does not return but by exiting as the guest's process did. */
int monitor_run(const struct options *options);

#endif
