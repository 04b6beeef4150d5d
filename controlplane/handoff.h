/* Between the main host and a resource's own. */
#ifndef ATELIER_CONTROLPLANE_HANDOFF_H
#define ATELIER_CONTROLPLANE_HANDOFF_H

#include <stdbool.h>

#include "controlplane/routes.h"

/* True for a path (with query) of the very resource whose host it is: nothing else is ever redirected to (attacks 36).
 */
bool handoff_is_safe_next(const char *next, const char *host_label);

#endif
