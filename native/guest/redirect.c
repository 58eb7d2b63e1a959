/*
 * Three programs of eBPF at the processes' control group (BPF_PROG_TYPE_CGROUP_SOCK_ADDR): they change the address that
 * connect(2) and sendto(2) are called with, and the one that recvfrom(2) tells. No packet is looked at, and the kernel
 * needs no module for it.
 */
#include "redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "common/io.h"

#define DNS_PORT 53

#define LOAD(to, from, field) \
    {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (to), .src_reg = (from), .off = offsetof(struct bpf_sock_addr, field)}
#define STORE(to, field, from) \
    {.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = (to), .src_reg = (from), .off = offsetof(struct bpf_sock_addr, field)}
#define SKIP_UNLESS(reg, value, count) {.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (reg), .off = (count), .imm = (value)}
#define SET(reg, value) {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value)}
#define END {.code = BPF_JMP | BPF_EXIT}

static int bpf(int command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* A program that allows all, and puts the port `to` in place of `from` where the address is the server's. */
static int load_program(enum bpf_attach_type type, uint32_t server, uint16_t from, uint16_t to) {
    const struct bpf_insn program[] = {
        LOAD(BPF_REG_2, BPF_REG_1, user_ip4),
        SKIP_UNLESS(BPF_REG_2, (int32_t)htonl(server), 4),
        LOAD(BPF_REG_2, BPF_REG_1, user_port),
        SKIP_UNLESS(BPF_REG_2, htons(from), 2),
        SET(BPF_REG_2, htons(to)),
        STORE(BPF_REG_1, user_port, BPF_REG_2),
        SET(BPF_REG_0, 1),
        END,
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
    attributes.expected_attach_type = type;
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.insn_cnt = sizeof(program) / sizeof(*program);
    attributes.license = (uint64_t)(uintptr_t)"";
    return bpf(BPF_PROG_LOAD, &attributes);
}

static int attach(int group, enum bpf_attach_type type, uint32_t server, uint16_t from, uint16_t to) {
    AUTO_CLOSE program = load_program(type, server, from, to);
    if (program < 0) return -1;
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    attributes.target_fd = (uint32_t)group;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = type;
    return bpf(BPF_PROG_ATTACH, &attributes);
}

int redirect_names(uint32_t server, uint16_t port, struct failure *why) {
    AUTO_CLOSE group = open(PROCESSES_CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group < 0 || attach(group, BPF_CGROUP_INET4_CONNECT, server, DNS_PORT, port) < 0 ||
        attach(group, BPF_CGROUP_UDP4_SENDMSG, server, DNS_PORT, port) < 0 ||
        attach(group, BPF_CGROUP_UDP4_RECVMSG, server, port, DNS_PORT) < 0) {
        return fail_errno(why, "questions about names cannot be led to the host");
    }
    return 0;
}
