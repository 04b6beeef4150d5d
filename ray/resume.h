/*
 * Suspended clusters that a request to them starts again: by the annotation atelier.dev/resume-on-request of the
 * RayCluster, or else of its profile (tenancy/idle.h). Who may make such a request is the gateway's business.
 *
 * Threads: any. ray_resumes is pure; ray_resume blocks, as all that writes objects does.
 */
#ifndef ATELIER_RAY_RESUME_H
#define ATELIER_RAY_RESUME_H

#include "tenancy/idle.h"

/* May a request start <cluster>, which is suspended and its own master? The cluster of a RayJob or a RayService is
 * theirs to start. <profile>: what its profile says. */
bool ray_resumes(const cJSON *cluster, enum idle_resume profile);
/* Is it wanted, and has not come up yet? */
bool ray_is_starting(const cJSON *cluster);
/* Starts it, unless it runs already or may not be started so any more; *ret_resumed tells whether this call did it.
 * <person>: whose request it was, for the event. NOT_FOUND; CONFLICT where it changes all the time. */
int ray_resume(struct engine *engine, const char *namespace, const char *name, const char *person, bool *ret_resumed,
               struct error *error);

#endif
