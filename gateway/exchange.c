/* What does a request in progress hold, and is all of it let go? */
#include "gateway/exchange.h"

#include "gateway/api.h"
#include "gateway/body.h"
#include "gateway/dial.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/upstream.h"

enum { SPARE_MAX = 256 };

/* Unique enough to find a request in the logs; nothing is decided by it (splitmix64). */
static uint64_t next_random(struct loop *loop)
{
    uint64_t z = loop->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct exchange *exchange_begin(struct connection *connection)
{
    struct loop *loop = connection->io.loop;
    struct exchange *exchange = loop->spare_exchanges;
    if (exchange) {
        loop->spare_exchanges = exchange->next_spare;
        loop->spare_exchange_count--;
        memset(exchange, 0, offsetof(struct exchange, request) + offsetof(struct http_request, fields));
        exchange->request.fields.count = 0;
    } else {
        exchange = memory_get(sizeof(*exchange));
    }
    uint64_t id = next_random(loop);
    for (size_t i = 0; i < 16; i++)
        exchange->id[i] = "0123456789abcdef"[id >> (4 * i) & 15];
    exchange->connection = connection;
    connection->exchange = exchange;
    return exchange;
}

void exchange_end(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    if (!exchange)
        return;
    connection->exchange = NULL;
    permit_close(&exchange->permit);
    hold_end(exchange);
    api_abandon(exchange);
    if (exchange->dial)
        dial_abandon(exchange->dial);
    if (exchange->upstream)
        upstream_close(exchange->upstream);
    if (exchange->counted)
        atomic_fetch_sub(exchange->counted, 1);
    resource_give(loop->gateway->resources, exchange->resource);
    chunk_give(&loop->chunks, &exchange->up_head);
    chunk_give(&loop->chunks, &exchange->up_body);
    chunk_give(&loop->chunks, &exchange->down);
    if (loop->spare_exchange_count >= SPARE_MAX) {
        free(exchange);
        return;
    }
    exchange->next_spare = loop->spare_exchanges;
    loop->spare_exchanges = exchange;
    loop->spare_exchange_count++;
}
