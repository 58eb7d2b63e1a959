/* Where a card's frames go: filters of traffic control (tc(8)), which see them before the namespace's own stack does. */
#ifndef BERTH_VM_FILTERS_H
#define BERTH_VM_FILTERS_H

#include "lease.h"

/* What comes in at the interface `from` goes out at `to`. The filters that `from` had are gone. */
int filters_redirect(int netlink, int from, int to);

/* What comes in at `from` and is a question to the lease's server stays here: DHCP, DNS, and where its address is. */
int filters_keep_questions(int netlink, int from, const struct lease *lease);

#endif
