/* Reading a request's body, from what came along with the head and then from the socket, whichever way it is framed. */
#ifndef ATELIER_GATEWAY_BODY_H
#define ATELIER_GATEWAY_BODY_H

#include "gateway/exchange.h"

enum body { BODY_MORE, BODY_WAIT, BODY_END, BODY_REFUSED, BODY_GONE };
void body_begin(struct exchange *exchange);
/*
 * Puts payload behind <into>->end. MORE: some came (exchange->body_done tells whether it was the last); WAIT: none yet;
 * END: there is no more; REFUSED: malformed or larger than <limit>; GONE: the client has closed.
 */
enum body body_read(struct exchange *exchange, struct chunk *into, uint64_t limit, struct http_fault *fault);
/* False with 413, which names <limit>, for a body that is to be larger, or has become it; good while <exchange> is. */
bool body_fits(struct exchange *exchange, uint64_t limit, struct http_fault *fault);
/* Queues "100 Continue" if the client waits for it and has not begun to send. */
void body_continue(struct exchange *exchange);

#endif
