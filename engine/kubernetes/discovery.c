/* Which of the kinds that Atelier knows does this cluster have, and does its KubeRay know what matters of them? */
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/skim.h"

#define DISCOVERY_MS 30000     /* until a CRD that was installed meanwhile is noticed */
#define SCHEMA_AGAIN_MS 3000   /* while KubeRay's kinds are there and what they are made of is not yet published */
#define DISCOVERY_AGAIN_MS 500 /* while the API server does not answer */
#define GROUPS_MAX 16          /* group-versions in the kind table */

bool discovery_has(void *context, enum engine_kind kind)
{
    struct kubernetes *kubernetes = context;
    pthread_mutex_lock(&kubernetes->lock);
    bool has = kubernetes->has[kind];
    pthread_mutex_unlock(&kubernetes->lock);
    return has;
}

/* What there is of one group and version; *ret is NULL if it is not there. */
static int ask_group(struct kubernetes *kubernetes, const char *version, cJSON **ret, struct error *error)
{
    AUTO_FREE char *target = memory_format("%s%s", strchr(version, '/') ? "/apis/" : "/api/", version);
    struct error own = {0};
    *ret = NULL;
    int r = kube_call(kubernetes->client, &(struct kube_request){.method = "GET", .target = target}, ret, &own);
    return r < 0 && r != -ERROR_NOT_FOUND ? error_set(error, own.code, NULL, "%s", own.message) : 0;
}

static bool lists(const cJSON *group, const char *plural)
{
    const cJSON *resource;
    cJSON_ArrayForEach(resource, json_member(group, "resources"))
    {
        if (strcmp(json_text_or("", resource, "name", NULL), plural) == 0)
            return true;
    }
    return false;
}

static int ask(struct kubernetes *kubernetes, bool has[KIND_COUNT], struct error *error)
{
    const char *seen[GROUPS_MAX];
    size_t count = 0;
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
        const char *version = engine_api_version(kind);
        bool asked = false;
        for (size_t i = 0; i < count; i++)
            asked = asked || strcmp(seen[i], version) == 0;
        if (asked || count == GROUPS_MAX)
            continue;
        seen[count++] = version;
        AUTO_JSON cJSON *group = NULL;
        int r = ask_group(kubernetes, version, &group, error);
        if (r < 0)
            return r;
        for (enum engine_kind other = kind; other < KIND_COUNT; other++)
            has[other] = has[other] ||
                         (strcmp(engine_api_version(other), version) == 0 && lists(group, engine_kinds[other].plural));
    }
    return 0;
}

/* --- KubeRay ------------------------------------------------------------------------------------------------------ */

/* The value at the end of these members, each within the last. */
static bool descend(struct slice text, const char *const *keys, struct slice *ret)
{
    for (; *keys; keys++) {
        if (!skim_member(text, *keys, &text))
            return false;
    }
    *ret = text;
    return true;
}

/* Is spec.<option>.<field> kept when it is written? */
static bool keeps(struct slice spec_fields, const char *option, const char *field)
{
    const char *const named[] = {"properties", field, NULL};
    struct slice schema;
    struct slice ignored;
    return skim_member(spec_fields, option, &schema) &&
           (descend(schema, named, &ignored) || skim_member(schema, "x-kubernetes-preserve-unknown-fields", &ignored));
}

/* authOptions came with 1.5.1, their secretName with 1.6, the autoscaler's command with 1.7. */
static unsigned kuberay_of(struct slice spec_fields)
{
    enum engine_ray_auth auth = keeps(spec_fields, "authOptions", "secretName") ? ENGINE_RAY_AUTH_NAMED
                                : keeps(spec_fields, "authOptions", "mode")     ? ENGINE_RAY_AUTH_OWN
                                                                                : ENGINE_RAY_AUTH_NONE;
    return auth * KUBERAY_FLAGS + (keeps(spec_fields, "autoscalerOptions", "command") ? KUBERAY_COMMAND : 0);
}

static void set_kuberay(struct kubernetes *kubernetes, unsigned kuberay)
{
    enum engine_ray_auth auth = kuberay / KUBERAY_FLAGS;
    static const char *const told[] = {
        [ENGINE_RAY_AUTH_NAMED] = "KubeRay is 1.6 or later: its authOptions name a Secret",
        [ENGINE_RAY_AUTH_OWN] = "KubeRay is older than 1.6: RayJobs on clusters that exist are refused",
        [ENGINE_RAY_AUTH_NONE] = "KubeRay is older than 1.5.1: RayJobs and RayServices are refused"};
    if (auth != atomic_exchange(&kubernetes->kuberay, kuberay) / KUBERAY_FLAGS)
        log_line(auth == ENGINE_RAY_AUTH_NAMED ? LOG_INFO : LOG_WARN, told[auth]);
}

/* What KubeRay needs to replace a RayService's cluster step by step. */
static void ask_gateway(struct kubernetes *kubernetes)
{
    AUTO_JSON cJSON *group = NULL;
    unsigned known = atomic_load(&kubernetes->kuberay);
    if (ask_group(kubernetes, "gateway.networking.k8s.io/v1", &group, NULL) < 0)
        return;
    bool there = lists(group, "gateways") && lists(group, "httproutes");
    set_kuberay(kubernetes, there ? known | KUBERAY_GATEWAY : known & ~(unsigned)KUBERAY_GATEWAY);
}

/*
 * What a KubeRay's definitions have not, the API server drops without a word. What the schema has tells (OpenAPI v3,
 * which anybody may read); the index names another address for it whenever it changes. Where either is not there yet,
 * as just after a CRD has come, nothing changes and the next round asks again.
 */
static void ask_kuberay(struct kubernetes *kubernetes)
{
    static const char *const address[] = {"paths", "apis/ray.io/v1", "serverRelativeURL", NULL};
    static const char *const fields[] = {"components", "schemas", "io.ray.v1.RayCluster", "properties", "spec",
                                         "properties", NULL};
    AUTO_BUFFER struct buffer index = {0};
    AUTO_BUFFER struct buffer schema = {0};
    struct slice found;
    if (kube_call_text(kubernetes->client, &(struct kube_request){.method = "GET", .target = "/openapi/v3"}, &index,
                       NULL) < 0 ||
        !descend(buffer_slice(&index), address, &found))
        return;
    found = skim_text(found);
    AUTO_FREE char *target = memory_text_n(found.p, found.n);
    if (kubernetes->ray_schema && strcmp(kubernetes->ray_schema, target) == 0)
        return;
    if (kube_call_text(kubernetes->client, &(struct kube_request){.method = "GET", .target = target}, &schema, NULL) <
            0 ||
        !descend(buffer_slice(&schema), fields, &found))
        return;
    free(kubernetes->ray_schema);
    kubernetes->ray_schema = TAKE_POINTER(target);
    set_kuberay(kubernetes, kuberay_of(found) | (atomic_load(&kubernetes->kuberay) & KUBERAY_GATEWAY));
}

static void keep(struct kubernetes *kubernetes, int result, const bool has[KIND_COUNT], const struct error *error)
{
    pthread_mutex_lock(&kubernetes->lock);
    if (result == 0) {
        for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
            if (kubernetes->discovered && has[kind] != kubernetes->has[kind])
                log_line(LOG_INFO, has[kind] ? "a kind has come" : "a kind has gone",
                         LOG_TEXT("kind", engine_kinds[kind].kind));
            kubernetes->has[kind] = has[kind];
        }
        kubernetes->discovered = true;
        kubernetes->answered_ms = clock_monotonic_ms();
    } else {
        kubernetes->unreachable = *error;
    }
    pthread_cond_broadcast(&kubernetes->changed);
    pthread_mutex_unlock(&kubernetes->lock);
}

static bool pause_ms(struct kubernetes *kubernetes, int64_t delay_ms)
{
    struct timespec until;
    clock_after(delay_ms, &until);
    pthread_mutex_lock(&kubernetes->lock);
    int r = 0;
    while (!kubernetes->stop && r == 0)
        r = pthread_cond_timedwait(&kubernetes->changed, &kubernetes->lock, &until);
    bool stop = kubernetes->stop;
    pthread_mutex_unlock(&kubernetes->lock);
    return !stop;
}

void *discovery_run(void *context)
{
    struct kubernetes *kubernetes = context;
    int64_t delay_ms;
    do {
        bool has[KIND_COUNT] = {false};
        struct error error = {0};
        int r = ask(kubernetes, has, &error);
        bool ray = r == 0 && has[KIND_RAYCLUSTER];
        if (ray)
            ask_kuberay(kubernetes);
        if (r == 0 && has[KIND_RAYSERVICE])
            ask_gateway(kubernetes);
        delay_ms = r < 0 ? DISCOVERY_AGAIN_MS : ray && !kubernetes->ray_schema ? SCHEMA_AGAIN_MS : DISCOVERY_MS;
        keep(kubernetes, r, has, &error);
    } while (pause_ms(kubernetes, delay_ms));
    return NULL;
}
