/* Which of the listeners that share a port a connection goes to, by a classic BPF program on their
 * group (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
 *
 * Without one the kernel takes a hash of both addresses. This one takes the CPU that processes the
 * SYN: listener number i belongs to CPU i % cpus, and there is a random choice among those of one
 * CPU. A thread that is pinned to that CPU finds the socket in the caches where it was made. The
 * numbers are those of the order in which the listeners were bound. */
#include "floor.h"

#include <linux/filter.h>
#include <sys/socket.h>

#define ANCILLARY(field) ((unsigned)(SKF_AD_OFF + (field)))

void steer_by_cpu(int listener, int cpus, int listeners) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ANCILLARY(SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, listeners / cpus),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, cpus),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ANCILLARY(SKF_AD_CPU)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, cpus),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0)
        fail("SO_ATTACH_REUSEPORT_CBPF");
}
