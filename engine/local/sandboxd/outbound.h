/*
 * Outbound connections of a sandbox's pods. A sandbox whose policy allows any has, while it has pods, a pasta(1) of its
 * own between its namespace and the machine's, and a packet filter in its namespace (firewall.h); its pods have a
 * default route and a name server. Order of things: the filter is there before anything passes, and pasta ends before
 * it goes. pasta outlives the daemon: <state>/sandboxes/<sandbox>/pasta.json names it to the next.
 */
#ifndef ATELIER_SANDBOXD_OUTBOUND_H
#define ATELIER_SANDBOXD_OUTBOUND_H

#include "engine/local/sandboxd/daemon.h"

void box_outbound_open(struct box_daemon *daemon); /* finds pasta and nft */
void box_outbound_close(struct box_daemon *daemon);
const char *box_outbound_missing(const struct box_daemon *daemon); /* what keeps pods in, in words; NULL: nothing */

/* Takes <policy> (as base/outbound.h reads it) for the sandbox and its running pods; in force when this returns. */
int box_outbound_set(struct box_daemon *daemon, const char *sandbox, const char *policy, struct error *error);
/* What is to be done for a sandbox now: ms until there is more, or 0. For the queue, whose key is the sandbox's name.
 */
int64_t box_outbound_step(struct box_daemon *daemon, const char *sandbox);
void box_outbound_look(struct box_daemon *daemon, const char *sandbox); /* queues that */
void box_outbound_look_at_all(struct box_daemon *daemon);
/* Route and name server of a pod that is being made. With pod->lock held. */
int box_outbound_pod(struct box_daemon *daemon, struct box_pod *pod, struct error *error);
/* Ends pasta. With sandbox->lock held. False if it does not end. */
bool box_outbound_end(struct box_daemon *daemon, struct box_sandbox *sandbox);
/* Finds what a predecessor started. At start, single-threaded. */
void box_outbound_adopt(struct box_daemon *daemon, struct box_sandbox *sandbox);

#endif
