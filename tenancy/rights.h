/*
 * What a pod must say where a kubelet runs it and Pod Security judges it: who its processes are, whose its volumes are,
 * what it may not do. Only what a template leaves out is completed; what it says itself the cluster judges.
 *
 * Source: Pod Security Standards ("baseline", "restricted"); Kubeflow's and Ray's images run as 1000:100.
 */
#ifndef ATELIER_TENANCY_RIGHTS_H
#define ATELIER_TENANCY_RIGHTS_H

#include "engine/engine.h"

/* The namespace enforces Pod Security "restricted". False if it is not there. */
bool rights_restricted(struct engine *engine, const char *namespace);
/* For every pod: volumes that its group can write, the runtime's seccomp profile, no variables made of the names of
 * services, no token of its service account. */
void rights_complete(cJSON *pod_spec);
/* And for one that "restricted" judges: not root, no more rights than it begins with. */
void rights_restrict(cJSON *pod_spec);
/* The same for the securityContext of a single container, within <parent>. */
void rights_restrict_container(cJSON *parent);

#endif
