/* Does this request wait until the cluster that it went to answers? */
#include "gateway/hold.h"

#include "gateway/guard.h"
#include "gateway/internal.h"
#include "gateway/reply.h"

static struct metric held =
    METRIC_GAUGE("atelier_gateway_requests_held", "Requests that wait until their Ray cluster has started.");

/* A page that was left open asks by itself, for ever: only who sends a credential of their own waits. */
static bool may_wait(const struct exchange *exchange)
{
    const struct connection *connection = exchange->connection;
    return exchange->target.state == TARGET_STARTING && !exchange->by_cookie &&
           exchange->permit.identity.kind != IDENTITY_ANONYMOUS && !guard_is_navigation(&exchange->request) &&
           !connection->io.loop->draining && !connection->io.ended;
}

/* One more of the profile's that waits. */
static bool enter(struct exchange *exchange)
{
    struct resource_table *resources = exchange->connection->io.loop->gateway->resources;
    if (exchange->waiting)
        return true;
    struct resource *profile = resource_take(resources, exchange->route.namespace, "Profile", "");
    if (!resource_enter(&profile->requests, gateway_limits.tenant_holds)) {
        resource_give(resources, profile);
        return false;
    }
    exchange->waiting = profile;
    metric_add(&held, 1);
    return true;
}

void hold_end(struct exchange *exchange)
{
    if (!exchange->waiting)
        return;
    atomic_fetch_sub(&exchange->waiting->requests, 1);
    resource_give(exchange->connection->io.loop->gateway->resources, exchange->waiting);
    exchange->waiting = NULL;
    metric_add(&held, -1);
}

static void on_revoked(struct permit *permit)
{
    connection_close(OWNER_OF(permit, struct exchange, permit)->connection, CLOSE_REVOKED);
}

/* What the try that failed had taken for itself. */
static void let_go(struct exchange *exchange)
{
    chunk_give(&exchange->connection->io.loop->chunks, &exchange->up_head);
    if (exchange->counted)
        atomic_fetch_sub(exchange->counted, 1);
    exchange->counted = NULL;
    exchange->fresh = false;
}

bool hold_enter(struct exchange *exchange)
{
    int64_t now_ms = exchange->connection->io.loop->now_ms;
    if (!exchange->wait_until_ms)
        exchange->wait_until_ms = now_ms + gateway_limits.resume_wait_ms;
    if (exchange->wait_until_ms <= now_ms || !may_wait(exchange) || !enter(exchange))
        return false;
    let_go(exchange);
    return true;
}

bool hold_begin(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    if (!hold_enter(exchange))
        return false;
    int64_t left_ms = exchange->wait_until_ms - loop->now_ms;
    exchange->permit.revoked = on_revoked;
    permit_open(loop, &exchange->permit);
    connection_set_state(connection, CONNECTION_HELD);
    timer_set(loop, &connection->timer, left_ms < gateway_limits.hold_look_ms ? left_ms : gateway_limits.hold_look_ms);
    return true;
}

static enum step give_up(struct connection *connection)
{
    permit_close(&connection->exchange->permit);
    hold_end(connection->exchange);
    return reply_unavailable(connection, 503, "");
}

enum step hold_step(struct connection *connection)
{
    if (connection->io.broken)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    return connection->io.ended ? give_up(connection) : STEP_WAIT;
}

enum step hold_timeout(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    if (loop->draining || loop->now_ms >= exchange->wait_until_ms)
        return give_up(connection);
    permit_close(&exchange->permit);
    return dispatch_again(connection);
}
