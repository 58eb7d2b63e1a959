/*
 * Places where the launcher can be cut off, for tests of what the next one has to repair. Only the launcher of `make crashing`
 * has them: one that comes to the point whose name is in the file $BERTH_LAUNCHER_CRASH removes that file, and ends as
 * by SIGKILL from outside.
 */
#ifndef BERTH_CRASH_POINT_H
#define BERTH_CRASH_POINT_H

#ifdef BERTH_CRASH_POINTS
void crash_point(const char *name);
#else
static inline void crash_point(const char *name) {
    (void)name;
}
#endif

#endif
