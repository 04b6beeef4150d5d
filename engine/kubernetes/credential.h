/*
 * What is presented to the API server now, and its renewal: files are read again every minute, exec plugins run before
 * what they gave expires, and both when the API server says 401.
 *
 * Credentials that can change are renewed on a thread of their own, so that nobody who only wants to send waits behind
 * a program. A snapshot is immutable and counted.
 *
 * Threads: any.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CREDENTIAL_H
#define ATELIER_ENGINE_KUBERNETES_CREDENTIAL_H

#include <stdatomic.h>

#include "engine/kubernetes/config.h"

struct credential_view {
    atomic_uint references;
    uint64_t generation;     /* 1, 2, … */
    char *header;            /* "Authorization: Bearer …" or "… Basic …"; NULL: none */
    char *certificate, *key; /* PEM; NULL: none */
    char *ca;                /* PEM; NULL: the system's */
};
void credential_release(struct credential_view *view); /* NULL is fine */

struct credential;
/* <changed> is called (from the renewing thread) after each renewal, whether it worked or not; it must not block. */
struct credential *credential_new(const struct kube_config *config, void (*changed)(void *context), void *context);
void credential_free(struct credential *credential); /* <changed> does not run after; waits for a running plugin */

/* The newest snapshot, the caller's to release; NULL if there is none yet. */
struct credential_view *credential_current(struct credential *credential);
/* Asks for one newer than <generation>. False if there will never be one: what is configured cannot change. */
bool credential_renew(struct credential *credential, uint64_t generation);
/* How many renewals have failed so far, and why the last one did. */
uint64_t credential_failures(struct credential *credential, struct error *error);

#endif
