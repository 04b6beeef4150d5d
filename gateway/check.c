/* May this request go on, and as whose? */
#include "gateway/check.h"

#include "base/metrics.h"
#include "gateway/exchange.h"
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
    const struct identity *identity = &connection->exchange->permit.identity;
    char line[sizeof("X-Atelier-User: \r\n") + sizeof(identity->email)];
    metric_add(&passed, 1);
    snprintf(line, sizeof(line), "X-Atelier-User: %s\r\n", identity->email);
    return reply_send(connection, &(struct reply){.status = 200, .headers = line});
}
