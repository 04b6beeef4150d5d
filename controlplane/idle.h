/* Stopping what nobody uses, and what this service has seen of its use (tenancy/idle.h). */
#ifndef ATELIER_CONTROLPLANE_IDLE_H
#define ATELIER_CONTROLPLANE_IDLE_H

struct idle;
struct server;
struct idle *idle_start(struct server *server); /* once its gateway and sampler are there */
void idle_end(struct idle *idle);               /* before them; NULL is fine */

#endif
