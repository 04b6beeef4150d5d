/*
 * The data path: listeners, event loops, HTTP/1.1, routing, the identity-aware proxy, WebSockets and tunnels.
 *
 * A request goes listener -> parse -> route -> identify -> decide on one event loop, without blocking, and then to
 * exactly one of: an upstream (a tenant's workload, reached through engine_dial on a dial thread, pooled per loop), or
 * the API handler on a worker thread. A connection belongs to one loop for life. Whenever the policy snapshot changes,
 * every loop decides its live upstream connections and streams again and closes what is no longer allowed (within 100
 * ms).
 *
 * What the gateway itself enforces, for every route: strict HTTP/1.1 (attacks.md 1-15), Host and path rules (6, 20-23),
 * client-sent identity headers removed and underscore names refused (24, 25), Origin on upgrades and unsafe methods
 * with a cookie, X-Atelier-CSRF on unsafe methods with a cookie (except on a resource's host, where Origin decides).
 */
#ifndef ATELIER_GATEWAY_GATEWAY_H
#define ATELIER_GATEWAY_GATEWAY_H

#include "auth/auth.h"
#include "base/json.h"
#include "engine/engine.h"

/* --- what an API handler sees ------------------------------------------------------------------------------------- */
struct header {
    struct slice name, value; /* as received; compare names without case */
};
struct request {
    struct arena *arena; /* freed with the request */
    struct slice method; /* upper-case token */
    struct slice target; /* as received: path[?query] */
    struct slice path;   /* raw (not decoded), free of dot segments and ambiguous escapes */
    struct slice query;  /* after '?', or empty */
    const struct header *headers;
    size_t header_count;
    struct slice body;         /* complete; bounded by gateway limits */
    struct slice host;         /* as in Host, lower-cased, with port */
    const char *host_resource; /* the resource label when on a resource's host ("notebook-nb1--alice"), else "" */
    const struct identity *identity;
    const struct policy *policy; /* pinned for the request */
    bool local;                  /* came over the admin socket */
    bool secure;                 /* TLS */
    char peer[64];               /* address, "unix" on the admin socket */
    char id[17];                 /* request id, also sent as X-Request-Id */
};
struct slice request_header(const struct request *request, const char *name); /* empty if absent */
/* A query parameter, percent-decoded into the arena; NULL if absent, "" if without value. */
const char *request_query(const struct request *request, const char *name);

struct response;
void response_status(struct response *response, int status);                          /* default 200 */
void response_header(struct response *response, const char *name, const char *value); /* copied; CR/LF refused */
void response_body(struct response *response, const char *type, struct slice body);   /* copied; replaces */
/* What has been answered so far: the status, and the body until it is replaced. */
int response_so_far(const struct response *response, struct slice *ret_body);
/*
 * Turns the response into a stream (chunked): status and headers go out now, the handler returns, and any thread may
 * then write until the stream is closed. <access> (copied deep; may be NULL) is decided again whenever the policy
 * changes; a denial closes the stream. The identity must stay valid too. <in_part>: what is written is decided item by
 * item, so the stream goes on while any item may be seen; others end when only a part is left.
 */
struct stream;
struct stream *response_stream(struct response *response, const char *type, const struct access *access, bool in_part);
/* False once the peer is gone or has fallen more than 8 MiB behind (then the stream is closed). Any thread. */
bool stream_write(struct stream *stream, struct slice data);
void stream_close(struct stream *stream); /* ends the response properly; the handle is dead after. Exactly once. */
/* Runs (on a loop thread; must not block) when the peer has gone or access was revoked; stream_close is still due. */
void stream_on_gone(struct stream *stream, void (*gone)(void *context), void *context);

typedef void (*gateway_handler)(void *context, const struct request *request, struct response *response);

/* --- routes to tenants -------------------------------------------------------------------------------------------- */
/* /notebook/{ns}/{name}/, /ray/{ns}/{name}/, /serve/{ns}/{name}/, /tunnel/{ns}/{service}/{port},
 * /api/v1/namespaces/{ns}/services/[http:]{service}[:{port}]/proxy/ */
enum route_kind {
    ROUTE_API,
    ROUTE_NOTEBOOK,
    ROUTE_RAY,
    ROUTE_SERVE,
    ROUTE_SERVICE,
    ROUTE_TUNNEL,
    ROUTE_POD,
    ROUTE_RAY_CLIENT, /* gRPC: by host, not by path */
    ROUTE_SERVE_GRPC
};
struct route {
    enum route_kind kind;
    char namespace[64];
    char name[254];    /* notebook, cluster or service; a pod, whose name may be longer than a label */
    char port[64];     /* ROUTE_SERVICE, ROUTE_TUNNEL: as in the URL, "" if absent */
    struct slice tail; /* after the prefix, begins with '/' (or empty when the slash is missing); ROUTE_POD: "exec";
                        * ROUTE_SERVE_GRPC: the application that is asked, empty if that is not clear */
};
/* "notebook-nb1--alice": kind in {notebook, ray, serve, rayclient, grpc}; at most 63 bytes, longer ones end in a hash.
 */
void resource_label(const char *kind, const char *namespace, const char *name, char ret[64]);
/* False with BAD_REQUEST for ambiguous paths. Anything that is not a tenant route is ROUTE_API. */
bool route_parse(struct slice path, struct route *ret, struct error *error);
/* /api/v1/namespaces/{ns}/pods/{name}/ and exec, attach or portforward: ROUTE_POD. False for any other path. It is one
 * of the API's paths, and a route of its own for WebSocket handshakes only. */
bool route_parse_pod(struct slice path, struct route *ret);
/* "rayclient-rc1--alice" or "grpc-rc1--alice", as resource_label writes it: ROUTE_RAY_CLIENT or ROUTE_SERVE_GRPC. False
 * for others, and for labels that end in a hash, of which the names cannot be told. */
bool route_parse_grpc(struct slice label, struct route *ret);

/* Where a route leads. Filled by the resolver, which runs on a loop: it must not block. */
enum { TARGET_OPEN_SIZE = PREFIX_MAX + 1 };
enum target_state {
    TARGET_AS_IT_IS, /* what answers there is the answer */
    TARGET_STARTING, /* where nothing answers, it will */
    TARGET_RESUMES   /* it is suspended, and whoever may change it may start it by a request */
};
struct target {
    char service[64], port[64];          /* "": it is there, and nothing answers yet */
    char owner_kind[32], owner_name[64]; /* what authorization is about: "Notebook"/"RayCluster"; else "Service" */
    bool strip_prefix;                   /* the upstream sees only the tail */
    char open[TARGET_OPEN_SIZE];         /* ROUTE_SERVE: the prefix of <tail> that anybody may use; ROUTE_SERVE_GRPC:
                                          * the application; "" for none */
    char uid[64], service_uid[64]; /* ROUTE_SERVE, ROUTE_SERVE_GRPC: of the RayCluster, and of the RayService that it
                                      was made for; "" for none */
    char path[PREFIX_PATH_SIZE];   /* ROUTE_SERVE_GRPC: where the application that is asked answers to HTTP, cut; "" if
                                      that is not known */
    char header_name[32];          /* credential to inject ("Authorization", "X-Ray-Authorization"), "" for none */
    char header_value[256];
    enum target_state state;
};
typedef bool (*gateway_resolver)(void *context, const struct route *route, struct target *ret);
/* The names behind a label of gRPC that ends in a hash: fills the route's kind, namespace and name, as route_parse_grpc
 * does for others; false: nothing has it. Runs on a loop: it must not block. */
typedef bool (*gateway_label_finder)(void *context, struct slice label, struct route *ret);
/* Starts the RayCluster that a request of <person> went to, TARGET_RESUMES; *ret_resumed: this call did it, no other.
 * On a thread where it may block. */
typedef int (*gateway_resumer)(void *context, const char *namespace, const char *cluster, const char *person,
                               bool *ret_resumed, struct error *error);
/* How far a workload has come that does not answer yet; each stage is waited for after the one before. */
enum progress_stage { PROGRESS_PLACE, PROGRESS_IMAGE, PROGRESS_ANSWER, PROGRESS_STAGES };
struct progress {
    bool starting; /* it will answer; else <message> says how it stands */
    enum progress_stage stage;
    int64_t since_ms;  /* wall clock: its pod was made; 0: there is none */
    char message[512]; /* a sentence about what it waits for; may be "" */
};
/* For a person who waits and may see it; false: nothing is known. Asked on a thread where it may block. */
typedef bool (*gateway_explainer)(void *context, const char *namespace, const struct target *target,
                                  struct progress *ret);
/* To which workload does a pod belong? Fills owner_kind and owner_name; false: to none. Asked only for callers whose
 * role on the profile does not open it, on a thread where it may block. */
typedef bool (*gateway_pod_owner)(void *context, const char *namespace, const char *pod, struct target *ret);

/* --- doors for workloads ------------------------------------------------------------------------------------------ */
/*
 * The objects API as workloads know it, https://kubernetes.default, on a listening socket inside one profile's sandbox.
 * Who comes through is IDENTITY_WORKLOAD with that namespace, if the token is one that <door_keeper> knows, and nobody
 * otherwise; no cookie counts, and nothing but /api/v1/ and /apis/ is there.
 */
/* Runs on a loop: it must not block. Fills *ret's scope and e-mail. */
typedef bool (*gateway_door_keeper)(void *context, const char *namespace, struct slice token, struct identity *ret);
struct gateway;
/* Takes over <fd>, also when it fails. An open door of that namespace is closed first. Any thread. */
int gateway_door_open(struct gateway *gateway, const char *namespace, int fd, struct error *error);
void gateway_door_close(struct gateway *gateway, const char *namespace); /* none is fine; any thread */
bool gateway_door_is_open(struct gateway *gateway, const char *namespace);
const char *gateway_door_authority(const struct gateway *gateway); /* its CA in PEM; "" without doors */

/* --- running ------------------------------------------------------------------------------------------------------ */
struct gateway_tls {
    const char *listen; /* "127.0.0.1:8443"; "" or NULL to disable */
    const char *certificate_file,
        *key_file;         /* PEM; both "" or NULL: certificates of the installation's own authority */
    const char *directory; /* where that authority is kept: ca.crt and ca.key, made when they are not there */
    bool redirect;         /* http answers 308 to https, but for probes */
    bool outside;          /* http comes from a proxy that ended TLS: cookies, links and origins are those of https */
};
struct gateway_options {
    struct auth *auth;
    struct engine *engine;
    const char *listen;         /* "127.0.0.1:8080"; one listening socket shared by the loops */
    const char *metrics_listen; /* "127.0.0.1:9464": GET /metrics, and the probes by any name; "" */
    struct gateway_tls tls;
    const char *check_listen;   /* "0.0.0.0:9466": what a request would be answered, for a proxy in front that asks
                                   before it hands it on (Envoy's ext_authz over HTTP or by gRPC); "" to disable */
    const char *webhook_listen; /* "0.0.0.0:9443": admission for the Kubernetes API server, always TLS; "" to disable */
    const char *webhook_client_ca; /* file of authorities (PEM), one of which must have signed the caller's certificate;
                                      "" or NULL: whoever can connect is answered */
    gateway_handler webhook_handler; /* its requests: no identity, bodies up to 3 MiB */
    const char *admin_socket; /* path of the admin Unix socket, whose folder is made, "" to disable; same uid or root
                                 become IDENTITY_LOCAL */
    const char *base_domain;  /* "localhost" */
    unsigned loops;           /* 0: one a core, at most 4 */
    unsigned workers;         /* API worker threads, default 8 */
    gateway_handler handler;
    gateway_resolver resolver;
    gateway_label_finder find_label; /* NULL: such labels lead nowhere */
    gateway_resumer resume;          /* NULL: requests start nothing */
    gateway_explainer explain;       /* NULL: a person sees only that it does not answer */
    gateway_pod_owner pod_owner;     /* NULL: pods belong to no workload */
    gateway_door_keeper door_keeper; /* NULL: there are no doors */
    const char *door_directory;      /* where the doors' own certificate authority is kept */
    void *context;                   /* for all of them */
};
/* Binds before it returns: EXISTS with a clear text when the address is in use. */
int gateway_new(const struct gateway_options *options, struct gateway **ret, struct error *error);
void gateway_start(struct gateway *gateway);
/* Stops accepting, gives running requests up to drain_ms, closes the rest. */
void gateway_stop(struct gateway *gateway, int64_t drain_ms);
void gateway_free(struct gateway *gateway);
/* Reads the given certificate's files again if they have changed. 0 also when they have not; after a failure the old
 * certificate stays. One thread at a time. */
int gateway_tls_refresh(struct gateway *gateway, struct error *error);
/* The certificate (PEM) of the authority whose certificates are presented; "" without one. Any thread. */
const char *gateway_tls_authority(const struct gateway *gateway);
/* What the webhook's listener presents from now on; until then its handshakes fail. Takes it over. Any thread. */
struct certificate;
void gateway_webhook_present(struct gateway *gateway, struct certificate *certificate);
/*
 * When a resource was last used through this gateway, for idle detection: wall-clock ms, 0 if never. Data frames and
 * bytes of tunnels are use, and requests that change something, and all that Serve gets; pages that look by themselves
 * (JupyterLab's polls, Ray's dashboard, WebSocket pings) are not, or a forgotten tab would be.
 */
int64_t gateway_last_activity(struct gateway *gateway, const char *namespace, const char *kind, const char *name);
/* Calls <each> for all that were used at <since_ms> or later; it must be quick and not call the gateway. */
void gateway_activity_since(struct gateway *gateway, int64_t since_ms,
                            void (*each)(void *context, const char *namespace, const char *kind, const char *name,
                                         int64_t at_ms),
                            void *context);

#endif
