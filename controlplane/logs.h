/*
 * Logs that are being followed: one thread looks every 100 ms at what has grown and passes it on.
 *
 * The mutex guards the list; a follower belongs to the thread once it is in the list.
 */
#ifndef ATELIER_CONTROLPLANE_LOGS_H
#define ATELIER_CONTROLPLANE_LOGS_H

#include "controlplane/server.h"

struct followers;
struct followers *followers_new(struct server *server);
void followers_stop(struct followers *followers); /* ends every stream; later ones end at once; NULL is fine */
void followers_free(struct followers *followers); /* after followers_stop; NULL is fine */

#endif
