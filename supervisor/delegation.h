/*
 * The control group that an ordinary user was given (cgroups(7), "Delegation"): pods are limited and measured in it.
 *
 * A service manager gives one to whoever asks, as `systemd-run --user --scope --property=Delegate=yes make run` does.
 * It is the group this process is in, and the user may make groups below it, in every hierarchy of the machine.
 */
#ifndef ATELIER_SUPERVISOR_DELEGATION_H
#define ATELIER_SUPERVISOR_DELEGATION_H

#include "base/text.h"

/* Its path below the root of each hierarchy ("/user.slice/…/run-u12.scope"), malloc'ed, or NULL: none was given. In the
 * unified hierarchy the group's own processes, ours among them, move to a group below it, "atelier-main": only a group
 * without processes may limit those below. */
char *delegation_take(void);

/* Pure: the one path of all lines of a /proc/PID/cgroup that is not the root, malloc'ed, or NULL. */
char *delegation_path(struct slice text);

#endif
