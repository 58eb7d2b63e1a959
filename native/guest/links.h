/* The machine's network cards, as rtnetlink(7) sets them. */
#ifndef BERTH_GUEST_LINKS_H
#define BERTH_GUEST_LINKS_H

#include "common/failure.h"
#include "setup-plan.h"

/* Brings lo and the plan's interfaces up, with their addresses, and adds the routes. */
int set_links(const struct setup_plan *plan, struct failure *why);

#endif
