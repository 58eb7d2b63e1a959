/*
 * The guest's cards. Each stands for an interface of the container's network namespace: what arrives there goes to a
 * tap device, and what the guest sends there goes out of the interface, by the kernel alone (tc-mirred(8)). The
 * addresses of the interface are the guest's then; the namespace itself hears nothing from outside any more, and still
 * talks to itself: names are asked there.
 */
#ifndef BERTH_VM_TAPS_H
#define BERTH_VM_TAPS_H

#include <stddef.h>

#include "common/failure.h"
#include "common/fields.h"

/*
 * Makes a tap for each interface of the namespace that the caller is in. `taps` gets as many descriptors; on a failure
 * none. The devices go when the last descriptor of them is closed.
 */
int taps_open(const struct texts *interfaces, int *taps, struct failure *why);

#endif
