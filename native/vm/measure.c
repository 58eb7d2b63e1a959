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

/* ---- KVM ---- */

#define ROUNDS 200000u
#define INSTRUCTIONS (2u * ROUNDS)
#define PATIENCE_SECONDS 2
#define PAGE 0x10000u /* of any size that a kernel may have */

#if defined(__x86_64__)

/* mov ecx, ROUNDS; 1: dec ecx; jnz 1b; hlt */
static const uint8_t LOOP[] = {0xb9, ROUNDS & 0xff, ROUNDS >> 8 & 0xff, ROUNDS >> 16 & 0xff, 0, 0x49, 0x75, 0xfd, 0xf4};
#define LOOP_EXIT KVM_EXIT_HLT

static unsigned long machine_type(int kvm) {
    (void)kvm;
    return 0;
}

/* 32 bits and flat: real mode is emulated on old processors. */
static int begin_at_zero(int machine, int vcpu) {
    struct kvm_sregs special;
    const struct kvm_segment code = {.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1};
    const struct kvm_regs registers = {.rflags = 2};
    (void)machine;
    if (ioctl(vcpu, KVM_GET_SREGS, &special) < 0) return -1;
    special.cs = code;
    special.ds = special.es = special.ss = code;
    special.ds.type = special.es.type = special.ss.type = 3;
    special.ds.selector = special.es.selector = special.ss.selector = 16;
    special.cr0 |= 1;
    if (ioctl(vcpu, KVM_SET_SREGS, &special) < 0) return -1;
    return ioctl(vcpu, KVM_SET_REGS, &registers);
}

static void set_addresses(int machine) {
    ioctl(machine, KVM_SET_TSS_ADDR, 0xfffbd000); /* where a processor needs it */
}

#elif defined(__aarch64__)

/* x0 = ROUNDS; 1: subs x0, x0, #1; b.ne 1b; then a store behind all memory, which is the machine's to answer. */
static const uint32_t LOOP[] = {
    0xd2800000 | (ROUNDS & 0xffff) << 5, /* movz x0, #low */
    0xf2a00000 | (ROUNDS >> 16) << 5,    /* movk x0, #high, lsl #16 */
    0xf1000400,                          /* subs x0, x0, #1 */
    0x54ffffe1,                          /* b.ne .-4 */
    0xd2a00021,                          /* movz x1, #1, lsl #16: PAGE */
    0xf9000020,                          /* str x0, [x1] */
};
#define LOOP_EXIT KVM_EXIT_MMIO

/* Bits of a machine's addresses: 40 unless the processor has fewer. */
static unsigned long machine_type(int kvm) {
    int bits = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
    return bits > 0 && bits < 40 ? KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)bits) : 0;
}

/* All registers are 0 then, that of the next instruction among them. */
static int begin_at_zero(int machine, int vcpu) {
    struct kvm_vcpu_init target = {0};
    if (ioctl(machine, KVM_ARM_PREFERRED_TARGET, &target) < 0) return -1;
    return ioctl(vcpu, KVM_ARM_VCPU_INIT, &target);
}

static void set_addresses(int machine) {
    (void)machine;
}

#endif

#if defined(__x86_64__) || defined(__aarch64__)

static void on_alarm(int number) {
    (void)number; /* KVM_RUN returns */
}

static void be_impatient(void) {
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval patience = {.it_value = {.tv_sec = PATIENCE_SECONDS}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &patience, NULL);
}

static int run_loop(int kvm, int vcpu, uint64_t *elapsed, struct failure *why) {
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = size <= 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) return fail_errno(why, "KVM's processor");
    be_impatient();
    uint64_t start = nanoseconds();
    if (ioctl(vcpu, KVM_RUN, 0) < 0) {
        if (errno != EINTR) return fail_errno(why, "KVM does not run");
        return fail(why, FAILURE_UNAVAILABLE, "KVM runs fewer than %u instructions a second",
                    INSTRUCTIONS / PATIENCE_SECONDS);
    }
    *elapsed = nanoseconds() - start;
    if (run->exit_reason == LOOP_EXIT) return 0;
    return fail(why, FAILURE_UNAVAILABLE, "KVM stops for reason %u instead of running a loop", run->exit_reason);
}

static int run_in_machine(int kvm, int machine, uint64_t *elapsed, struct failure *why) {
    void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno(why, "no memory");
    memcpy(memory, LOOP, sizeof(LOOP));
    struct kvm_userspace_memory_region region = {.memory_size = PAGE, .userspace_addr = (uintptr_t)memory};
    set_addresses(machine);
    if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) < 0) return fail_errno(why, "KVM's memory");
    AUTO_CLOSE vcpu = ioctl(machine, KVM_CREATE_VCPU, 0);
    if (vcpu < 0 || begin_at_zero(machine, vcpu) < 0) return fail_errno(why, "KVM makes no processor");
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
    AUTO_CLOSE machine = ioctl(kvm, KVM_CREATE_VM, machine_type(kvm));
    if (machine < 0) fail_errno(&why, "KVM makes no virtual machine");
    if (machine < 0 || run_in_machine(kvm, machine, &elapsed, &why) < 0) return complain(&why);
    printf("%llu\n", (unsigned long long)(INSTRUCTIONS * UINT64_C(1000000000) / (elapsed ? elapsed : 1)));
    return 0;
}

#else

int probe_kvm(void) {
    struct failure why;
    fail(&why, FAILURE_NOT_IMPLEMENTED, "berth has no virtual machines for this processor");
    return complain(&why);
}

#endif

/* ---- the time stamp counter ---- */

#if defined(__x86_64__)

#include <x86intrin.h>

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

int measure_tsc(void) {
    struct failure why;
    fail(&why, FAILURE_NOT_IMPLEMENTED, "this processor has no time stamp counter");
    return complain(&why);
}

#endif
