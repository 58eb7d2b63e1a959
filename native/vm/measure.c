#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/failure.h"
#include "common/io.h"

static int complain(const struct failure *why) {
    log_line("%s", why->message);
    return 1;
}

static uint64_t nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#if defined(__x86_64__)

#include <x86intrin.h>

/* ---- KVM ---- */

#define ROUNDS 200000u
#define INSTRUCTIONS (2u * ROUNDS)
#define PATIENCE_SECONDS 2
#define PAGE 4096u

/* mov ecx, ROUNDS; 1: dec ecx; jnz 1b; hlt */
static const uint8_t LOOP[] = {0xb9, ROUNDS & 0xff, ROUNDS >> 8 & 0xff, ROUNDS >> 16 & 0xff, 0, 0x49, 0x75, 0xfd, 0xf4};

static void on_alarm(int number) {
    (void)number; /* KVM_RUN returns */
}

static void be_impatient(void) {
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval patience = {.it_value = {.tv_sec = PATIENCE_SECONDS}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &patience, NULL);
}

/* 32 bits and flat: real mode is emulated on old processors. */
static int set_registers(int vcpu) {
    struct kvm_sregs special;
    const struct kvm_segment code = {.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1};
    const struct kvm_regs registers = {.rflags = 2};
    if (ioctl(vcpu, KVM_GET_SREGS, &special) < 0) return -1;
    special.cs = code;
    special.ds = special.es = special.ss = code;
    special.ds.type = special.es.type = special.ss.type = 3;
    special.ds.selector = special.es.selector = special.ss.selector = 16;
    special.cr0 |= 1;
    if (ioctl(vcpu, KVM_SET_SREGS, &special) < 0) return -1;
    return ioctl(vcpu, KVM_SET_REGS, &registers);
}

static int run_loop(int kvm, int vcpu, uint64_t *elapsed, struct failure *why) {
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = size <= 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED || set_registers(vcpu) < 0) return fail_errno(why, "KVM's processor");
    be_impatient();
    uint64_t start = nanoseconds();
    if (ioctl(vcpu, KVM_RUN, 0) < 0) {
        if (errno != EINTR) return fail_errno(why, "KVM does not run");
        return fail(why, FAILURE_UNAVAILABLE, "KVM runs fewer than %u instructions a second",
                    INSTRUCTIONS / PATIENCE_SECONDS);
    }
    *elapsed = nanoseconds() - start;
    if (run->exit_reason == KVM_EXIT_HLT) return 0;
    return fail(why, FAILURE_UNAVAILABLE, "KVM stops for reason %u instead of running a loop", run->exit_reason);
}

static int run_in_machine(int kvm, int machine, uint64_t *elapsed, struct failure *why) {
    void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno(why, "no memory");
    memcpy(memory, LOOP, sizeof(LOOP));
    struct kvm_userspace_memory_region region = {.memory_size = PAGE, .userspace_addr = (uintptr_t)memory};
    ioctl(machine, KVM_SET_TSS_ADDR, 0xfffbd000); /* where a processor needs it */
    if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) < 0) return fail_errno(why, "KVM's memory");
    AUTO_CLOSE vcpu = ioctl(machine, KVM_CREATE_VCPU, 0);
    if (vcpu < 0) return fail_errno(why, "KVM makes no processor");
    return run_loop(kvm, vcpu, elapsed, why);
}

int probe_kvm(void) {
    struct failure why;
    uint64_t elapsed = 0;
    AUTO_CLOSE kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        fail_errno(&why, "/dev/kvm");
        return complain(&why);
    }
    AUTO_CLOSE machine = ioctl(kvm, KVM_CREATE_VM, 0);
    if (machine < 0) fail_errno(&why, "KVM makes no virtual machine");
    if (machine < 0 || run_in_machine(kvm, machine, &elapsed, &why) < 0) return complain(&why);
    printf("%llu\n", (unsigned long long)(INSTRUCTIONS * UINT64_C(1000000000) / (elapsed ? elapsed : 1)));
    return 0;
}

/* ---- the time stamp counter ---- */

#define SAMPLES 20
#define INTERVAL_NANOSECONDS 50000000

/* A moment on both clocks: that of several readings which took least. */
static void read_clocks(uint64_t *counter, uint64_t *time) {
    uint64_t least = UINT64_MAX;
    for (int sample = 0; sample < SAMPLES; sample++) {
        uint64_t before = __rdtsc();
        uint64_t moment = nanoseconds();
        uint64_t after = __rdtsc();
        if (after - before >= least) continue;
        least = after - before;
        *counter = before + least / 2;
        *time = moment;
    }
}

int measure_tsc(void) {
    const struct timespec interval = {.tv_nsec = INTERVAL_NANOSECONDS};
    uint64_t counters[2] = {0};
    uint64_t times[2] = {0};
    read_clocks(&counters[0], &times[0]);
    nanosleep(&interval, NULL);
    read_clocks(&counters[1], &times[1]);
    printf("%llu\n", (unsigned long long)((counters[1] - counters[0]) * 1000000 / (times[1] - times[0])));
    return 0;
}

#else

int probe_kvm(void) {
    struct failure why;
    fail(&why, FAILURE_NOT_IMPLEMENTED, "KVM's speed is measured on x86-64 only so far");
    return complain(&why);
}

int measure_tsc(void) {
    struct failure why;
    fail(&why, FAILURE_NOT_IMPLEMENTED, "this processor has no time stamp counter");
    return complain(&why);
}

#endif
