/*
 * Control groups of the installation: [PARENT]/atelier-TAG[/sandbox[/pod[/container]]] in every hierarchy (v1, v2 or
 * both). The OCI runtime makes and limits them; here they are measured, killed and removed.
 */
#ifndef ATELIER_SANDBOXD_CGROUP_H
#define ATELIER_SANDBOXD_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

enum box_cgroup_kind { BOX_CGROUP_V1, BOX_CGROUP_V2, BOX_CGROUP_HYBRID };

/* Once: finds the hierarchies, and whether the group <path> can be made in them. All of the installation weighs, when
 * the processors are wanted by more, as much as a busy process of the machine's own on each of them: as one alone, a
 * Ray head would miss the 30 s that Ray gives itself to start. */
void box_cgroup_start(const char *path);
/* False where an ordinary user was given no cgroup: nothing limits or measures pods then. */
bool box_cgroup_limits(void);
enum box_cgroup_kind box_cgroup_kind(void);
const char *box_cgroup_kind_name(void);

struct box_usage {
    int64_t cpu_ms, memory_bytes; /* working set: usage minus inactive page cache, as kubelet counts it */
};
bool box_cgroup_usage(const char *path, struct box_usage *ret);
/* The most that the group may take of the CPUs from now on, in thousandths of one (cpu.cfs_quota_us, cpu.max). */
bool box_cgroup_set_cpu(const char *path, int64_t milli);
int64_t box_cgroup_quota_us(int64_t milli); /* of BOX_CGROUP_PERIOD_US */
#define BOX_CGROUP_PERIOD_US 100000
/* How many processes of the group the kernel killed for memory so far. */
int64_t box_cgroup_oom_kills(const char *path);
/* Value of the line "<key> <number>"; false if absent. Pure. */
bool box_cgroup_stat(struct slice text, const char *key, int64_t *ret);

/* SIGKILL to every process in the group and below; removes the group from every hierarchy within <timeout_ms>. */
bool box_cgroup_remove(const char *path, int64_t timeout_ms);
/* A group for the monitors, so that ending our own service's group does not end them. Descriptors of its cgroup.procs
 * files; returns how many. */
#define BOX_CGROUP_HIERARCHIES_MAX 24
size_t box_cgroup_open_monitors(const char *path, int fds[BOX_CGROUP_HIERARCHIES_MAX]);

#endif
