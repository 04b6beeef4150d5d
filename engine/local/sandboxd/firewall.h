/* The packet filter of a sandbox's network namespace: what of its pods' traffic may leave it. */
#ifndef ATELIER_SANDBOXD_FIREWALL_H
#define ATELIER_SANDBOXD_FIREWALL_H

#include "base/outbound.h"

#define BOX_OUTSIDE_LINK "out0"            /* pasta's tap in a sandbox's namespace */
#define BOX_OUTSIDE_ADDRESS "169.254.77.2" /* its address: link-local, so that it hides nothing of the outside */
#define BOX_OUTSIDE_PREFIX "30"
#define BOX_OUTSIDE_GATEWAY "169.254.77.1" /* pasta; also the pods' name server */

/* nft(8)'s input that replaces the whole filter in one transaction. <own>: the machine's <own_count> addresses, which
 * nobody reaches whatever <policy> says (host byte order). Every packet is judged, also of a connection that an earlier
 * policy let through. Pure. */
void box_firewall_render(const struct outbound_policy *policy, const uint32_t *own, size_t own_count,
                         struct buffer *ret);

#endif
