/* May this request go on, and as whose? */
#include "gateway/check.h"

#include "base/metrics.h"
#include "gateway/check_calls.h"
#include "gateway/reply.h"

static struct metric passed = METRIC_COUNTER("atelier_gateway_checks_passed_total",
                                             "Requests of which a proxy in front was told that they may go on.");

void check_begin(struct connection *connection)
{
    const struct header *proto = http_fields_find(&connection->exchange->request.fields, "X-Forwarded-Proto");
    connection->outer_tls = proto && slice_is_nocase(proto->value, "https");
}

enum step check_pass(struct connection *connection)
{
    static const char removals[] = "X-Envoy-Auth-Headers-To-Remove: x_atelier_user, x-atelier_user, x_atelier-user\r\n";
    const struct identity *identity = &connection->exchange->permit.identity;
    char lines[sizeof("X-Atelier-User: \r\n") + sizeof(identity->email) + sizeof(removals)];
    metric_add(&passed, 1);
    if (connection->asker)
        return check_call_pass(connection);
    snprintf(lines, sizeof(lines), "X-Atelier-User: %s\r\n%s", identity->email, removals);
    return reply_send(connection, &(struct reply){.status = 200, .headers = lines});
}
