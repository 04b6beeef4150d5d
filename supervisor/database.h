/*
 * The embedded PostgreSQL: made once, checked before every start, recognised when it outlived its supervisor.
 *
 * <data>/postgres belongs to the Debian user `postgres` and is reached through a bind mount at <run>/postgres, because
 * the way to <data> may be closed to that user. It listens on a Unix socket in <run>/db only, a directory that only
 * root, `postgres` and atelierd's group may enter; who connects is known by uid (peer), so there is no password.
 */
#ifndef ATELIER_SUPERVISOR_DATABASE_H
#define ATELIER_SUPERVISOR_DATABASE_H

#include "supervisor/child.h"
#include "supervisor/supervisor.h"

struct database {
    const struct layout *layout;
    const char *client_user; /* the system user that atelierd runs as */
    gid_t client_group;
    uid_t uid; /* of `postgres` */
    gid_t gid;
    char *programs;  /* /usr/lib/postgresql/15/bin */
    char *directory; /* <run>/postgres */
    char *record;    /* <run>/postgres.pid */
    bool fresh;      /* initdb ran in database_prepare */
    const char **arguments;
    struct arena *arena;
};
/* Finds user and programs, mounts, runs initdb where needed (again, if it was interrupted), writes who may connect. A
 * directory that is not ours, or of another PostgreSQL release, is refused. */
int database_prepare(const struct layout *layout, const char *client_user, gid_t client_group, struct database *ret,
                     struct error *error);
void database_free(struct database *database);
/* How to start the server; output goes to <log>. Borrowed from <database>. */
struct program database_program(const struct database *database, int log);
/* The postmaster that runs on this data directory, if there is one. */
bool database_find(const struct layout *layout, struct child *ret);
/* Removes a postmaster.pid (and the socket's lock) that names no server of ours: a dead one's pid may by now be another
 * process of the same user, or a zombie, and PostgreSQL would wait for it for ever. Processes that a dead server left
 * are still found by PostgreSQL itself, through the shared memory segment keyed by the directory's inode. Call under
 * the lock, before a start. */
void database_forget_dead(const struct layout *layout);
/* postmaster.pid says that it accepts connections. */
bool database_is_ready(const struct layout *layout);
/* <data>/postgres.log, the old one renamed once it is large. */
int database_open_log(const struct layout *layout, int *ret, struct error *error);

/* Bind mounts of the run directory. Idempotent. */
int mount_bind(const char *source, const char *target, bool read_only, struct error *error);
int mount_remove(const char *target, struct error *error);

#endif
