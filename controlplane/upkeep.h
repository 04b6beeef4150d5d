/* What is thrown away in the background: old audit entries and images (docs/care.md), memory that a burst has left. */
#ifndef ATELIER_CONTROLPLANE_UPKEEP_H
#define ATELIER_CONTROLPLANE_UPKEEP_H

struct upkeep;
struct server;
struct upkeep *upkeep_start(struct server *server);
void upkeep_end(struct upkeep *upkeep); /* before the engine and auth; NULL is fine */

#endif
