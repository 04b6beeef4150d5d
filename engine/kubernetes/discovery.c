/* Which of the kinds that Atelier knows does this cluster have? */
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/kubernetes/internal.h"

#define DISCOVERY_MS 30000     /* until a CRD that was installed meanwhile is noticed */
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

/* The kinds of one group and version. A group that is not there has none. */
static int ask_group(struct kubernetes *kubernetes, const char *version, bool *has, struct error *error)
{
    AUTO_FREE char *target = memory_format("%s%s", strchr(version, '/') ? "/apis/" : "/api/", version);
    AUTO_JSON cJSON *answer = NULL;
    struct error own = {0};
    int r = kube_call(kubernetes->client, &(struct kube_request){.method = "GET", .target = target}, &answer, &own);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return error_set(error, own.code, NULL, "%s", own.message);
    const cJSON *resource;
    cJSON_ArrayForEach(resource, json_member(answer, "resources"))
    {
        const char *name = json_text_or("", resource, "name", NULL);
        for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++)
            if (strcmp(engine_api_version(kind), version) == 0 && strcmp(engine_kinds[kind].plural, name) == 0)
                has[kind] = true;
    }
    return 0;
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
        int r = ask_group(kubernetes, version, has, error);
        if (r < 0)
            return r;
    }
    return 0;
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
    int r;
    do {
        bool has[KIND_COUNT] = {false};
        struct error error = {0};
        r = ask(kubernetes, has, &error);
        keep(kubernetes, r, has, &error);
    } while (pause_ms(kubernetes, r == 0 ? DISCOVERY_MS : DISCOVERY_AGAIN_MS));
    return NULL;
}
