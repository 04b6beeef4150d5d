/*
 * Which replica leads: a Lease in atelierd's own namespace.
 *
 * As client-go's leader election: whoever holds the Lease renews it; another may take it once it has seen the same
 * renewal for the Lease's duration, by its own clock. The holder stops leading when it could not renew for less than
 * that duration, so that two never lead at once (clocks need not agree, only run at the same speed).
 *
 * Source: coordination.k8s.io/v1 Lease; client-go tools/leaderelection (15 s, 10 s, 2 s).
 */
#ifndef ATELIER_ENGINE_KUBERNETES_LEASE_H
#define ATELIER_ENGINE_KUBERNETES_LEASE_H

#include "engine/kubernetes/client.h"

#define LEASE_NAME "atelier"
#define LEASE_DURATION_S 15
#define LEASE_HOLD_MS 10000 /* without a renewal for so long this replica no longer leads */
#define LEASE_RENEW_MS 2000
#define LEASE_LISTENERS_MAX 8 /* one a room that reconciles */

struct lease;
struct lease *lease_new(struct kube_client *client, const char *namespace, const char *identity); /* starts */
void lease_free(struct lease *lease);       /* gives it back, if the API server answers; NULL is fine */
bool lease_held(const struct lease *lease); /* any thread; no lock */

/* Calls <begun> whenever this replica begins to lead, on the lease's thread. At most LEASE_LISTENERS_MAX at once. */
void lease_on_begin(struct lease *lease, void (*begun)(void *context), void *context);
void lease_off_begin(struct lease *lease, void *context); /* waits for a call under way */

#endif
