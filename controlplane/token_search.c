/* Which token has KubeRay made for a Ray cluster? */
#include "controlplane/token_search.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/metrics.h"
#include "controlplane/limits.h"
#include "controlplane/object_key.h"
#include "ray/token.h"

#define NEVER INT64_MAX

static struct metric reads =
    METRIC_COUNTER("atelier_ray_token_reads_total", "Secrets read for the tokens that KubeRay makes for Ray clusters.");

struct sought {
    char secret[RAY_TOKEN_SECRET_SIZE], uid[64];
    char *token;         /* NULL: missing; owned */
    int64_t generation;  /* grows with each write to what is not status */
    int64_t due_ms;      /* when it is read next, on the monotonic clock, or NEVER */
    int64_t earliest_ms; /* a change brings that no nearer */
    int64_t wait_ms;     /* from the next read that finds nothing to the one after */
    bool listed;
};
struct token_search {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool stopping;
    struct map *clusters; /* "ns/cluster" -> struct sought */
    int64_t next_ms;      /* nothing is read before */
};

/* --- who is looked for -------------------------------------------------------------------------------------------- */

static void free_sought(struct sought *sought)
{
    if (!sought)
        return;
    ray_token_free(sought->token);
    free(sought);
}

static void free_all(struct map *clusters)
{
    size_t at = 0;
    void *value;
    while (map_next(clusters, &at, NULL, &value))
        free_sought(value);
    map_free(clusters);
}

static void renew(struct sought *sought, int64_t generation, int64_t now_ms)
{
    if (!sought->token && sought->generation != generation) {
        int64_t at_ms = now_ms < sought->earliest_ms ? sought->earliest_ms : now_ms;
        sought->due_ms = at_ms < sought->due_ms ? at_ms : sought->due_ms;
        sought->wait_ms = LIMIT_TOKEN_WAIT_MS;
    }
    sought->generation = generation;
    sought->listed = true;
}

/* The caller holds the mutex. */
static void want(struct token_search *search, struct slice key, const char *secret, const cJSON *cluster)
{
    struct sought *sought = map_get(search->clusters, key);
    const char *uid = json_text_or("", cluster, "metadata", "uid", NULL);
    int64_t generation = 0, now_ms = clock_monotonic_ms();
    json_i64(json_at(cluster, "metadata", "generation", NULL), &generation);
    if (!sought || strcmp(sought->uid, uid) != 0 || strcmp(sought->secret, secret) != 0) {
        sought = memory_get(sizeof(*sought));
        *sought = (struct sought){.generation = generation, .due_ms = now_ms, .wait_ms = LIMIT_TOKEN_WAIT_MS};
        snprintf(sought->secret, sizeof(sought->secret), "%s", secret);
        snprintf(sought->uid, sizeof(sought->uid), "%s", uid);
        free_sought(map_put(search->clusters, key, sought));
    }
    renew(sought, generation, now_ms);
    pthread_cond_signal(&search->changed);
}

void token_search_follow(struct token_search *search, const cJSON *cluster)
{
    char key[OBJECT_KEY_SIZE], secret[RAY_TOKEN_SECRET_SIZE];
    bool own;
    struct slice at = object_key(key, json_text_or("", cluster, "metadata", "namespace", NULL),
                                 json_text_or("", cluster, "metadata", "name", NULL));
    ray_token_secret(cluster, secret, &own);
    pthread_mutex_lock(&search->mutex);
    if (own)
        want(search, at, secret, cluster);
    else
        free_sought(map_remove(search->clusters, at));
    pthread_mutex_unlock(&search->mutex);
}

void token_search_forget(struct token_search *search, const char *namespace, const char *name)
{
    char key[OBJECT_KEY_SIZE];
    pthread_mutex_lock(&search->mutex);
    free_sought(map_remove(search->clusters, object_key(key, namespace, name)));
    pthread_mutex_unlock(&search->mutex);
}

void token_search_list(struct token_search *search)
{
    size_t at = 0;
    void *value;
    pthread_mutex_lock(&search->mutex);
    while (map_next(search->clusters, &at, NULL, &value))
        ((struct sought *)value)->listed = false;
    pthread_mutex_unlock(&search->mutex);
}

void token_search_listed(struct token_search *search)
{
    struct map *listed = map_new();
    size_t at = 0;
    struct slice key;
    void *value;
    pthread_mutex_lock(&search->mutex);
    while (map_next(search->clusters, &at, &key, &value)) {
        struct sought *sought = value;
        if (!sought->listed) {
            free_sought(sought);
            continue;
        }
        if (sought->token)
            sought->due_ms = clock_monotonic_ms();
        map_put(listed, key, sought);
    }
    map_free(search->clusters);
    search->clusters = listed;
    pthread_cond_signal(&search->changed);
    pthread_mutex_unlock(&search->mutex);
}

bool token_search_find(struct token_search *search, const char *namespace, const char *name, char *ret, size_t size)
{
    char key[OBJECT_KEY_SIZE];
    pthread_mutex_lock(&search->mutex);
    const struct sought *sought = map_get(search->clusters, object_key(key, namespace, name));
    bool found = sought && sought->token && strlen(sought->token) < size;
    if (found)
        snprintf(ret, size, "%s", sought->token);
    pthread_mutex_unlock(&search->mutex);
    return found;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* An earlier cluster's of this name, on its way out, has another token. */
static bool belongs_to(const cJSON *secret, const char *uid)
{
    const cJSON *owners = json_at(secret, "metadata", "ownerReferences", NULL);
    const cJSON *owner;
    cJSON_ArrayForEach(owner, owners)
    {
        if (strcmp(json_text_or("", owner, "uid", NULL), uid) == 0)
            return true;
    }
    return !owners || !owners->child; /* a person made it, and KubeRay takes it as it is */
}

/* *ret_token, owned by the caller, is NULL if there is none. Negative if that cannot be told. */
static int read_token(struct token_search *search, const char *namespace, const struct sought *sought, char **ret_token)
{
    AUTO_JSON cJSON *secret = NULL;
    int status = engine_get(search->engine, KIND_SECRET, namespace, sought->secret, &secret, NULL);
    metric_add(&reads, 1);
    *ret_token = status == 0 && belongs_to(secret, sought->uid) ? ray_token_read(secret) : NULL;
    return status == -ERROR_NOT_FOUND ? 0 : status;
}

static bool precedes(const struct sought *a, const struct sought *b)
{
    return !a->token != !b->token ? !a->token : a->due_ms < b->due_ms;
}

/* Who is read next; NULL if nobody is due, and *ret_until_ms is then when somebody may be. The caller holds the mutex.
 */
static struct sought *next_due(struct token_search *search, int64_t now_ms, struct slice *ret_key,
                               int64_t *ret_until_ms)
{
    struct sought *next = NULL;
    int64_t soonest_ms = NEVER;
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(search->clusters, &at, &key, &value)) {
        struct sought *sought = value;
        soonest_ms = sought->due_ms < soonest_ms ? sought->due_ms : soonest_ms;
        if (sought->due_ms > now_ms || (next && !precedes(sought, next)))
            continue;
        next = sought;
        *ret_key = key;
    }
    if (next && search->next_ms <= now_ms)
        return next;
    *ret_until_ms = soonest_ms == NEVER || soonest_ms > search->next_ms ? soonest_ms : search->next_ms;
    return NULL;
}

/* What a read has found; <token> is taken over. */
static void settle(struct sought *sought, int status, char *token)
{
    if (status == 0) {
        ray_token_free(sought->token);
        sought->token = token;
    }
    if (token) {
        sought->due_ms = NEVER;
        sought->wait_ms = LIMIT_TOKEN_WAIT_MS;
        return;
    }
    sought->due_ms = clock_monotonic_ms() + sought->wait_ms;
    sought->wait_ms = 2 * sought->wait_ms < LIMIT_TOKEN_WAIT_MAX_MS ? 2 * sought->wait_ms : LIMIT_TOKEN_WAIT_MAX_MS;
}

/* The caller holds the mutex; it is given back meanwhile. */
static void look(struct token_search *search, struct slice key, struct sought *sought, int64_t now_ms)
{
    struct slice name, namespace = slice_split(key, '/', &name);
    AUTO_FREE char *place = memory_format("%.*s", (int)key.n, key.p);
    AUTO_FREE char *in = memory_format("%.*s", (int)namespace.n, namespace.p);
    struct sought asked = *sought;
    char *token = NULL;
    asked.token = NULL;
    search->next_ms = now_ms + LIMIT_TOKEN_READ_EVERY_MS;
    sought->earliest_ms = now_ms + LIMIT_TOKEN_WAIT_MS;
    pthread_mutex_unlock(&search->mutex);
    int status = read_token(search, in, &asked, &token);
    pthread_mutex_lock(&search->mutex);
    sought = map_get(search->clusters, slice_of(place));
    if (sought && strcmp(sought->uid, asked.uid) == 0 && strcmp(sought->secret, asked.secret) == 0)
        settle(sought, status, token);
    else
        ray_token_free(token);
}

static void wait_until(struct token_search *search, int64_t until_ms, int64_t now_ms)
{
    struct timespec until;
    if (until_ms == NEVER) {
        pthread_cond_wait(&search->changed, &search->mutex);
        return;
    }
    clock_after(until_ms - now_ms, &until);
    pthread_cond_timedwait(&search->changed, &search->mutex, &until);
}

static void *run(void *context)
{
    struct token_search *search = context;
    pthread_mutex_lock(&search->mutex);
    while (!search->stopping) {
        int64_t now_ms = clock_monotonic_ms(), until_ms = NEVER;
        struct slice key;
        struct sought *sought = next_due(search, now_ms, &key, &until_ms);
        if (sought)
            look(search, key, sought, now_ms);
        else
            wait_until(search, until_ms, now_ms);
    }
    pthread_mutex_unlock(&search->mutex);
    return NULL;
}

static void release(struct token_search *search)
{
    free_all(search->clusters);
    pthread_cond_destroy(&search->changed);
    pthread_mutex_destroy(&search->mutex);
    free(search);
}

int token_search_new(struct engine *engine, struct token_search **ret, struct error *error)
{
    struct token_search *search = memory_get(sizeof(*search));
    search->engine = engine;
    search->clusters = map_new();
    pthread_mutex_init(&search->mutex, NULL);
    clock_condition(&search->changed);
    if (pthread_create(&search->thread, NULL, run, search) != 0) {
        release(search);
        return error_set(error, ERROR_INTERNAL, NULL, "no more threads can be started");
    }
    *ret = search;
    return 0;
}

void token_search_free(struct token_search *search)
{
    if (!search)
        return;
    pthread_mutex_lock(&search->mutex);
    search->stopping = true;
    pthread_cond_signal(&search->changed);
    pthread_mutex_unlock(&search->mutex);
    pthread_join(search->thread, NULL);
    release(search);
}
