/*
 * Which handler answers, and who may call it: one table of every method and path, nothing besides it.
 *
 * A row without a decision cannot be written: `who` is checked before the handler runs, except for WHO_OBJECT, where
 * the handler decides by the verb and the object (controlplane/objects.h). The test matrix is generated from this
 * table.
 */
#ifndef ATELIER_CONTROLPLANE_ROUTER_H
#define ATELIER_CONTROLPLANE_ROUTER_H

#include "controlplane/call.h"

enum who {
    WHO_ANYONE,       /* also without signing in */
    WHO_SIGNED_IN,    /* any account, the admin socket too */
    WHO_ACCOUNT,      /* an account: not the admin socket */
    WHO_ADMIN,        /* platform admins */
    WHO_PARTS,        /* by policy on the profile {p}; who sees a part of it gets a part, cut out by the handler */
    WHO_MEMBERS_READ, /* by policy on the profile {p} */
    WHO_MEMBERS_WRITE,
    WHO_TRANSFER,
    WHO_JOBS_READ, /* by policy on RayJob {name} of the profile {p}; without a name, on those that may be seen */
    WHO_OBJECT     /* decided in the handler by verb and object */
};
struct route_entry {
    const char *method, *pattern; /* "{x}" stands for one path segment */
    call_handler handler;
    enum who who;
    const char *action; /* for the audit log; NULL: only what the handler names */
};
extern const struct route_entry route_entries[];
extern const size_t route_entry_count;

/*
 * The row for <method> and <path> (HEAD counts as GET); parameters go to <call>. NULL with *ret_known telling whether
 * the path exists with another method.
 */
const struct route_entry *router_match(struct arena *arena, struct slice method, struct slice path, struct call *call,
                                       bool *ret_known);
/* The gateway's handler; <context> is the server. */
void router_handle(void *context, const struct request *request, struct response *response);

#endif
