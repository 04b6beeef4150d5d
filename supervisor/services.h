/*
 * The three processes in the order they are stopped in reverse: how each is started, told to stop, and recognised.
 */
#ifndef ATELIER_SUPERVISOR_SERVICES_H
#define ATELIER_SUPERVISOR_SERVICES_H

#include "supervisor/child.h"
#include "supervisor/database.h"
#include "supervisor/relay.h"
#include "supervisor/supervisor.h"

enum service_id { SERVICE_POSTGRES, SERVICE_SANDBOXD, SERVICE_ATELIERD, SERVICE_COUNT };

struct service_info {
    const char *name;   /* also of its record and, but for PostgreSQL, of its program */
    int stop, stop_now; /* signals: in order, and at once */
    int64_t stop_ms;    /* how long the orderly way may take */
};
extern const struct service_info service_infos[SERVICE_COUNT];

/* What all of them share; prepared once a run. */
struct services {
    const struct layout *layout;
    struct database database;
    struct relay relay;
    int postgres_log;
    const char *user; /* that atelierd runs as */
    uid_t uid;
    gid_t gid;
    bool embedded; /* false: DATABASE_URL names a server elsewhere */
    char *records[SERVICE_COUNT];
    struct program programs[SERVICE_COUNT];
    struct arena *arena;
};
int services_prepare(const struct layout *layout, struct services *ret, struct error *error);
void services_free(struct services *services);
bool services_wanted(const struct services *services, enum service_id id);

/* What runs now for that data directory, whoever started it. <ret_fingerprint> (may be NULL) is "" if not recorded. */
bool service_find(const struct layout *layout, enum service_id id, struct child *ret,
                  char ret_fingerprint[CHILD_FINGERPRINT_SIZE]);
/* Runs atelier-sandboxd --down: ends every pod of this data directory and removes its namespaces, cgroups and mounts.
 */
int services_remove_pods(const struct layout *layout, struct error *error);

/* Who supervises now: holds a lock on <data>/lock. EXISTS names the other one. */
int lock_take(const struct layout *layout, int *ret_fd, struct error *error);
/* A supervisor that lives although its data directory, and with it its lock, was removed; <run>/supervisor.pid names
 * it. */
bool lock_find_stray(const struct layout *layout, struct child *ret);
int lock_record(const struct layout *layout, struct error *error); /* writes that record for this process */
/* The process that holds it, if any. */
bool lock_holder(const struct layout *layout, pid_t *ret_pid, uint64_t *ret_start_time);

#endif
