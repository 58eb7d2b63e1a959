/*
 * berth-vm: an OCI runtime whose containers are virtual machines.
 *
 *     berth-vm --root R [--log L --log-format json] COMMAND … ID
 *         run --detach --bundle B [--pid-file F] [--console-socket S]   boots the machine of B/vm.plan
 *         exec --detach --process FILE [--pid-file F] [--console-socket S]
 *         pause, resume
 *         qmp         passes a command of QEMU's from standard input to a computer, with what is open as descriptor 3
 *         delete [--force]
 *     berth-vm probe-kvm      how many instructions a second KVM runs here, or why none
 *     berth-vm measure-tsc    the processor's time stamp counter, in kHz
 *     berth-vm --version
 *
 * The process that `run` leaves behind is the machine's monitor: it is signalled and ends in place of the guest's first
 * process. Failures are a JSON object in the log and exit code 1; a wrong command line is exit code 2.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "common/io.h"
#include "common/vm-plan.h"
#include "launch.h"
#include "measure.h"
#include "monitor.h"
#include "options.h"
#include "proxy.h"
#include "runtime-log.h"
#include "state-folder.h"

#ifndef BERTH_VERSION
#define BERTH_VERSION "1.0"
#endif

static int report(const struct options *options, int result, const struct failure *why) {
    if (result == 0) return 0;
    AUTO_CLOSE log = runtime_log_open(options->log);
    runtime_log(log, "error", why->message);
    return 1;
}

static int run(const struct options *options, char **arguments) {
    struct failure why;
    struct failure ignored;
    if (!options->detach) return report(options, fail(&why, FAILURE_NOT_IMPLEMENTED, "only run --detach is there"), &why);
    AUTO_CLOSE folder = state_create(options->root, options->id, &why);
    if (folder < 0) return report(options, -1, &why);
    if (launch(options, arguments, "monitor") == 0) return 0;
    /* It told why. */
    state_delete(options->root, options->id, true, &ignored);
    return 1;
}

static int exec(const struct options *options, char **arguments) {
    struct failure why;
    if (!options->detach) return report(options, fail(&why, FAILURE_NOT_IMPLEMENTED, "only exec --detach is there"), &why);
    return launch(options, arguments, "proxy") == 0 ? 0 : 1;
}

static int command(const struct options *options, char **arguments) {
    struct failure why;
    const char *name = options->command;
    if (strcmp(name, "run") == 0) return run(options, arguments);
    if (strcmp(name, "monitor") == 0) return monitor_run(options);
    if (strcmp(name, "exec") == 0) return exec(options, arguments);
    if (strcmp(name, "proxy") == 0) return proxy_run(options);
    if (strcmp(name, "pause") == 0) return report(options, client_ask(options, VM_CONTROL_PAUSE, &why), &why);
    if (strcmp(name, "resume") == 0) return report(options, client_ask(options, VM_CONTROL_RESUME, &why), &why);
    if (strcmp(name, "qmp") == 0) return report(options, client_qmp(options, &why), &why);
    return report(options, state_delete(options->root, options->id, options->force, &why), &why);
}

int main(int count, char **arguments) {
    struct options options;
    if (count == 2 && strcmp(arguments[1], "--version") == 0) {
        puts("berth-vm version " BERTH_VERSION);
        return 0;
    }
    if (count == 2 && strcmp(arguments[1], "probe-kvm") == 0) return probe_kvm();
    if (count == 2 && strcmp(arguments[1], "measure-tsc") == 0) return measure_tsc();
    if (!options_parse(count, arguments, &options)) return 2;
    return command(&options, arguments);
}
