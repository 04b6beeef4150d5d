/* Does this request start the cluster that it went to? */
#include "gateway/resume.h"

#include "gateway/body.h"
#include "gateway/dial.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/reply.h"

/* A link from elsewhere must not start machines, nor may the page of another tenant, which is the same site. */
bool resume_is_meant(const struct http_request *request, bool by_cookie)
{
    if (!by_cookie)
        return true;
    if (request->websocket)
        return false; /* a page that was left open connects again by itself */
    if (!request->safe)
        return true;
    const struct header *mode = http_fields_find(&request->fields, "Sec-Fetch-Mode");
    const struct header *site = http_fields_find(&request->fields, "Sec-Fetch-Site");
    return mode && site && slice_is_nocase(mode->value, "navigate") &&
           (slice_is_nocase(site->value, "none") || slice_is_nocase(site->value, "same-origin"));
}

/* A resource's cookie may connect and nothing else; what it takes to connect to a cluster is what it takes to change
 * it: an editor. A token of one application starts nothing. */
bool resume_may(const struct exchange *exchange, const struct policy *policy)
{
    if (!exchange->connection->io.loop->gateway->options.resume)
        return false;
    struct access access = {.namespace = exchange->route.namespace,
                            .kind = exchange->target.owner_kind,
                            .name = exchange->target.owner_name,
                            .verb = VERB_UPDATE};
    if (exchange->permit.identity.kind == IDENTITY_RESOURCE)
        access.verb = VERB_CONNECT;
    return policy_decide(policy, &exchange->permit.identity, &access).allowed;
}

void resume_note(const struct exchange *exchange)
{
    const struct connection *connection = exchange->connection;
    audit_add(connection->io.loop->gateway->options.auth,
              &(struct audit_entry){.actor = exchange->permit.identity.email,
                                    .action = "resume",
                                    .namespace = exchange->route.namespace,
                                    .kind = exchange->target.owner_kind,
                                    .name = exchange->target.owner_name,
                                    .outcome = "allowed",
                                    .detail = "by a request to it",
                                    .peer = connection->peer,
                                    .request_id = exchange->id});
}

static void on_resumed(struct connection *connection, int fd, const struct error *error)
{
    struct exchange *exchange = connection->exchange;
    (void)fd;
    if (dial_has_resumed(exchange->dial))
        resume_note(exchange);
    exchange->dial = NULL; /* it is released after this */
    if (error->code)
        exchange->target.state = TARGET_AS_IT_IS;
    else
        exchange->target.state = TARGET_STARTING;
    if (!hold_begin(connection))
        reply_unavailable(connection, 503, error->message);
    connection_run(connection);
}

enum step resume_begin(struct connection *connection, const struct policy *policy)
{
    struct exchange *exchange = connection->exchange;
    if (!resume_may(exchange, policy)) {
        exchange->target.state = TARGET_AS_IT_IS;
        return reply_unavailable(connection, 503, "it is suspended, and whoever may change it may start it");
    }
    if (!resume_is_meant(&exchange->request, exchange->by_cookie))
        return reply_unavailable(connection, 503, "it is suspended");
    body_begin(exchange);
    connection_set_state(connection, CONNECTION_PROXY);
    exchange->wait = WAIT_NOTHING;
    exchange->dial = dial_resume_start(connection, exchange->route.namespace, exchange->target.owner_name,
                                       exchange->permit.identity.email, on_resumed);
    if (!exchange->dial)
        return reply_unavailable(connection, 503, "too many connections are being made");
    timer_set(connection->io.loop, &connection->timer, gateway_limits.dial_ms);
    return STEP_WAIT;
}
