/* Steps that several commands share: naming an object, reading and printing one, waiting for one. */
#ifndef ATELIER_CLI_OBJECT_H
#define ATELIER_CLI_OBJECT_H

#include "cli/command.h"
#include "cli/output.h"
#include "cli/resource.h"

/* The kind from "notebooks" or "notebook/nb1" (then *ret_name is "nb1", else NULL). *ret_name points into <word>. */
int object_kind(const char *word, const struct resource **ret, const char **ret_name, struct error *error);
/* The path of one object: in the call's namespace if it has one. malloc'ed. */
int object_path(struct call *call, const struct resource *resource, const char *name, char **ret, struct error *error);
/* Of a RayCluster whose head stands on no node yet also why: its pod is asked. Anything else stays as it is. */
void object_look_closer(struct call *call, const struct resource *resource, cJSON *object);
int object_get(struct call *call, const struct resource *resource, const char *name, cJSON **ret, struct error *error);

#define WAIT_DEFAULT_S 300
/* Reports changes of state on stderr until it can be used. TIMEOUT, or UNAVAILABLE once it has failed. */
int object_wait(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                struct error *error);
/* What --timeout says, else WAIT_DEFAULT_S. */
int64_t object_wait_limit(const struct call *call);
/* The call's --wait and --timeout, applied after something was created. */
int object_wait_if_asked(struct call *call, const struct resource *resource, const char *name, struct error *error);
int object_wait_gone(struct call *call, const struct resource *resource, const char *name, int64_t timeout_s,
                     struct error *error);

/* --dry-run: nothing is sent, or (=server) the service checks and completes the object and stores nothing. Both print
 * what would be there. */
enum dry_run { DRY_RUN_NO, DRY_RUN_CLIENT, DRY_RUN_SERVER };
int object_dry_run(const struct call *call, enum dry_run *ret, struct error *error);
/* <path> so that nothing is stored, unless DRY_RUN_NO; malloc'ed. */
char *object_dry_path(const char *path, enum dry_run dry_run);

/* Sends and reports ("notebook.kubeflow.org/nb1 created"); then waits if --wait was given. */
int create_object(struct call *call, const struct resource *resource, const cJSON *object, struct error *error);
/* Creates what <object> describes, or changes what is there into it, and reports which of both. */
int apply_object(struct call *call, const cJSON *object, struct error *error);
/* <patch>: an object is a merge patch (RFC 7386), an array a JSON Patch (RFC 6902). Waits if --wait was given. */
int patch_object(struct call *call, const struct resource *resource, const char *name, const cJSON *patch,
                 const char *done, struct error *error);
/* spec.suspend of the object named first, for kinds of Ray's. */
int suspend_object(struct call *call, const char *word, bool suspended, struct error *error);
/* Until --until the object named first is not stopped, suspended or deleted for want of use (docs/idle.md). */
int keep_object(struct call *call, const char *word, struct error *error);
/* `get` of those that a field selector names. */
int get_matching(struct call *call, const struct resource *resource, const char *fields, struct error *error);
/* `get WORD` and `delete WORD NAME...` under another command's name. */
int list_objects(struct call *call, const char *word, struct error *error);
int delete_objects(struct call *call, const char *word, struct error *error);
/* UNAVAILABLE, saying what starts it, if the notebook or Ray cluster is stopped. */
int object_check_runs(const struct resource *resource, const cJSON *object, struct error *error);
/* Prints where a browser opens the object named first, and with <browse> opens it there. */
int open_url(struct call *call, const char *kind, bool browse, struct error *error);

#endif
