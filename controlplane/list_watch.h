/*
 * Lists of people and of what they did, which somebody may look on at: with ?watch=1 the answer is a stream of JSON
 * lines, each the whole list as it then is, {"items":[…]}. The first comes at once, the next when the list is another.
 * It ends after ?timeoutSeconds (at most an hour), or when the caller may no longer read the list.
 *
 * Threads: one thread of this file reads lists again, which waits for PostgreSQL; changes only wake it.
 */
#ifndef ATELIER_CONTROLPLANE_LIST_WATCH_H
#define ATELIER_CONTROLPLANE_LIST_WATCH_H

#include "controlplane/call.h"

struct list_watches;
/* What is read: the list as <identity> may see it, of <namespace> (or ""), its first <limit> entries where the list
 * has pages. Any thread; blocks on PostgreSQL. */
typedef int (*list_reader)(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                           cJSON **ret_items, struct error *error);
struct people_list {
    list_reader read;
    bool of_audit; /* it changes as the audit log does; else as the policy does */
    /* Who may go on reading it; the router has decided on the first reading. */
    enum { LIST_OWN, LIST_OF_PROFILE, LIST_OF_ADMINS } whose;
    enum verb verb; /* LIST_OF_PROFILE: what one must be allowed on the whole profile */
};
int list_answer(struct call *call, const struct people_list *list, int64_t limit, struct error *error);

int list_watches_new(struct server *server, struct list_watches **ret, struct error *error);
void list_watches_stop(struct list_watches *watches); /* ends every one; later ones are refused; NULL is fine */
void list_watches_free(struct list_watches *watches); /* after _stop, once nobody reports changes; NULL is fine */
/* The policy has changed: lists of people are looked at again. Any thread; does not block. */
void list_watches_review(struct list_watches *watches);

#endif
