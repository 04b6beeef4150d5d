/* How does a person get into a pod of the cluster? (exec, attach, port-forward) */
#include "gateway/body.h"
#include "gateway/dial.h"
#include "gateway/headers.h"
#include "gateway/internal.h"
#include "gateway/proxy.h"
#include "gateway/upstream.h"

static struct metric opened =
    METRIC_COUNTER("atelier_gateway_pod_connections_total", "WebSockets into pods, asked of the cluster's API.");

static void on_revoked(struct permit *permit)
{
    connection_close(OWNER_OF(permit, struct exchange, permit)->connection, CLOSE_REVOKED);
}

/* The role's headers come with the connection, so the head is written only now. */
static void on_dialled(struct connection *connection, int fd, const struct error *error)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault fault = {503, error->message[0] ? error->message : "the cluster's API cannot be reached"};
    const char *headers = dial_headers(exchange->dial);
    bool written = false;
    if (fd >= 0)
        exchange->upstream = upstream_new(connection, exchange->route.namespace, &exchange->target, fd);
    if (exchange->upstream) {
        exchange->up_head = chunk_take(&connection->io.loop->chunks, false);
        written = headers_write_api(exchange->up_head, &exchange->request, headers, &fault);
    }
    exchange->dial = NULL; /* it is released after this, and its headers with it */
    if (!written)
        proxy_fail(connection, fault.status, fault.what);
    connection_run(connection);
}

enum step pod_begin(struct connection *connection, const char *role)
{
    struct exchange *exchange = connection->exchange;
    body_begin(exchange);
    metric_add(&opened, 1);
    exchange->permit.revoked = on_revoked;
    permit_open(connection->io.loop, &exchange->permit);
    connection_set_state(connection, CONNECTION_PROXY);
    exchange->fresh = true; /* never sent twice */
    exchange->wait = WAIT_NOTHING;
    exchange->dial =
        dial_api_start(connection, exchange->route.namespace, role, exchange->permit.identity.email, on_dialled);
    if (!exchange->dial)
        return proxy_fail(connection, 503, "too many connections are being made");
    timer_set(connection->io.loop, &connection->timer, gateway_limits.dial_ms);
    return STEP_WAIT;
}
