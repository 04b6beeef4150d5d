/* Does a pod that asks for TPUs say which? */
#include "tenancy/tpu.h"

static bool asks(const cJSON *template)
{
    static const char *const sides[] = {"limits", "requests"};
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(template, "spec", "containers", NULL))
    {
        for (size_t i = 0; i < COUNT_OF(sides); i++) {
            int64_t number = 0;
            const cJSON *asked = json_at(container, "resources", sides[i], TPU_DEVICE, NULL);
            if (asked && (!json_quantity(asked, quantity_parse_bytes, &number) || number > 0))
                return true;
        }
    }
    return false;
}

static bool term_names(const cJSON *term, const char *label)
{
    const cJSON *expression;
    cJSON_ArrayForEach(expression, json_member(term, "matchExpressions"))
    {
        if (strcmp(json_text_or("", expression, "key", NULL), label) == 0)
            return true;
    }
    return false;
}

/* By a node selector, or in every alternative of a required affinity. */
static bool selects(const cJSON *template, const char *label)
{
    const cJSON *spec = json_member(template, "spec"), *term;
    const cJSON *terms = json_at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution",
                                 "nodeSelectorTerms", NULL);
    bool all = terms && terms->child;
    cJSON_ArrayForEach(term, terms)
    {
        all = all && term_names(term, label);
    }
    return all || json_at(spec, "nodeSelector", label, NULL);
}

void tpu_warn(const char *path, const cJSON *template, cJSON *warnings)
{
    if (!asks(template) || selects(template, TPU_COMPUTE_CLASS) ||
        (selects(template, TPU_ACCELERATOR) && selects(template, TPU_TOPOLOGY)))
        return;
    AUTO_FREE char *text =
        memory_format("%s asks for " TPU_DEVICE " and does not select both " TPU_ACCELERATOR " and " TPU_TOPOLOGY
                      " in its nodeSelector: unless something adds them, its pods may wait for a node for ever",
                      path);
    json_push_text(warnings, text);
}
