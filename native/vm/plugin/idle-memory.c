/*
 * A plugin of QEMU's emulation (TCG). Most of what an emulated machine takes after its start is code that was translated for the
 * start alone: the guest's kernel and programs run through it once. When the machine is first at rest, the plugin has QEMU
 * forget all translations (what is needed again is translated anew) and gives their memory back, with what the C library
 * keeps for QEMU and the pages of programs and libraries that only the start has read.
 *
 * Of QEMU's interface for plugins (docs/devel/tcg-plugins) it uses what has not changed since the first version: to be
 * told that a processor has nothing to do, and qemu_plugin_reset(), which forgets all translations.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* At rest: it has used less than so much of a processor for so long. */
#define REST_NANOSECONDS 2000000000
#define REST_PERCENT 10

/* Less is not worth the work of translating it again. */
#define WORTHWHILE (8 << 20)

/* Once it serves, it may rest between two requests: what it needs for them is kept as long as it is no more than this. */
#define WORTHWHILE_AGAIN (64 << 20)

/* In the first page is QEMU's own way into the translations and out of them. It stays, and so does what a longer one might be. */
#define KEPT (64 << 10)

/* QEMU's; it has no header of them that would be installed. */
typedef uint64_t plugin_id;
typedef void (*plugin_callback)(plugin_id id);
typedef void (*processor_callback)(plugin_id id, unsigned int processor);
void qemu_plugin_reset(plugin_id id, plugin_callback done);
void qemu_plugin_register_vcpu_idle_cb(plugin_id id, processor_callback idle);

/* QEMU's interface that the plugin was written for; version 2 has taken away nothing that is used here. */
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static struct {
    int64_t since; /* 0: not observed yet */
    int64_t used;  /* time of processors until then */
    size_t worthwhile;
    bool asking; /* qemu_plugin_reset() has not returned */
} rest = {.worthwhile = WORTHWHILE};

static int64_t nanoseconds(clockid_t clock) {
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

typedef void (*map_visitor)(uintptr_t start, uintptr_t end, size_t *total);

/* Translations are the only memory of QEMU's that can be both written and executed. Returns what `visit` has counted. */
static size_t visit_translations(map_visitor visit) {
    size_t total = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) return 0;
    while (fgets(line, sizeof(line), maps)) {
        uintptr_t start, end;
        unsigned long inode;
        char may[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &start, &end, may, &inode) != 4) continue;
        if (strcmp(may, "rwxp") == 0 && inode == 0) visit(start, end, &total);
    }
    fclose(maps);
    return total;
}

static void count_resident(uintptr_t start, uintptr_t end, size_t *total) {
    static unsigned char pages[4096];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), step = sizeof(pages) * page;
    for (uintptr_t at = start; at < end; at += step) {
        size_t length = end - at < step ? end - at : step;
        if (mincore((void *)at, length, pages) < 0) return;
        for (size_t index = 0; index < length / page; index++) *total += pages[index] & 1 ? page : 0;
    }
}

static void give_back(uintptr_t start, uintptr_t end, size_t *total) {
    if (end - start > KEPT && madvise((void *)(start + KEPT), end - start - KEPT, MADV_DONTNEED) == 0) {
        *total += end - start - KEPT;
    }
}

/* Pages of a file that nothing can write to come back from the file. Those with relocations are in segments to write to. */
static int give_back_segments(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    (void)context;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

static void on_idle(plugin_id id, unsigned int processor);

/* No processor is in a translation, and there is none any more. */
static void on_forgotten(plugin_id id) {
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    if (rest.asking) return; /* before there were processors: nothing was forgotten */
    visit_translations(give_back);
    malloc_trim(0);
    dl_iterate_phdr(give_back_segments, NULL);
}

/* QEMU calls it for one processor at a time. */
static void on_idle(plugin_id id, unsigned int processor) {
    (void)processor;
    int64_t now = nanoseconds(CLOCK_MONOTONIC), used = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    int64_t passed = now - rest.since, busy = used - rest.used;
    if (rest.since != 0 && passed < REST_NANOSECONDS) return;
    bool at_rest = rest.since != 0 && busy < passed / 100 * REST_PERCENT;
    rest.since = now;
    rest.used = used;
    if (!at_rest || visit_translations(count_resident) < rest.worthwhile) return;
    rest.worthwhile = WORTHWHILE_AGAIN;
    rest.asking = true;
    qemu_plugin_reset(id, on_forgotten);
    rest.asking = false;
}

__attribute__((constructor)) static void choose_version(void) {
    if (dlsym(RTLD_DEFAULT, "qemu_plugin_num_vcpus")) qemu_plugin_version = 2;
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *about, int count, char **arguments) {
    (void)about;
    (void)count;
    (void)arguments;
    /*
     * Nothing has been allocated for the machine yet. A guest that boots touches its memory here and there, and for each page of it the
     * kernel would clear 2 MB; translations and tables would take as much for a few pages. Without the call there is more of both.
     */
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    return 0;
}
