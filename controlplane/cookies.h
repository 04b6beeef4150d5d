/* The cookie that carries a session: host-only, never readable by scripts, never sent along with other sites' requests.
 */
#ifndef ATELIER_CONTROLPLANE_COOKIES_H
#define ATELIER_CONTROLPLANE_COOKIES_H

#include "controlplane/call.h"

void cookies_set(const struct call *call, const struct auth_session *session);
void cookies_clear(const struct call *call);

#endif
