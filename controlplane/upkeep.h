/* What is thrown away once it is old, in the background: audit entries, images (docs/care.md). */
#ifndef ATELIER_CONTROLPLANE_UPKEEP_H
#define ATELIER_CONTROLPLANE_UPKEEP_H

struct upkeep;
struct server;
struct upkeep *upkeep_start(struct server *server);
void upkeep_end(struct upkeep *upkeep); /* before the engine and auth; NULL is fine */

#endif
