/* An engine for admission tests: one image, no objects except those a test puts there, templates always fine. */
#ifndef ATELIER_TESTS_FAKE_ENGINE_H
#define ATELIER_TESTS_FAKE_ENGINE_H

#include "engine/engine_internal.h"

struct fake_engine {
    struct engine base;
    const char *service; /* the one Service that exists, or NULL */
    const char *service_label, *service_label_value;
    const char *last_event_reason;
    char last_event[512]; /* its message */
    int events;
    const char *reference;       /* of the image ray-2.60, or NULL */
    bool restricted;             /* the namespace enforces Pod Security "restricted" */
    const char *notebooks;       /* items of the namespace, or NULL */
    const char *clusters;        /* RayClusters, likewise */
    const char *cluster;         /* the RayCluster of any name, or NULL */
    const char *quota;           /* {"cpu": "4", ...}: the profile's, or NULL */
    struct engine_traits traits; /* name NULL: those of an engine that runs Ray by itself */
};

static int fake_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                    struct error *error)
{
    const struct fake_engine *fake = (const struct fake_engine *)engine;
    (void)namespace;
    if (kind == KIND_NAMESPACE) {
        *ret = json_object();
        json_set_text(json_object_in(json_object_in(*ret, "metadata"), "labels"), "pod-security.kubernetes.io/enforce",
                      fake->restricted ? "restricted" : "baseline");
        return 0;
    }
    if (kind == KIND_RAYCLUSTER && fake->cluster)
        return json_parse(slice_of(fake->cluster), &json_limits_default, ret, error);
    if (kind != KIND_SERVICE || !fake->service || strcmp(fake->service, name) != 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "not found");
    *ret = json_object();
    json_set_text(json_object_in(*ret, "metadata"), "name", name);
    if (fake->service_label)
        json_set_text(json_object_in(json_object_in(*ret, "metadata"), "labels"), fake->service_label,
                      fake->service_label_value);
    return 0;
}

static int fake_check_pod_template(struct engine *engine, const cJSON *template, const char *path, struct error *error)
{
    (void)engine;
    if (json_true(template, "spec", "hostNetwork", NULL)) {
        AUTO_FREE char *field = memory_format("%s.spec.hostNetwork", path);
        return error_set(error, ERROR_INVALID, field, "%s is not allowed", field);
    }
    return 0;
}

static int fake_images(struct engine *engine, cJSON **ret, struct error *error)
{
    const struct fake_engine *fake = (const struct fake_engine *)engine;
    int r = json_parse(SLICE("[{\"name\":\"ray-2.9\",\"aliases\":[],\"rayVersion\":\"2.9.0\",\"ready\":true},"
                             "{\"name\":\"ray-2.60\",\"aliases\":[\"rayproject/ray:2.60.0\"],\"rayVersion\":\"2.60.0\","
                             "\"pythonVersion\":\"3.11.2\",\"ready\":true}]"),
                       &json_limits_default, ret, error);
    if (r == 0)
        json_set_text((*ret)->child->next, "reference", fake->reference);
    return r;
}

static void fake_event(struct engine *engine, const cJSON *object, const char *type, const char *reason,
                       const char *message)
{
    struct fake_engine *fake = (struct fake_engine *)engine;
    (void)object;
    (void)type;
    fake->last_event_reason = reason;
    snprintf(fake->last_event, sizeof(fake->last_event), "%s", message);
    fake->events++;
}

static bool fake_has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    (void)kind;
    return true;
}

static const struct engine_traits *fake_traits(struct engine *engine)
{
    static const struct engine_traits traits = {.name = "fake", .reconcilers = 1};
    const struct fake_engine *fake = (const struct fake_engine *)engine;
    return fake->traits.name ? &fake->traits : &traits;
}

static int fake_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                     const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    const struct fake_engine *fake = (const struct fake_engine *)engine;
    (void)namespace;
    (void)options;
    const char *items = kind == KIND_NOTEBOOK ? fake->notebooks : kind == KIND_RAYCLUSTER ? fake->clusters : NULL;
    AUTO_FREE char *quota = memory_format("{\"spec\":{\"hard\":%s}}", fake->quota ? fake->quota : "{}");
    if (kind == KIND_RESOURCEQUOTA)
        items = quota;
    AUTO_FREE char *text = memory_format("{\"items\":[%s]}", items ? items : "");
    return json_parse(slice_of(text), &json_limits_default, ret, error);
}

static const struct engine_operations fake_operations = {.has = fake_has,
                                                         .traits = fake_traits,
                                                         .get = fake_get,
                                                         .list = fake_list,
                                                         .check_pod_template = fake_check_pod_template,
                                                         .images = fake_images,
                                                         .event = fake_event};

#endif
