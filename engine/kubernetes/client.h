/*
 * HTTP to one kube-apiserver: every request of this room goes through here.
 *
 * One thread drives a libcurl multi handle; HTTP/2 carries all requests over few connections. 429 and 503 with
 * Retry-After are waited for (priority and fairness), connection failures of requests that may be repeated are tried
 * again with backoff; there is no fixed rate of our own. Credentials are renewed behind it (credential.h).
 *
 * Threads: any, except that callbacks run on the client's thread and must not block or call kube_call.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CLIENT_H
#define ATELIER_ENGINE_KUBERNETES_CLIENT_H

#include "base/json.h"
#include "engine/kubernetes/config.h"

struct kube_client;
int kube_client_new(const struct kube_config *config, struct kube_client **ret, struct error *error); /* copies */
void kube_client_free(struct kube_client *client); /* ends every call: their `end` is called */

struct kube_request {
    const char *method;         /* "GET" */
    const char *target;         /* "/api/v1/namespaces?limit=500" */
    const char *accept;         /* NULL: application/json */
    const char *content_type;   /* NULL: none */
    struct slice body;          /* copied */
    const char *const *headers; /* further "Name: value" lines, NULL-ended, or NULL */
    int64_t deadline_ms;        /* for the whole answer; 0: 30 s; -1: none (watches, followed logs) */
    int64_t silence_ms;         /* end with TIMEOUT when nothing has come for so long; 0: never */
    bool once;                  /* never repeated, even if it might be; but for a 401, after which nothing was done */
};

/* Streaming. Callbacks as in engine_sink: on the client's thread, `begin` for any status (the body of an answer >= 300
 * is a Status object: kube_status_error makes it an error), `end` exactly once. Answers that lead to a repetition (401,
 * 429, 503 with Retry-After) are not shown. A new stream may be started from a callback; LIMITED beyond 500 without
 * deadline.
 */
struct kube_sink {
    void (*warn)(void *context,
                 const char *value); /* of each Warning header of the answer that is shown; may be NULL */
    /* <retry_after_s>: of the answer's header, which priority and fairness sends with a plain text; 0: none. */
    void (*begin)(void *context, int status, const char *content_type, int retry_after_s);
    bool (*data)(void *context, struct slice bytes);
    void (*end)(void *context, int result, const struct error *error);
    void *context;
};
struct kube_stream;
int kube_stream_start(struct kube_client *client, const struct kube_request *request, const struct kube_sink *sink,
                      struct kube_stream **ret, struct error *error);
/* Any thread, `end` follows from the client's. The handle lives until `end` has returned: a lock that `end` takes and
 * the canceller holds makes this safe. */
void kube_stream_cancel(struct kube_stream *stream);

/* Blocking. *ret (may be NULL) is the answer's JSON on 2xx. Otherwise the Status object becomes <error>: 404 NOT_FOUND,
 * 409 AlreadyExists EXISTS, 409 CONFLICT, 410 GONE, 422 INVALID with the first cause's field, 403 FORBIDDEN, 429
 * LIMITED with retry_after_s; no connection: UNAVAILABLE. Bodies are read up to 64 MiB (a page of a list). */
int kube_call(struct kube_client *client, const struct kube_request *request, cJSON **ret, struct error *error);
/* A blocking call whose answer is not JSON (a log). */
int kube_call_text(struct kube_client *client, const struct kube_request *request, struct buffer *ret,
                   struct error *error);

/* The header line that carries the current credential, "Authorization: Bearer …\r\n" ("" if certificates are used);
 * the caller frees it. For what speaks through a relay (relay.h). */
int kube_client_authorization(struct kube_client *client, char **ret, struct error *error);
/* The current credential as a whole, the caller's to release (credential.h); NULL if there is none yet. For relay.h. */
struct credential_view *kube_client_credential(struct kube_client *client);
const struct kube_config *kube_client_config(const struct kube_client *client);

/* Counters since the start, for tests, metrics and bench: requests sent by method class. */
struct kube_counts {
    uint64_t reads, writes, watches, retries, throttled;
};
void kube_client_counts(const struct kube_client *client, struct kube_counts *ret);

#endif
