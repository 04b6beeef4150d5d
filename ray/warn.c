/* Which of the pods that a Ray object describes may never find a place? */
#include "ray/internal.h"

#include "tenancy/tpu.h"

static void warn_spec(const char *base, const cJSON *spec, cJSON *warnings)
{
    char path[RAY_PATH_MAX];
    const cJSON *group;
    int at = 0;
    ray_path(path, base, "headGroupSpec.template");
    tpu_warn(path, json_at(spec, "headGroupSpec", "template", NULL), warnings);
    cJSON_ArrayForEach(group, json_member(spec, "workerGroupSpecs"))
    {
        ray_path_at(path, base, "workerGroupSpecs", at++, ".template");
        tpu_warn(path, json_member(group, "template"), warnings);
    }
}

void ray_warn(const cJSON *object, cJSON *warnings)
{
    static const struct {
        const char *kind, *outer, *inner, *path;
    } places[] = {{"RayJob", NULL, "rayClusterSpec", "spec.rayClusterSpec"},
                  {"RayService", NULL, "rayClusterConfig", "spec.rayClusterConfig"},
                  {"RayCronJob", "jobTemplate", "rayClusterSpec", "spec.jobTemplate.rayClusterSpec"}};
    const char *kind = json_text_or("", object, "kind", NULL);
    const cJSON *spec = json_member(object, "spec");
    if (strcmp(kind, "RayCluster") == 0)
        warn_spec("spec", spec, warnings);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (strcmp(kind, places[i].kind) == 0)
            warn_spec(places[i].path,
                      json_member(places[i].outer ? json_member(spec, places[i].outer) : spec, places[i].inner),
                      warnings);
    }
}
