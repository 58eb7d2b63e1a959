/*
 * berth-init -- COMMAND [ARGUMENT...]: PID 1 of a container that was started with an init (docker run --init). Static, as
 * the container's image need not have a libc.
 */
#include <stdio.h>
#include <string.h>

#include "init.h"

int main(int count, char *arguments[]) {
    if (count < 3 || strcmp(arguments[1], "--") != 0) {
        fprintf(stderr, "usage: berth-init -- COMMAND [ARGUMENT...]\n");
        return 125;
    }
    return init_run(arguments + 2);
}
