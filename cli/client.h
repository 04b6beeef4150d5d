/*
 * Requests to the REST API: to ATELIER_URL with ATELIER_TOKEN; else to the context of --context, ATELIER_CONTEXT or the
 * current one (context.h); else over the admin Unix socket of this machine.
 *
 * An answer that is not 2xx becomes an error with the server's own message and field. Redirects are not followed: a
 * token goes to nobody else. Threads: one client, one thread.
 */
#ifndef ATELIER_CLI_CLIENT_H
#define ATELIER_CLI_CLIENT_H

#include "base/json.h"

struct call;
struct progress;
struct client;
void client_free(struct client *client); /* NULL is fine */
/* The call's client, opened on first use. */
int client_of(struct call *call, struct client **ret, struct error *error);

/* <url> without its last slashes; malloc'ed. NULL unless it is http://HOST or https://HOST. */
char *client_base(const char *url);

/* The call's client made for <context>, instead of any it had; without a token it signs in nobody (`atelier login`). */
struct context;
int client_use(struct call *call, const struct context *context, struct client **ret, struct error *error);
/* The profile that its context works in, or NULL. */
const char *client_namespace(const struct client *client);
/* Its URL, NULL over the admin socket; the CA it was told of, or NULL. */
const char *client_url(const struct client *client);
const char *client_ca_file(const struct client *client);

/* From now on asks as the console does: no token, cookies kept, its own origin and <csrf> (NULL: none yet) said. */
void client_as_browser(struct client *client, const char *csrf);

/* For pipe.h: a connected transport of its own (CURLOPT_CONNECT_ONLY; the caller's curl_easy_cleanup), the Host to
 * name, the "Authorization: ..." line or NULL, and the error that a refusal's status and body mean. */
int client_connect(const struct client *client, void **ret_curl, struct error *error);
const char *client_host(const struct client *client);
const char *client_authorization(const struct client *client);
int client_explain(int status, struct slice body, struct error *error);

struct client_request {
    const char *method; /* "GET" */
    const char *path;   /* encoded, with query: "/api/v1/pods?limit=1" */
    const char *type;   /* Content-Type of <body>; NULL: none */
    struct slice body;
    int64_t timeout_ms;        /* 0: the default of 120 s */
    struct progress *progress; /* told how much of <body> has gone, or NULL */
};
/* *ret is the body as received (at most CLIENT_BODY_MAX bytes). */
#define CLIENT_BODY_MAX ((size_t)64 * 1024 * 1024)
int client_send(struct call *call, const struct client_request *request, struct buffer *ret, struct error *error);
int client_get(struct call *call, const char *path, struct buffer *ret, struct error *error);
/* JSON in (NULL: no body), JSON out (ret may be NULL). */
int client_json(struct call *call, const char *method, const char *path, const cJSON *body, cJSON **ret,
                struct error *error);
/* Hands every part of the answer to <sink> as it comes, until it ends or <sink> returns false. */
typedef bool (*client_sink)(void *context, struct slice part);
int client_stream(struct call *call, const char *path, client_sink sink, void *context, struct error *error);

/* <first> as it is, then "/" and each text percent-encoded as one segment; malloc'ed. Ended by NULL. */
char *client_path(const char *first, ...) __attribute__((sentinel));

#endif
