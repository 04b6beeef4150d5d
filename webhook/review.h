/*
 * AdmissionReview (admission.k8s.io/v1): what the Kubernetes API server asks before it stores an object, and our
 * answer.
 *
 * Pure functions. Source: kubernetes.io, "Dynamic Admission Control", and k8s.io/api/admission/v1.
 */
#ifndef ATELIER_WEBHOOK_REVIEW_H
#define ATELIER_WEBHOOK_REVIEW_H

#include "base/json.h"

struct review {
    cJSON *document;                                        /* what everything below lies in */
    const char *uid, *operation, *namespace, *group, *kind; /* "" for what is not said, but for uid and operation */
    const cJSON *object, *old;                              /* NULL: there is none */
    cJSON *warnings;                                        /* an array of texts for the person who sent the object */
};
/* BAD_REQUEST names what is wrong with it. <ret> is released by review_clear, also after a failure. */
int review_parse(struct slice body, struct review *ret, struct error *error);
void review_clear(struct review *review);

/* The answer, the caller's. <changed>: what the object becomes, or NULL to leave it. */
cJSON *review_allow(const struct review *review, const cJSON *changed);
cJSON *review_refuse(const struct review *review, const struct error *error);

#endif
