/* The serial console of a computer: what it says goes to our standard output or terminal, what comes there goes to it. */
#ifndef BERTH_VM_CONSOLE_H
#define BERTH_VM_CONSOLE_H

#include <stdbool.h>

#include "pump.h"
#include "words.h"

struct console {
    struct pump output;
    struct pump input;
    struct words *last; /* the last words are kept there as well */
    bool has_ended;     /* everything that was said is handed on */
    bool is_finishing;
    char parting[1200]; /* what is to be said behind it */
    void (*finished)(struct console *console);
};

/* `port` is the connected socket to QEMU, taken over; `in` and `out` stay the caller's. -1 without memory or descriptors. */
int console_open(struct console *console, struct loop *loop, int port, int in, int out, struct words *last);

/*
 * QEMU has gone: what it said is handed on, then `parting` (which may be empty), and `finished` is called; at once or
 * later, when whoever reads us has taken it.
 */
void console_finish(struct console *console, const char *parting, void (*finished)(struct console *console));

/* Closes it without waiting for anybody. */
void console_close(struct console *console);

#endif
