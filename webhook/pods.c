/* What does a new pod get? */
#include "engine/poddefault.h"
#include "webhook/internal.h"

cJSON *review_mutate_pod(struct webhook *webhook, struct review *review)
{
    struct error error = {0};
    AUTO_JSON cJSON *list = NULL;
    AUTO_JSON cJSON *changed = NULL;
    bool ours = strcmp(review->operation, "CREATE") == 0 && !review->group[0] && strcmp(review->kind, "Pod") == 0;
    if (!ours || !review->object || !webhook_looks_at(webhook, review->namespace))
        return review_allow(review, NULL);
    if (engine_list(webhook->engine, KIND_PODDEFAULT, review->namespace, NULL, &list, &error) < 0) {
        if (error.code != ERROR_NOT_FOUND) /* the kind is not installed */
            review_warn(review, "PodDefaults cannot be read now; this pod gets none", &error);
        return review_allow(review, NULL);
    }
    if (poddefaults_apply(json_member(list, "items"), review->object, review->warnings, &changed, &error) < 0)
        return review_refuse(review, &error);
    return review_allow(review, changed);
}
