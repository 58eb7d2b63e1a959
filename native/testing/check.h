/* The whole unit-test framework: a check that fails says where and what, and ends the program. */
#ifndef BERTH_TESTING_CHECK_H
#define BERTH_TESTING_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

#endif
