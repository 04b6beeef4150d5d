/*
 * The one thread of the daemon that stays in the network namespace it was started in: the machine's. It does two things
 * there and nothing else: it starts pasta(1) for a sandbox, and it knows the machine's addresses. (A thread, and not a
 * descriptor to return with: in a user namespace nobody may enter the machine's namespace again.)
 */
#ifndef ATELIER_SANDBOXD_OUTSIDE_H
#define ATELIER_SANDBOXD_OUTSIDE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define BOX_OWN_ADDRESSES_MAX 1024 /* of the machine: each is a rule in every sandbox */

int box_outside_start(struct error *error); /* before box_network_start */
void box_outside_stop(void);
/* <changed> is called on that thread when the machine's addresses changed; it must not block. */
void box_outside_follow(void (*changed)(void *context), void *context);

/* Starts <pasta> (an absolute path) between the machine's network and the namespace <netns_fd>, as <uid>, with the
 * capabilities it needs to enter a namespace and no other. The caller waits for it; a negative errno. Any thread. */
pid_t box_outside_launch(const char *pasta, int netns_fd, uid_t uid);
/* The machine's IPv4 addresses in host byte order: their number, or -1 if there are too many to name. Any thread. */
ssize_t box_outside_addresses(uint32_t ret[BOX_OWN_ADDRESSES_MAX]);

#endif
