/*
 * What two things that were made alike must share, whatever interrupted the making of one of them: their objects as
 * text, without what differs from one object to another (uid, times) and without their own names.
 */
#ifndef ATELIER_TESTS_LIKENESS_H
#define ATELIER_TESTS_LIKENESS_H

#include "engine/kubernetes/kubernetes.h"
#include "tests/integration/tenants.h"

struct alike {
    enum engine_kind kind;
    const char *name; /* "%s" in it stands for the thing's name; NULL: just that */
};

/* The engine of the cluster that run.sh has started. */
static inline struct engine *cluster_engine(const char *identity)
{
    struct engine *made = NULL;
    const struct kubernetes_options cluster = {.kubeconfig = getenv("ATELIER_TEST_KUBECONFIG"),
                                               .context = "",
                                               .namespace = "default",
                                               .tenant_namespace = "atelier-tenants",
                                               .identity = identity,
                                               .images = ""};
    OK(kubernetes_engine_new(&cluster, PATIENCE_MS, &made, &error));
    return made;
}

static inline void likeness_forget(cJSON *value)
{
    static const char *const volatiles[] = {"uid",
                                            "resourceVersion",
                                            "creationTimestamp",
                                            "managedFields",
                                            "generation",
                                            "auth_token",
                                            "lastTransitionTime",
                                            "used",
                                            "observedGeneration",
                                            "token",
                                            "clusterIP",
                                            "clusterIPs",
                                            "currentRevision",
                                            "updateRevision",
                                            "atelier.dev/applied",
                                            "atelier.dev/adopted-by",
                                            "atelier.dev/asked",
                                            "atelier.dev/nudged",
                                            "atelier.dev/secret-uid",
                                            "atelier.dev/template-hash"};
    for (size_t i = 0; i < COUNT_OF(volatiles); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(value, volatiles[i]);
    for (cJSON *item = value->child; item; item = item->next)
        likeness_forget(item);
}

static inline void likeness_blot(struct buffer *text, size_t from, const char *name)
{
    for (char *at = text->p + from; (at = strstr(at, name)); at++)
        memset(at, '*', strlen(name));
}

/* malloc'ed */
static inline char *likeness_name(const struct alike *kind, const char *thing)
{
    const char *slot = kind->name ? strstr(kind->name, "%s") : NULL;
    if (slot)
        return memory_format("%.*s%s%s", (int)(slot - kind->name), kind->name, thing, slot + 2);
    return memory_text(kind->name ? kind->name : thing);
}

/* Each of <kinds> that the cluster has must be there; malloc'ed. <namespace> is where those are that have one. */
static inline char *likeness(const struct alike *kinds, size_t count, const char *namespace, const char *thing)
{
    AUTO_BUFFER struct buffer all = {0};
    for (size_t i = 0; i < count; i++) {
        const struct engine_kind_info *kind = &engine_kinds[kinds[i].kind];
        AUTO_FREE char *name = likeness_name(&kinds[i], thing);
        if (!engine_has(engine, kinds[i].kind))
            continue;
        AUTO_JSON cJSON *object = get(kinds[i].kind, kind->namespaced ? namespace : NULL, name);
        if (!object)
            fail_msg("%s has no %s %s", thing, kind->kind, name);
        likeness_forget(object);
        AUTO_FREE char *text = json_print(object);
        buffer_add_text(&all, text);
        buffer_add_text(&all, "\n");
    }
    likeness_blot(&all, 0, thing);
    return memory_text(all.p);
}

#endif
