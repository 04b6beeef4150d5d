/*
 * The disk that the data directory lies on, which PostgreSQL and every volume share: filesystems in sparse files take
 * their room only when they are written to, so that all together may want more than there is. One that the machine
 * cannot store breaks for good; the guard acts before that.
 *
 * With less room than is reserved no pod is started. With less than half of that, the pod that wrote most since there
 * was room is ended (Evicted, as a kubelet does), one a look, until nobody grows any more; its volumes stay. What waits
 * to be written back counts as written. A quarter more than is reserved must be free before pods start again.
 */
#ifndef ATELIER_ENGINE_LOCAL_DISK_H
#define ATELIER_ENGINE_LOCAL_DISK_H

#include "engine/local/local_internal.h"

struct disk_guard;
struct disk_guard *disk_guard_new(int64_t reserved_bytes /* 0: it only measures */);
void disk_guard_free(struct disk_guard *guard); /* NULL is fine */

/* May a pod start now? LIMITED, with the figures, if not. */
int disk_check(struct local *local, struct error *error);
/* {"total","free","reserved" (quantities),"short":bool,"message" (when short)}; NULL: not looked at yet. The caller's.
 */
cJSON *disk_report(struct local *local);

/* CONTROL_DISK (reconcile.h) */
int64_t disk_reconcile(struct local *local, const char *namespace, const char *name, struct error *error);

#endif
