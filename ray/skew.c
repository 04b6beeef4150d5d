/*
 * Would a cluster's head refuse the Ray Client of a notebook beside it?
 *
 * Ray Client wants the same Ray and the same minor version of Python at both ends (check_version_info, as
 * ray/util/client/__init__.py calls it) and says so only once a person runs ray.init. What an image has is known from
 * the platform's list or from its tag; of what is unknown nothing is said.
 */
#include "ray/internal.h"

#define SKEW_REMARKS_MAX 4 /* events about one object at once; more tell nobody more */

struct pair {
    const cJSON *notebook, *cluster;
    struct ray_image_version of_notebook, of_cluster;
};

static const char *notebook_image(const cJSON *notebook)
{
    const cJSON *containers = json_at(notebook, "spec", "template", "spec", "containers", NULL);
    return json_text(containers ? containers->child : NULL, "image", NULL);
}

/* "3.11" and "3.11.2" are the same. */
static bool same_minor(const char *a, const char *b)
{
    size_t n = strspn(a, "0123456789");
    n += a[n] == '.' ? 1 + strspn(a + n + 1, "0123456789") : 0;
    return strncmp(a, b, n) == 0 && !(b[n] >= '0' && b[n] <= '9');
}

static bool differs(const struct pair *pair)
{
    const struct ray_image_version *a = &pair->of_notebook;
    const struct ray_image_version *b = &pair->of_cluster;
    return (a->ray[0] && b->ray[0] && strcmp(a->ray, b->ray) != 0) ||
           (a->python[0] && b->python[0] && !same_minor(a->python, b->python));
}

/* "Ray 2.60.0 with Python 3.11" */
static void describe(const struct ray_image_version *version, char ret[96])
{
    snprintf(ret, 96, "Ray %s%s%s", version->ray[0] ? version->ray : "of another version",
             version->python[0] ? " with Python " : "", version->python);
}

static bool remark(struct engine *engine, const cJSON *about, const struct pair *pair)
{
    char notebook_has[96];
    char cluster_has[96];
    const char *cluster = json_text_or("", pair->cluster, "metadata", "name", NULL);
    if (!differs(pair))
        return false;
    describe(&pair->of_notebook, notebook_has);
    describe(&pair->of_cluster, cluster_has);
    engine_event(
        engine, about, "Warning", "RayVersionSkew",
        "ray.init(\"ray://%s-head-svc:10001\") from the notebook %s will be refused: the notebook has %s and the "
        "cluster %s; give both the same image, or submit jobs, which run with the cluster's",
        cluster, json_text_or("", pair->notebook, "metadata", "name", NULL), notebook_has, cluster_has);
    return true;
}

static void remark_each(struct engine *engine, const cJSON *object, enum engine_kind others)
{
    AUTO_JSON cJSON *images = NULL;
    AUTO_JSON cJSON *list = NULL;
    const char *namespace = json_text(object, "metadata", "namespace", NULL);
    int said = 0;
    if (!namespace || engine_list(engine, others, namespace, NULL, &list, NULL) < 0)
        return;
    const cJSON *items = json_member(list, "items");
    if (!items || !items->child || engine_images(engine, &images, NULL) < 0)
        return;
    for (const cJSON *item = items->child; item && said < SKEW_REMARKS_MAX; item = item->next) {
        bool is_notebook = others == KIND_NOTEBOOK;
        struct pair pair = {.notebook = is_notebook ? item : object, .cluster = is_notebook ? object : item};
        ray_image_version(images, notebook_image(pair.notebook), &pair.of_notebook);
        ray_image_version(images, ray_head_image(json_member(pair.cluster, "spec")), &pair.of_cluster);
        said += remark(engine, object, &pair);
    }
}

void ray_remark_skew(struct engine *engine, const cJSON *cluster)
{
    remark_each(engine, cluster, KIND_NOTEBOOK);
}

void ray_notebook_remark(struct engine *engine, const cJSON *notebook)
{
    remark_each(engine, notebook, KIND_RAYCLUSTER);
}
