/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_WEBHOOK_INTERNAL_H
#define ATELIER_WEBHOOK_INTERNAL_H

#include "base/queue.h"
#include "webhook/review.h"
#include "webhook/webhook.h"

struct webhook {
    struct engine *engine;
    struct gateway *gateway;
    char namespace[64];
    struct queue *queue;
    /* Of the queue's one worker: */
    char presented[65], trusted[65]; /* hashes of the pair presented, and of the authorities the cluster trusts */
    int64_t trusted_ms;              /* since when, monotonic; and when that was last looked at */
    int64_t looked_ms;
    bool complained;
};

/* webhook.c: no system's namespace, nor atelierd's own. */
bool webhook_looks_at(const struct webhook *webhook, const char *namespace);
/* Tells whoever sent the object. The reason goes into the log. */
void review_warn(struct review *review, const char *text, const struct error *why);

/* pods.c, workloads.c: the answer to a review, the caller's. */
cJSON *review_mutate_pod(struct webhook *webhook, struct review *review);
cJSON *review_mutate_workload(struct webhook *webhook, struct review *review);
cJSON *review_validate_workload(struct webhook *webhook, struct review *review);

/* certificate.c: looks after the certificate once; *ret_again_ms until the next time. */
void webhook_look_after_certificate(struct webhook *webhook, int64_t *ret_again_ms);

#endif
