/*
 * How an ordinary user's supervisor is root of a user namespace of its own (user_namespaces(7)), and nothing outside.
 *
 * The namespace maps uid 0 to the user and uids from 1 on to the ranges that /etc/subuid and /etc/subgid grant, which
 * newuidmap(1) and newgidmap(1) put in place. Its mount namespace has a /run of its own. Both outlive the supervisor: a
 * process that does nothing holds them until `atelier local down`, and the next supervisor enters them again.
 *
 * For root all of this is nothing to do. Threads: none may run when a namespace is entered.
 */
#ifndef ATELIER_SUPERVISOR_ROOTLESS_H
#define ATELIER_SUPERVISOR_ROOTLESS_H

#include "supervisor/supervisor.h"

/* Enters the namespaces of this data directory, which are made if there are none; geteuid() is 0 then.
 * INVALID says what an administrator has to grant. */
int rootless_enter(const struct layout *layout, struct error *error);
/* In the namespaces' own /run: the control group (delegation.h) that the user had when they were made. Absent: none. */
#define ROOTLESS_GROUP_FILE "/run/atelier-cgroup"
/* Enters only what is there; false: nothing is, and nothing changed. */
bool rootless_enter_existing(const struct layout *layout);
/* Ends the holder: the namespaces go with the last process in them. */
void rootless_end(const struct layout *layout);

/* --- pure, for its test --- */
struct rootless_range {
    int64_t first, count;
};
#define ROOTLESS_RANGES_MAX 16
/* The ranges of <user> or <uid> in the text of a subuid(5) file, at most ROOTLESS_RANGES_MAX. Returns how many. */
size_t rootless_ranges(struct slice text, const char *user, int64_t uid,
                       struct rootless_range ret[ROOTLESS_RANGES_MAX]);

#endif
