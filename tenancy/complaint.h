/*
 * What a cluster's complaint about a pod means to the person whose pod it is: one word, and a sentence that says what
 * can be done. Pure functions of the texts that Kubernetes writes into events, conditions and container states.
 *
 * Sources of the texts: apiserver/pkg/admission (quota, pod-security-admission, webhooks, LimitRanger),
 * kube-scheduler's FitError, containerd's pull errors. A text that is not known is passed on as it is.
 */
#ifndef ATELIER_TENANCY_COMPLAINT_H
#define ATELIER_TENANCY_COMPLAINT_H

#include "base/text.h"

struct complaint {
    char reason[64];   /* "QuotaExceeded", "PodSecurity", "AdmissionDenied", ... */
    char message[512]; /* a sentence, cut to fit */
};

/* A pod could not be made: <text> is an API server's refusal, alone or within an event of a controller. */
void complaint_create(const char *text, struct complaint *ret);
/* No node takes the pod: <text> is the scheduler's. <reason> that of the condition, or NULL. */
void complaint_place(const char *reason, const char *text, struct complaint *ret);
/* The image could not be had: <reason> and <text> of the waiting container, <image> as the pod names it (or ""). One
 * word for an image that is being tried and one that waits to be tried again, so that the two do not alternate. */
void complaint_image(const char *reason, const char *text, const char *image, struct complaint *ret);
bool complaint_is_image(const char *reason);
/* Something about a pod that has a node: <reason> and <text> of a Warning event. */
void complaint_pod(const char *reason, const char *text, struct complaint *ret);

#endif
