/* A network namespace that is none is refused with its name. */
#include "connect/connect.h"

#include <string.h>

#include "testing/check.h"

static void refuses_what_is_no_namespace(void) {
    struct failure why;
    CHECK(enter_network("/no/such/namespace", &why) < 0);
    CHECK(strstr(why.message, "/no/such/namespace") != NULL);
}

int main(void) {
    refuses_what_is_no_namespace();
    return 0;
}
