/*
 * Answers of the API server: its JSON as a tree, its Status objects as errors.
 *
 * Source: Kubernetes API conventions, "Response Status Kind"; metav1.Status, StatusReason and StatusCause.
 * Threads: any.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_STATUS_H
#define ATELIER_ENGINE_KUBERNETES_STATUS_H

#include "base/json.h"

/* A tree of what the API server wrote. base's strict parser is for documents that strangers wrote; here a limit on keys
 * or a number beyond 2^53 would let whoever wrote one odd object make a list unreadable, and the API server has decoded
 * and encoded every document anew (one value a key, valid UTF-8). Escaped NULs, where C texts would end, become U+FFFD
 * in <text>, in place. UPSTREAM if it is not JSON. */
int kube_json_parse(char *text, size_t count, cJSON **ret, struct error *error);

/* An answer with <http_status> >= 300 as an error: by reason, then by number. Always returns -error->code. <body> may
 * be anything: a Status object, a proxy's page, nothing. 401 and 403 are about Atelier's own credentials: UNAVAILABLE
 * and FORBIDDEN. */
int kube_status_error(int http_status, int retry_after_s, struct slice body, struct error *error);

/* The same for a Status object that is at hand ("object" of a watch's ERROR event). */
int kube_status_object_error(const cJSON *status, struct error *error);

#endif
