/*
 * The admission webhook: answers the API server's AdmissionReviews, and looks after the certificate it answers with.
 *
 * Whose certificate that is, is decided by the Secret `atelier-webhook` in atelierd's own namespace, which the leader
 * makes and renews and every replica presents; the leader also writes whom to trust into the webhook configurations.
 */
#ifndef ATELIER_WEBHOOK_WEBHOOK_H
#define ATELIER_WEBHOOK_WEBHOOK_H

#include "engine/engine.h"
#include "gateway/gateway.h"

struct webhook;
struct webhook_options {
    struct engine *engine;
    const char *namespace; /* atelierd's own: its Secret lives there, and no object of it is looked at */
};
int webhook_new(const struct webhook_options *options, struct webhook **ret, struct error *error);
/* From now on its certificate is looked after, and presented by <gateway>. */
void webhook_start(struct webhook *webhook, struct gateway *gateway);
void webhook_stop(struct webhook *webhook); /* before the gateway is freed; NULL is fine */
void webhook_free(struct webhook *webhook); /* NULL is fine */

/* POST /mutate/pods, /mutate/workloads, /validate/workloads. Any thread; may block for memory, not for writes. */
void webhook_handle(struct webhook *webhook, const struct request *request, struct response *response);

#endif
