/*
 * A streamed answer that a thread of its own reads: the client's thread only copies bytes into it.
 *
 * One reader. The bytes wait in memory until they are read: a page of a list, or what a watch has sent meanwhile.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_FEED_H
#define ATELIER_ENGINE_KUBERNETES_FEED_H

#include "engine/kubernetes/client.h"

struct feed;
int feed_open(struct kube_client *client, const struct kube_request *request, struct feed **ret, struct error *error);
/* Waits for bytes and moves them to <ret> (appended). 1: there are some; 0: the answer is complete and was 2xx;
 * negative: it failed, or it was another answer, whose Status is then in <error>. */
int feed_read(struct feed *feed, struct buffer *ret, struct error *error);
void feed_interrupt(struct feed *feed); /* any thread: feed_read fails with UNAVAILABLE from now on */
void feed_close(struct feed *feed);     /* cancels what is not over; waits for its end. NULL is fine */

#endif
