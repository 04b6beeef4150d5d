/*
 * The system calls a container may make: an allow-list in the manner of Docker's default profile for a process without
 * capabilities, narrowed: sockets only of the families unix, inet, inet6 and netlink (no vsock: it reaches the
 * machine's hypervisor), no io_uring, no keyrings, no namespaces. ptrace and process_vm_readv stay: py-spy, which Ray's
 * dashboard and people use, needs both, and they reach only processes of the same pid namespace and uid. Pure.
 */
#ifndef ATELIER_SANDBOXD_SECCOMP_H
#define ATELIER_SANDBOXD_SECCOMP_H

#include "base/json.h"

cJSON *box_seccomp_profile(void);          /* OCI linux.seccomp */
bool box_seccomp_allows(const char *name); /* unconditionally */

#endif
