/* The kernel's news of devices (netlink(7), NETLINK_KOBJECT_UEVENT): to wait until one is there. */
#ifndef BERTH_GUEST_UEVENTS_H
#define BERTH_GUEST_UEVENTS_H

#include <stdbool.h>

/* Hears of all that happens from now on. */
int uevents_open(void);

/* Asks `is_there` now and whenever something happened; false when it was not so within `milliseconds`. */
bool uevents_await(int uevents, bool (*is_there)(void *context), void *context, int milliseconds);

#endif
