/*
 * What the parts of the RayJob controller share. The state is in status.jobDeploymentStatus, as KubeRay's; a pass reads
 * the object, acts, and writes the status; whatever a pass does may have been done by one that was killed, so every
 * step looks before it acts. The job's id is written down before anything is made, and Ray takes a job of one id once.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYJOB_H
#define ATELIER_ENGINE_LOCAL_RAYJOB_H

#include "engine/local/rayhistory.h"

struct rayjob_pass {
    struct local *local;
    const struct object *job;
    const cJSON *spec;
    cJSON *status;          /* as it will be */
    struct object *cluster; /* that status.rayClusterName names; NULL if it is not there */
    int64_t again_ms;       /* when to look again; 0: when something changes */
};

/* --- rayjob.c --- */
/* Ray has been given the job, and it has not ended as far as is known. */
bool rayjob_runs(const struct object *job);
const char *rayjob_text(const struct rayjob_pass *pass, const char *key); /* of the status; "" if absent */
void rayjob_again(struct rayjob_pass *pass, int64_t ms);                  /* looks again then, or sooner */

/* --- rayjob_submit.c: what Ray is asked --- */
enum rayjob_answer { RAYJOB_KNOWN, RAYJOB_ABSENT, RAYJOB_REFUSED, RAYJOB_SILENT };
/* KNOWN: *ret_info is Ray's JobDetails. SILENT: it could not be asked; <error> says why. */
enum rayjob_answer rayjob_ask(struct rayjob_pass *pass, cJSON **ret_info, struct error *error);
/* KNOWN: Ray has it. REFUSED: it never will; <error> says why. */
enum rayjob_answer rayjob_submit(struct rayjob_pass *pass, struct error *error);
void rayjob_stop(struct rayjob_pass *pass); /* asks, once */
/* The end of the driver's log from the cluster. */
int rayjob_log(struct local *local, const struct object *job, struct ray_log *ret, struct error *error);

/* --- rayjob_end.c: what is removed when --- */
/* The job has ended: removes what its spec says is due, and looks again when the next is. */
int rayjob_clean(struct rayjob_pass *pass, struct error *error);

#endif
