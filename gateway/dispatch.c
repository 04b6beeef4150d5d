/* What does this request become? Host, path, identity and policy, in this order; nothing here blocks. */
#include "gateway/api.h"
#include "gateway/bearer.h"
#include "gateway/body.h"
#include "gateway/check.h"
#include "gateway/cookie.h"
#include "gateway/dial.h"
#include "gateway/forward.h"
#include "gateway/guard.h"
#include "gateway/headers.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/pod_request.h"
#include "gateway/proxy.h"
#include "gateway/ray_paths.h"
#include "gateway/reply.h"
#include "gateway/resume.h"
#include "gateway/status.h"

static struct metric denials =
    METRIC_COUNTER("atelier_gateway_denials_total", "Requests to workloads denied by policy.");

static enum step fault(struct connection *connection, int status, const char *what)
{
    return reply_fault(connection, &(struct http_fault){status, what});
}

/* --- identify ----------------------------------------------------------------------------------------------------- */

static bool door_identify(const struct connection *connection, struct slice token, struct identity *ret)
{
    const struct gateway_options *options = &connection->io.loop->gateway->options;
    *ret = (struct identity){.kind = IDENTITY_WORKLOAD};
    memcpy(ret->scope_namespace, connection->door, sizeof(ret->scope_namespace));
    return options->door_keeper(options->context, connection->door, token, ret);
}

/* A bearer token decides alone, valid or not; the cookie counts only without one. False: 401. */
static bool identify(struct connection *connection, const struct policy *policy)
{
    struct exchange *exchange = connection->exchange;
    struct identity *identity = &exchange->permit.identity;
    bool resource_host = exchange->host.kind == HOST_RESOURCE;
    struct credentials credentials = {.host_resource = slice_of(exchange->host.label)};
    AUTO_BUFFER struct buffer decoded = {0};
    const struct header *authorization =
        resource_host ? NULL : http_fields_find(&exchange->request.fields, "Authorization");
    *identity = (struct identity){.kind = IDENTITY_ANONYMOUS};
    if (connection->listener == LISTENER_DOOR)
        return authorization && bearer_parse(authorization->value, &credentials.bearer) &&
               door_identify(connection, credentials.bearer, identity);
    if (authorization)
        return bearer_of(&exchange->request.fields, authorization, &decoded, &credentials.bearer) &&
               auth_identify(policy, &credentials, identity);
    if (exchange->host.kind == HOST_GRPC)
        return true; /* nobody: what a browser adds by itself does not count */
    if (connection->listener == LISTENER_ADMIN) {
        *identity = (struct identity){.kind = IDENTITY_LOCAL, .platform_admin = true, .email = "local"};
        return true;
    }
    const char *name = cookie_session_name(resource_host, connection_is_secure(connection));
    /* Two cookies of one name: somebody tosses theirs in (CVE-2024-28233). Neither counts. */
    if (cookie_find(&exchange->request.fields, name, &credentials.cookie) == 1 && credentials.cookie.n > 0 &&
        auth_identify(policy, &credentials, identity))
        exchange->by_cookie = true;
    else
        *identity = (struct identity){.kind = IDENTITY_ANONYMOUS};
    return true;
}

/* --- what is said instead ----------------------------------------------------------------------------------------- */

/* The kind that a route's error names; the same for a thing that is absent, foreign or invisible. */
static void named_kind(enum route_kind kind, const char **ret_group, const char **ret_plural)
{
    enum engine_kind id = kind == ROUTE_NOTEBOOK                     ? KIND_NOTEBOOK
                          : kind == ROUTE_RAY || kind == ROUTE_SERVE ? KIND_RAYCLUSTER
                          : kind == ROUTE_POD                        ? KIND_POD
                                                                     : KIND_SERVICE;
    static const char *const groups[][2] = {
        [KIND_NOTEBOOK] = {"kubeflow.org", "notebooks"},
        [KIND_RAYCLUSTER] = {"ray.io", "rayclusters"},
        [KIND_SERVICE] = {"", "services"},
        [KIND_POD] = {"", "pods"},
    };
    *ret_group = groups[id][0];
    *ret_plural = groups[id][1];
}

static enum step reply_not_found(struct connection *connection)
{
    AUTO_BUFFER struct buffer body = {0};
    const struct route *route = &connection->exchange->route;
    const char *group, *plural;
    named_kind(route->kind, &group, &plural);
    status_not_found(&body, group, plural, route->name);
    return reply_send(connection, &(struct reply){.status = 404, .body = buffer_slice(&body)});
}

static void note_denial(struct connection *connection, const char *reason)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    metric_add(&denials, 1);
    /* A few a second a loop are a record; more would be a way to fill the disk. */
    if (loop->now_ms / 1000 != loop->denial_second) {
        loop->denial_second = loop->now_ms / 1000;
        loop->denials_this_second = 0;
    }
    if (++loop->denials_this_second > 5)
        return;
    audit_add(loop->gateway->options.auth, &(struct audit_entry){.actor = exchange->permit.identity.email,
                                                                 .action = "connect",
                                                                 .namespace = exchange->route.namespace,
                                                                 .kind = exchange->target.owner_kind,
                                                                 .name = exchange->target.owner_name,
                                                                 .outcome = "denied",
                                                                 .detail = reason,
                                                                 .peer = connection->peer,
                                                                 .request_id = exchange->id});
}

static enum step reply_forbidden(struct connection *connection, const char *reason)
{
    AUTO_BUFFER struct buffer body = {0};
    const struct route *route = &connection->exchange->route;
    const char *group, *plural;
    named_kind(route->kind, &group, &plural);
    note_denial(connection, reason);
    status_forbidden(&body, group, plural, route->name, reason);
    return reply_send(connection, &(struct reply){.status = 403, .body = buffer_slice(&body)});
}

/* --- tenant routes ------------------------------------------------------------------------------------------------ */

/* On a resource's host only that resource's routes exist. */
static bool is_at_home(const struct exchange *exchange)
{
    static const char *const kinds[] = {[ROUTE_NOTEBOOK] = "notebook", [ROUTE_RAY] = "ray", [ROUTE_SERVE] = "serve"};
    enum route_kind kind = exchange->route.kind;
    if (kind != ROUTE_NOTEBOOK && kind != ROUTE_RAY && kind != ROUTE_SERVE)
        return false;
    char label[64];
    resource_label(kinds[kind], exchange->route.namespace, exchange->route.name, label);
    return strcmp(label, exchange->host.label) == 0;
}

/* Looking only: everything a viewer may do. Whether the caller may do more decides what the workload shows them. */
static enum verb needed_verb(const struct exchange *exchange)
{
    const struct http_request *request = &exchange->request;
    if (request->websocket || exchange->route.kind == ROUTE_TUNNEL || !(request->get || request->head))
        return VERB_CONNECT;
    if (strcmp(exchange->target.owner_kind, "RayCluster") == 0 &&
        ray_path_is_sensitive(exchange->route.tail, request->query))
        return VERB_CONNECT;
    return VERB_CONNECT_READ;
}

/* Which application of Ray Serve, for whoever may use one alone. */
static void note_asking(struct exchange *exchange)
{
    const struct target *target = &exchange->target;
    const struct route *route = &exchange->route;
    struct asking *asking = &exchange->permit.asking;
    struct slice path = route->kind == ROUTE_SERVE ? route->tail : slice_of(target->path);
    size_t n = path.n < sizeof(asking->path) ? path.n : sizeof(asking->path) - 1;
    *asking = (struct asking){.serve = route->kind == ROUTE_SERVE || (route->kind == ROUTE_SERVE_GRPC && path.n > 0)};
    if (!asking->serve)
        return;
    memcpy(asking->uid, target->uid, sizeof(asking->uid));
    memcpy(asking->service_uid, target->service_uid, sizeof(asking->service_uid));
    if (n > 0)
        memcpy(asking->path, path.p, n);
}

static struct decision decide(struct exchange *exchange, const struct policy *policy)
{
    exchange->permit.decide = true;
    note_asking(exchange);
    exchange->permit.access = (struct access){.namespace = exchange->resource->namespace,
                                              .kind = exchange->resource->kind,
                                              .name = *exchange->resource->name ? exchange->resource->name : NULL,
                                              .verb = needed_verb(exchange)};
    const struct access access = permit_access(&exchange->permit);
    struct decision decision = policy_decide(policy, &exchange->permit.identity, &access);
    if (decision.allowed && access.verb == VERB_CONNECT_READ) {
        struct access more = access;
        more.verb = VERB_CONNECT;
        exchange->read_only = !policy_decide(policy, &exchange->permit.identity, &more).allowed;
    }
    return decision;
}

static void note_opened(const struct exchange *exchange, const char *action, const char *name, const char *detail)
{
    const struct connection *connection = exchange->connection;
    audit_add(connection->io.loop->gateway->options.auth,
              &(struct audit_entry){.actor = exchange->permit.identity.email,
                                    .action = action,
                                    .namespace = exchange->route.namespace,
                                    .kind = exchange->target.owner_kind,
                                    .name = name,
                                    .outcome = "allowed",
                                    .detail = detail,
                                    .peer = connection->peer,
                                    .request_id = exchange->id});
}

/* The owner lets anybody in: whoever this is comes as nobody, and the application does not learn who. */
static void become_nobody(struct exchange *exchange)
{
    struct opening *opening = &exchange->permit.opening;
    exchange->permit.identity = (struct identity){.kind = IDENTITY_ANONYMOUS};
    exchange->read_only = true;
    opening->kind = exchange->route.kind;
    memcpy(opening->namespace, exchange->route.namespace, sizeof(opening->namespace));
    memcpy(opening->name, exchange->route.name, sizeof(opening->name));
    memcpy(opening->prefix, exchange->target.open, sizeof(opening->prefix));
}

/* Allowed: to the workload, if it is not already busy with as many as it may have. */
static enum step connect_workload(struct connection *connection, const struct policy *policy)
{
    struct exchange *exchange = connection->exchange;
    struct resource *resource = exchange->resource;
    bool tunnel = exchange->request.websocket;
    if (exchange->route.kind == ROUTE_TUNNEL && !tunnel)
        return fault(connection, 426, "a tunnel is opened with a WebSocket handshake");
    if (exchange->route.kind != ROUTE_TUNNEL && exchange->route.tail.n == 0)
        return reply_redirect(connection, exchange->request.get || exchange->request.head ? 302 : 308,
                              exchange->request.path, exchange->request.query, exchange->request.has_query);
    if (connection->listener == LISTENER_CHECK)
        return check_pass(connection);
    if (exchange->target.state == TARGET_RESUMES)
        return resume_begin(connection, policy);
    if (!exchange->target.service[0] && hold_begin(connection))
        return STEP_WAIT;
    if (!exchange->target.service[0])
        return reply_unavailable(connection, 503, "nothing answers yet: it is stopped, or being made");
    _Atomic int64_t *count = tunnel ? &resource->tunnels : &resource->requests;
    if (!resource_enter(count, tunnel ? gateway_limits.resource_tunnels : gateway_limits.resource_requests))
        return fault(connection, 429, "this workload already serves as many requests as it may");
    exchange->counted = count;
    if (exchange->route.kind != ROUTE_TUNNEL)
        return proxy_begin(connection);
    note_opened(exchange, "tunnel", exchange->target.owner_name, exchange->route.port);
    return forward_begin(connection, NULL);
}

/* Into a pod; a cluster decides again, in the role on the profile or that of whoever may enter one workload's pods. */
static enum step connect_pod(struct connection *connection, const struct policy *policy)
{
    if (connection->listener == LISTENER_CHECK)
        return check_pass(connection);
    struct exchange *exchange = connection->exchange;
    struct resource *resource = exchange->resource;
    enum role role = policy_role(policy, &exchange->permit.identity, exchange->route.namespace);
    bool forwards = engine_forwards(connection->io.loop->gateway->options.engine);
    struct pod_request *request = NULL;
    struct http_fault wrong;
    char action[16];
    if (!forwards &&
        !pod_request_parse(&exchange->request, exchange->route.tail, &request, &exchange->subprotocol, &wrong))
        return reply_fault(connection, &wrong);
    if (!resource_enter(&resource->tunnels, gateway_limits.resource_tunnels)) {
        pod_request_free(request);
        return fault(connection, 429, "as many connections into pods of this profile are open as may be");
    }
    exchange->counted = &resource->tunnels;
    snprintf(action, sizeof(action), "%.*s", (int)exchange->route.tail.n, exchange->route.tail.p);
    note_opened(exchange, action, exchange->route.name, NULL);
    if (!forwards) {
        exchange->packets = pod_request_has_channels(request);
        return forward_begin(connection, request);
    }
    if (role < ROLE_EDITOR)
        role = ROLE_EDITOR;
    return pod_begin(connection, role_name(role > ROLE_ADMIN ? ROLE_ADMIN : role));
}

static void take_resource(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct resource_table *resources = connection->io.loop->gateway->resources;
    resource_give(resources, exchange->resource);
    exchange->resource =
        resource_take(resources, exchange->route.namespace, exchange->target.owner_kind, exchange->target.owner_name);
}

static struct decision decide_on_target(struct connection *connection, const struct policy *policy)
{
    take_resource(connection);
    return decide(connection->exchange, policy);
}

static enum step follow_decision(struct connection *connection, const struct policy *policy, struct decision decision)
{
    if (!decision.allowed && connection->exchange->target.open[0]) {
        become_nobody(connection->exchange);
        return connect_workload(connection, policy);
    }
    if (!decision.visible)
        return reply_not_found(connection);
    if (!decision.allowed)
        return reply_forbidden(connection, decision.reason ? decision.reason : "your role does not allow this");
    return connection->exchange->route.kind == ROUTE_POD ? connect_pod(connection, policy)
                                                         : connect_workload(connection, policy);
}

static void on_owner(struct connection *connection, int fd, const struct error *error)
{
    struct exchange *exchange = connection->exchange;
    const struct target *owner = dial_owner(exchange->dial);
    const struct policy *policy = policy_take(connection->io.loop->gateway->options.auth);
    (void)fd;
    (void)error;
    if (owner)
        exchange->target = *owner;
    exchange->dial = NULL; /* it is released after this, and what it learnt with it */
    follow_decision(connection, policy, decide_on_target(connection, policy));
    policy_release(policy);
    connection_run(connection);
}

/* Whoever may not enter any pod of the profile may hold a grant on the workload that this one belongs to. */
static bool depends_on_owner(const struct exchange *exchange, const struct policy *policy, struct decision decision)
{
    if (decision.visible)
        return !decision.allowed; /* they look at the whole profile, and may do more with one thing in it */
    const struct access all = {.namespace = exchange->route.namespace, .kind = "Pod", .verb = VERB_LIST};
    decision = policy_decide(policy, &exchange->permit.identity, &all);
    return decision.allowed && decision.partial;
}

static enum step find_pod_owner(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    body_begin(exchange);
    connection_set_state(connection, CONNECTION_PROXY);
    exchange->wait = WAIT_NOTHING;
    exchange->dial = dial_owner_start(connection, exchange->route.namespace, exchange->route.name, on_owner);
    if (!exchange->dial)
        return fault(connection, 503, "too many connections are being made");
    timer_set(connection->io.loop, &connection->timer, gateway_limits.dial_ms);
    return STEP_WAIT;
}

static bool find_target(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    const struct gateway_options *options = &connection->io.loop->gateway->options;
    exchange->target = (struct target){.owner_kind = "Pod"};
    return exchange->route.kind == ROUTE_POD ||
           options->resolver(options->context, &exchange->route, &exchange->target);
}

static enum step authorize(struct connection *connection, const struct policy *policy)
{
    struct exchange *exchange = connection->exchange;
    bool pod = exchange->route.kind == ROUTE_POD;
    if (!find_target(connection))
        return reply_not_found(connection);
    struct decision decision = decide_on_target(connection, policy);
    if (pod && depends_on_owner(exchange, policy, decision))
        return find_pod_owner(connection);
    return follow_decision(connection, policy, decision);
}

static enum step authorize_again(struct connection *connection, const struct policy *policy)
{
    if (!find_target(connection))
        return reply_not_found(connection);
    struct decision decision = decide_on_target(connection, policy);
    if (decision.allowed && hold_begin(connection))
        return STEP_WAIT;
    hold_end(connection->exchange);
    return follow_decision(connection, policy, decision);
}

enum step dispatch_again(struct connection *connection)
{
    const struct policy *policy = policy_take(connection->io.loop->gateway->options.auth);
    enum step step = authorize_again(connection, policy);
    policy_release(policy);
    return step;
}

/* Somebody without a credential, where an application is open to anybody. On the main host a browser is led to the
 * application's own host first, where its pages may be pages. */
static bool is_open_to_nobody(struct connection *connection)
{
    const struct exchange *exchange = connection->exchange;
    return exchange->route.kind == ROUTE_SERVE && exchange->permit.identity.kind == IDENTITY_ANONYMOUS &&
           (exchange->host.kind == HOST_RESOURCE || !guard_is_navigation(&exchange->request)) &&
           find_target(connection) && exchange->target.open[0];
}

/* The console lists, submits and stops a cluster's jobs, and makes the first document of a notebook. What it is
 * answered cannot become a page of ours: it was fetched by script, and it is sandboxed (headers_write_response). */
static bool is_console_asking(const struct exchange *exchange)
{
    struct slice tail = exchange->route.tail;
    bool jobs = exchange->route.kind == ROUTE_RAY && slice_starts(tail, "/api/jobs/");
    bool documents = exchange->route.kind == ROUTE_NOTEBOOK &&
                     (slice_is(tail, "/api/contents") || slice_starts(tail, "/api/contents/"));
    return (jobs || documents) && guard_is_console(&exchange->request, &exchange->permit.identity);
}

static enum step tenant(struct connection *connection, const struct policy *policy)
{
    struct exchange *exchange = connection->exchange;
    const struct http_request *request = &exchange->request;
    bool anonymous = exchange->permit.identity.kind == IDENTITY_ANONYMOUS;
    if (exchange->host.kind == HOST_RESOURCE && !is_at_home(exchange))
        return reply_not_found(connection);
    if (is_open_to_nobody(connection)) {
        take_resource(connection);
        become_nobody(exchange);
        return connect_workload(connection, policy);
    }
    if (anonymous && guard_is_navigation(request))
        return api_begin(connection); /* to sign-in, or for a resource's host through the hand-over */
    if (anonymous)
        return fault(connection, 401, "sign in or present a token");
    if (exchange->host.kind == HOST_MAIN && exchange->by_cookie && !is_console_asking(exchange)) {
        /* A shared origin would let one workload act as whoever opens it: cookies lead to the resource's own host. */
        if (request->get && !request->websocket)
            return api_begin(connection);
        return fault(connection, 403, "workloads are used with a cookie only on their own host");
    }
    return authorize(connection, policy);
}

/* --- the order of things ------------------------------------------------------------------------------------------ */

static enum step with_policy(struct connection *connection, const struct policy *policy)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault wrong;
    if (!identify(connection, policy))
        return fault(connection, 401, "the token is not valid");
    bool guarded = exchange->by_cookie || exchange->permit.identity.kind == IDENTITY_ANONYMOUS;
    if (guarded && !guard_check(&exchange->request, &exchange->host, connection_is_secure(connection),
                                &exchange->permit.identity, &wrong))
        return reply_fault(connection, &wrong);
    /* To answer for the caller what was asked for somebody else would be a wrong answer. */
    bool api = exchange->route.kind == ROUTE_API || exchange->route.kind == ROUTE_POD;
    if (api && guard_impersonates(&exchange->request))
        return fault(connection, 400, "nobody is impersonated here (kubectl --as): ask with their own credentials");
    if (exchange->route.kind != ROUTE_API)
        return tenant(connection, policy);
    /* Who asks first hands these on to us, and then they are decided. */
    return connection->listener == LISTENER_CHECK ? check_pass(connection) : api_begin(connection);
}

static bool is_probe(struct slice path)
{
    return slice_is(path, "/healthz") || slice_is(path, "/livez") || slice_is(path, "/readyz");
}

static enum step metrics_request(struct connection *connection)
{
    const struct http_request *request = &connection->exchange->request;
    connection->exchange->body_done = request->framing == HTTP_BODY_NONE;
    bool probe = is_probe(request->path);
    if (!probe && !slice_is(request->path, "/metrics"))
        return fault(connection, 404, "only /metrics, /healthz, /livez and /readyz are served here");
    if (!request->get && !request->head)
        return fault(connection, 405, "only GET is allowed here");
    /* A kubelet and load balancers ask by address, which is no host of the main listener. */
    return probe ? api_begin(connection) : reply_metrics(connection);
}

/* Probes stay where they are: a kubelet follows redirects, but has no reason to trust what it finds there. */
static bool goes_to_https(const struct connection *connection)
{
    return connection->listener == LISTENER_MAIN && connection->io.loop->gateway->https_redirect &&
           !connection_is_secure(connection) && !is_probe(connection->exchange->request.path);
}

/* Whoever asks is nobody: what is answered holds for every caller. */
static enum step webhook_request(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault wrong;
    if (!headers_check_connection(&exchange->request.fields, &wrong))
        return reply_fault(connection, &wrong);
    if (exchange->request.websocket)
        return fault(connection, 400, "nothing here speaks WebSocket");
    exchange->host.kind = HOST_MAIN; /* the API server says the Service's name, or an address */
    exchange->host.label[0] = '\0';
    return api_begin(connection);
}

enum step dispatch(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct gateway *gateway = connection->io.loop->gateway;
    struct http_fault wrong;
    struct error error = {0};
    exchange->body_done = exchange->request.framing == HTTP_BODY_NONE;
    host_parse(exchange->request.host, gateway->options.base_domain, &exchange->host);
    if (exchange->host.kind == HOST_INVALID)
        return fault(connection, 400, "Host is not a host name with a port");
    if (connection->listener == LISTENER_METRICS)
        return metrics_request(connection);
    if (connection->listener == LISTENER_WEBHOOK)
        return webhook_request(connection);
    if (connection->listener == LISTENER_CHECK)
        check_begin(connection);
    if (connection->listener == LISTENER_DOOR) {
        if (!slice_starts(exchange->request.path, "/api/v1/") && !slice_starts(exchange->request.path, "/apis/"))
            return fault(connection, 404, "only /api/v1/ and /apis/ are served here");
        exchange->host.kind = HOST_MAIN; /* there is only one */
        exchange->host.label[0] = '\0';
    }
    if (exchange->host.kind == HOST_GRPC)
        return fault(connection, 421, "this host speaks gRPC, over TLS and HTTP/2");
    if (exchange->host.kind == HOST_FOREIGN)
        return fault(connection, 421, "no such host is served here");
    if (slice_is(exchange->request.method, "OPTIONS") && slice_is(exchange->request.target, "*"))
        return fault(connection, 405, "OPTIONS * is not allowed");
    if (!headers_check_connection(&exchange->request.fields, &wrong))
        return reply_fault(connection, &wrong);
    if (!route_parse(exchange->request.path, &exchange->route, &error))
        return reply_error(connection, &error);
    if (connection->listener == LISTENER_DOOR && exchange->route.kind != ROUTE_API)
        return fault(connection, 404, "workloads are not reached through this");
    if (exchange->request.websocket && exchange->route.kind == ROUTE_API &&
        !route_parse_pod(exchange->request.path, &exchange->route))
        return fault(connection, 400, "nothing here speaks WebSocket");
    if (goes_to_https(connection))
        return reply_to_https(connection);
    const struct policy *policy = policy_take(gateway->options.auth);
    enum step step = with_policy(connection, policy);
    policy_release(policy);
    return step;
}

/* --- gRPC --------------------------------------------------------------------------------------------------------- */

static int refuse_call(int status, const char *why, char ret_why[DISPATCH_WHY_SIZE])
{
    snprintf(ret_why, DISPATCH_WHY_SIZE, "%s", why);
    return status;
}

/* Allowed: it goes if its target answers, and waits where another request would. */
static int connect_call(struct connection *connection, const struct policy *policy, bool again,
                        char ret_why[DISPATCH_WHY_SIZE])
{
    struct exchange *exchange = connection->exchange;
    const struct target *target = &exchange->target;
    const struct route *route = &exchange->route;
    if (target->state == TARGET_RESUMES) {
        if (resume_may(exchange, policy))
            return CALL_RESUMES;
        return refuse_call(503, "the cluster is suspended, and whoever may change it may start it", ret_why);
    }
    if ((again || !target->service[0]) && hold_enter(exchange))
        return CALL_WAITS;
    hold_end(exchange);
    if (!target->service[0] && target->state == TARGET_STARTING)
        return refuse_call(503, HOLD_STARTING, ret_why);
    if (!target->service[0]) {
        snprintf(ret_why, DISPATCH_WHY_SIZE,
                 "nothing answers yet: it is stopped, or being made; `atelier ray describe %.63s -n %s` tells, "
                 "and `atelier ray resume` starts it",
                 route->name, route->namespace);
        return 503;
    }
    if (!resource_enter(&exchange->resource->requests, gateway_limits.resource_requests))
        return refuse_call(429, "this workload already serves as many requests as it may", ret_why);
    exchange->counted = &exchange->resource->requests;
    return CALL_GOES;
}

static int decide_call(struct connection *connection, const struct policy *policy, bool again,
                       char ret_why[DISPATCH_WHY_SIZE])
{
    struct exchange *exchange = connection->exchange;
    if (!again && !identify(connection, policy))
        return refuse_call(401, "the token is not valid", ret_why);
    if (exchange->permit.identity.kind == IDENTITY_ANONYMOUS) {
        if (!find_target(connection) || !exchange->target.open[0])
            return refuse_call(401, "present a token of yours as the metadata authorization: Bearer TOKEN", ret_why);
        take_resource(connection);
        become_nobody(exchange);
        return connect_call(connection, policy, again, ret_why);
    }
    static const char absent[] = "nothing that you may use is there: it is absent, or your token does not open it";
    if (!find_target(connection))
        return refuse_call(404, absent, ret_why);
    struct decision decision = decide_on_target(connection, policy);
    if (!decision.allowed && exchange->target.open[0]) {
        become_nobody(exchange);
        return connect_call(connection, policy, again, ret_why);
    }
    if (!decision.visible)
        return refuse_call(404, absent, ret_why);
    if (!decision.allowed) {
        const char *why = decision.reason ? decision.reason : "your role does not allow this";
        note_denial(connection, why);
        return refuse_call(403, why, ret_why);
    }
    return connect_call(connection, policy, again, ret_why);
}

int dispatch_call(struct connection *connection, char ret_why[DISPATCH_WHY_SIZE])
{
    const struct policy *policy = policy_take(connection->io.loop->gateway->options.auth);
    int status = decide_call(connection, policy, false, ret_why);
    policy_release(policy);
    return status;
}

int dispatch_call_again(struct connection *connection, char ret_why[DISPATCH_WHY_SIZE])
{
    const struct policy *policy = policy_take(connection->io.loop->gateway->options.auth);
    int status = decide_call(connection, policy, true, ret_why);
    policy_release(policy);
    return status;
}

void dispatch_note_call(const struct exchange *exchange)
{
    note_opened(exchange, "grpc", exchange->target.owner_name, exchange->target.port);
}
