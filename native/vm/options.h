/* The command line of an OCI runtime, as far as native/shim uses it. */
#ifndef BERTH_VM_OPTIONS_H
#define BERTH_VM_OPTIONS_H

#include <stdbool.h>

struct options {
    const char *root;
    const char *log;     /* NULL: standard error */
    const char *command; /* run, exec, pause, resume, delete, qmp */
    const char *bundle;
    const char *pid_file;       /* NULL: nobody asks */
    const char *console_socket; /* NULL: no terminal */
    const char *process;        /* exec: a file with a START payload */
    bool detach;
    bool force;
    const char *id;
};

/* False, with a line on standard error, for a command line that is not ours. */
bool options_parse(int count, char **arguments, struct options *options);

#endif
