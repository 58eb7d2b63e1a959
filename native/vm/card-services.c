#include "card-services.h"

#include <stdlib.h>
#include <string.h>

/* The plan's decoder saw to it that there is one. */
static int tap_of(const struct lease *lease, const struct vm_plan *plan, const int *taps) {
    size_t index = 0;
    while (index + 1 < plan->taps.count && strcmp(plan->taps.items[index], lease->interface) != 0) index++;
    return taps[index];
}

int card_services_open(struct card_services *services, struct loop *loop, const struct vm_plan *plan, const int *taps,
                       struct failure *why) {
    if (plan->lease_count == 0) return 0;
    services->cards = calloc(plan->lease_count, sizeof(*services->cards));
    if (!services->cards) return fail_errno(why, "no memory");
    name_server_open(&services->name_server, loop);
    for (size_t index = 0; index < plan->lease_count; index++) {
        struct card_service *card = &services->cards[index];
        const struct lease *lease = &plan->leases[index];
        if (lease_link_open(&card->link, lease, tap_of(lease, plan, taps), why) < 0) return -1;
        if (dhcp_open(&card->dhcp, loop, &card->link, why) < 0) return -1;
        if (name_server_listen(&services->name_server, &card->names, &card->link, why) < 0) return -1;
    }
    return 0;
}
