/* The few rtnetlink requests a sandbox needs, spoken by hand in the calling thread's network namespace: no helper
 * program, no shell, under a millisecond each. Each returns 0 or a negative errno. */
#ifndef ATELIER_SANDBOXD_NETLINK_H
#define ATELIER_SANDBOXD_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

int box_netlink_open(void); /* a socket in the calling thread's namespace, or -errno */
int box_link_up(int netlink, const char *name);
int box_link_delete(int netlink, const char *name); /* absent is fine */
int box_bridge_add(int netlink, const char *name);
/* <name> here, up and a port of <bridge>; its other end is <peer> in the namespace <peer_netns>. */
int box_veth_add(int netlink, const char *name, const char *bridge, const char *peer, int peer_netns);
int box_address_add(int netlink, const char *name, uint32_t address, unsigned prefix); /* address: host byte order */
/* The way to everything that is not near; making it twice and removing what is not there are fine. */
int box_default_route(int netlink, uint32_t gateway, bool wanted);

#endif
