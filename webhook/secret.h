/*
 * The Secret that holds the webhook's certificate and the authority that signed it, as a pure function of the one
 * before.
 *
 * Keys: tls.crt and tls.key (type kubernetes.io/tls), ca.crt and ca.key (the authority that signs from now on),
 * ca-before.crt (the one before it, while certificates of it may still be presented). A new authority signs nothing
 * until the cluster trusts it: the bundle to trust is ca.crt and ca-before.crt together.
 */
#ifndef ATELIER_WEBHOOK_SECRET_H
#define ATELIER_WEBHOOK_SECRET_H

#include "base/json.h"

#define WEBHOOK_SECRET "atelier-webhook" /* also the Service's name */

struct secret_need {
    const char *namespace;
    int64_t now_ms;
    bool trusted; /* by the cluster, all of the bundle and for long enough that it has been heard */
};
/* *ret: what the Secret must become, the caller's, or NULL if it is good as it is. <secret> NULL: there is none. */
int secret_renew(const cJSON *secret, const struct secret_need *need, cJSON **ret, struct error *error);
/* Texts of the Secret, decoded; false if one is missing or no base64. */
bool secret_bundle(const cJSON *secret, struct buffer *ret);
bool secret_pair(const cJSON *secret, struct buffer *ret_chain, struct buffer *ret_key);

#endif
