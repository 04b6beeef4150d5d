/*
 * Open watches: events of the engine on their way to clients as JSON lines, each decided for the caller.
 *
 * Threads: events arrive on the engine's thread and are written to the stream there; everything that ends a watch only
 * marks it, and one thread of this file closes what is marked. The mutex guards the list of watches.
 */
#ifndef ATELIER_CONTROLPLANE_WATCH_H
#define ATELIER_CONTROLPLANE_WATCH_H

#include "controlplane/server.h"

struct watches;
struct watches *watches_new(struct server *server);
void watches_stop(struct watches *watches); /* ends every watch; later ones are refused; NULL is fine */
void watches_free(struct watches *watches); /* after watches_stop, and once nobody reviews any more; NULL is fine */
/* The policy has changed: watches that show only a part are looked at again. Any thread; does not block. */
void watches_review(struct watches *watches);

#endif
