/*
 * An engine in front of another one that counts writes, and can be cut off after one of them: the write is done, its
 * answer is lost, and nothing more gets through, as for a process that is killed just then.
 */
#ifndef ATELIER_TESTS_CUTTING_ENGINE_H
#define ATELIER_TESTS_CUTTING_ENGINE_H

#include <stdatomic.h>

#include "engine/engine_internal.h"

struct cutting_engine {
    struct engine base;
    struct engine *real;
    atomic_int writes;    /* that changed something, or may have */
    atomic_int cut_after; /* so many writes; 0: never */
};

static struct engine *behind(struct engine *front)
{
    return ((struct cutting_engine *)(void *)front)->real;
}

static bool is_cut(struct engine *front)
{
    struct cutting_engine *cutting = (struct cutting_engine *)(void *)front;
    return cutting->cut_after > 0 && cutting->writes >= cutting->cut_after;
}

static int refuse_cut(struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, NULL, "cut off");
}

/* After a write: its result, or none if it was the last one. */
static int counted(struct engine *front, int r, struct error *error)
{
    atomic_fetch_add(&((struct cutting_engine *)(void *)front)->writes, 1);
    return is_cut(front) ? refuse_cut(error) : r;
}

static int cutting_create(struct engine *front, enum engine_kind kind, const char *namespace, const cJSON *object,
                          cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *made = NULL;
    if (is_cut(front))
        return refuse_cut(error);
    int r = counted(front, engine_create(behind(front), kind, namespace, object, &made, error), error);
    if (r == 0 && ret)
        *ret = TAKE_POINTER(made);
    return r;
}

static int cutting_get(struct engine *front, enum engine_kind kind, const char *namespace, const char *name,
                       cJSON **ret, struct error *error)
{
    return is_cut(front) ? refuse_cut(error) : engine_get(behind(front), kind, namespace, name, ret, error);
}

static int cutting_list(struct engine *front, enum engine_kind kind, const char *namespace,
                        const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    return is_cut(front) ? refuse_cut(error) : engine_list(behind(front), kind, namespace, options, ret, error);
}

static int cutting_update(struct engine *front, enum engine_kind kind, const char *namespace, const char *name,
                          enum engine_part part, const cJSON *object, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *made = NULL;
    if (is_cut(front))
        return refuse_cut(error);
    int r = counted(front, engine_update(behind(front), kind, namespace, name, part, object, &made, error), error);
    if (r == 0 && ret)
        *ret = TAKE_POINTER(made);
    return r;
}

static int cutting_patch(struct engine *front, enum engine_kind kind, const char *namespace, const char *name,
                         enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret,
                         struct error *error)
{
    AUTO_JSON cJSON *made = NULL;
    if (is_cut(front))
        return refuse_cut(error);
    int r = counted(front, engine_patch(behind(front), kind, namespace, name, part, type, patch, &made, error), error);
    if (r == 0 && ret)
        *ret = TAKE_POINTER(made);
    return r;
}

static int cutting_apply(struct engine *front, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                         bool *ret_written, struct error *error)
{
    bool written = false;
    if (is_cut(front))
        return refuse_cut(error);
    int r = engine_apply(behind(front), kind, namespace, wanted, &written, error);
    if (written || (r < 0 && r != -ERROR_EXISTS))
        r = counted(front, r, error);
    if (r == 0 && ret_written)
        *ret_written = written;
    return r;
}

static int cutting_remove(struct engine *front, enum engine_kind kind, const char *namespace, const char *name,
                          cJSON **ret, struct error *error)
{
    if (is_cut(front))
        return refuse_cut(error);
    return counted(front, engine_delete(behind(front), kind, namespace, name, ret, error), error);
}

static int cutting_watch(struct engine *front, enum engine_kind kind, const char *namespace,
                         const struct engine_list_options *options, const char *resource_version,
                         engine_watcher watcher, void *context, struct engine_watch **ret, struct error *error)
{
    return engine_watch(behind(front), kind, namespace, options, resource_version, watcher, context, ret, error);
}

static void cutting_event(struct engine *front, const cJSON *object, const char *type, const char *reason,
                          const char *message)
{
    engine_event(behind(front), object, type, reason, "%s", message);
}

static int cutting_check_pod_template(struct engine *front, const cJSON *template, const char *path,
                                      struct error *error)
{
    return engine_check_pod_template(behind(front), template, path, error);
}

static int cutting_images(struct engine *front, cJSON **ret, struct error *error)
{
    return engine_images(behind(front), ret, error);
}

static int cutting_api_addresses(struct engine *front, cJSON **ret, struct error *error)
{
    return is_cut(front) ? refuse_cut(error) : engine_api_addresses(behind(front), ret, error);
}

static bool cutting_has(struct engine *front, enum engine_kind kind)
{
    return engine_has(behind(front), kind);
}

static const struct engine_traits *cutting_traits(struct engine *front)
{
    return engine_traits(behind(front));
}

static const struct engine_operations cutting_operations = {.create = cutting_create,
                                                            .get = cutting_get,
                                                            .list = cutting_list,
                                                            .update = cutting_update,
                                                            .patch = cutting_patch,
                                                            .apply = cutting_apply,
                                                            .remove = cutting_remove,
                                                            .watch = cutting_watch,
                                                            .event = cutting_event,
                                                            .check_pod_template = cutting_check_pod_template,
                                                            .images = cutting_images,
                                                            .api_addresses = cutting_api_addresses,
                                                            .has = cutting_has,
                                                            .traits = cutting_traits};

#endif
