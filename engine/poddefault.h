/*
 * PodDefault (kubeflow.org/v1alpha1): what pods of a namespace get when their labels ask for it. Pure functions.
 *
 * The rules are those of Kubeflow's admission webhook (components/admission-webhook): env, envFrom and volumeMounts go
 * to each container the pod has; volumes, tolerations, imagePullSecrets, labels, annotations, initContainers and
 * sidecars are added once; what is there already must be the same or it is a conflict; serviceAccountName and
 * automountServiceAccountToken of the last PodDefault, by name, replace the pod's; command and args of the first one
 * go to containers without. Each that was applied leaves an annotation with its resourceVersion.
 */
#ifndef ATELIER_ENGINE_PODDEFAULT_H
#define ATELIER_ENGINE_PODDEFAULT_H

#include "base/json.h"

#define PODDEFAULT_EXCLUDE "poddefault.admission.kubeflow.org/exclude"     /* pod annotation: "true" leaves it alone */
#define PODDEFAULT_APPLIED "poddefault.admission.kubeflow.org/poddefault-" /* + its name: its resourceVersion */

/* INVALID names the field: what no pod could be given. */
int poddefault_check(const cJSON *poddefault, struct error *error);
/*
 * <poddefaults>: an array of those in the pod's namespace. *ret is the changed pod, the caller's, or NULL if none
 * applies. INVALID: two of them, or one and the pod, say different things. One that poddefault_check refuses is left
 * out, with a sentence in the array <warnings> (may be NULL).
 */
int poddefaults_apply(const cJSON *poddefaults, const cJSON *pod, cJSON *warnings, cJSON **ret, struct error *error);

#endif
