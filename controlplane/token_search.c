/* Which token has KubeRay made for a Ray cluster? */
#include "controlplane/token_search.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "ray/token.h"

#define SEEK_MS 1000      /* until what is missing is looked for again; each time twice as long, */
#define SEEK_MAX_MS 60000 /* at most so long */
#define KEY_SIZE 384

struct sought {
    char secret[RAY_TOKEN_SECRET_SIZE], uid[64];
    char *token; /* NULL: missing; owned */
};
struct token_search {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool stopping;
    struct map *clusters; /* "ns/cluster" -> struct sought */
    bool seeking;         /* what is missing is to be read now */
    int64_t seek_ms;      /* until what was not there is looked for again; 0: nothing was missing */
};
struct place { /* what is read while the mutex is not held */
    struct place *next;
    char namespace[64], cluster[64], secret[RAY_TOKEN_SECRET_SIZE], uid[64];
};

/* --- who is looked for -------------------------------------------------------------------------------------------- */

static struct slice make_key(char key[KEY_SIZE], const char *namespace, const char *name)
{
    int length = snprintf(key, KEY_SIZE, "%s/%s", namespace, name);
    return (struct slice){key, length > 0 && length < KEY_SIZE ? (size_t)length : 0};
}

static void free_token(char *token)
{
    if (token)
        memory_wipe(token, strlen(token));
    free(token);
}

static void free_sought(struct sought *sought)
{
    if (!sought)
        return;
    free_token(sought->token);
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

/* The caller holds the mutex. */
static void want(struct token_search *search, struct slice key, const char *secret, const char *uid)
{
    struct sought *sought = map_get(search->clusters, key);
    if (!sought || strcmp(sought->uid, uid) != 0 || strcmp(sought->secret, secret) != 0) {
        sought = memory_get(sizeof(*sought));
        snprintf(sought->secret, sizeof(sought->secret), "%s", secret);
        snprintf(sought->uid, sizeof(sought->uid), "%s", uid);
        free_sought(map_put(search->clusters, key, sought));
    }
    if (sought->token)
        return;
    search->seeking = true;
    search->seek_ms = 0;
    pthread_cond_signal(&search->changed);
}

void token_search_follow(struct token_search *search, const cJSON *cluster)
{
    char key[KEY_SIZE], secret[RAY_TOKEN_SECRET_SIZE];
    bool own;
    struct slice at = make_key(key, json_text_or("", cluster, "metadata", "namespace", NULL),
                               json_text_or("", cluster, "metadata", "name", NULL));
    ray_token_secret(cluster, secret, &own);
    pthread_mutex_lock(&search->mutex);
    if (own)
        want(search, at, secret, json_text_or("", cluster, "metadata", "uid", NULL));
    else
        free_sought(map_remove(search->clusters, at));
    pthread_mutex_unlock(&search->mutex);
}

void token_search_forget(struct token_search *search, const char *namespace, const char *name)
{
    char key[KEY_SIZE];
    pthread_mutex_lock(&search->mutex);
    free_sought(map_remove(search->clusters, make_key(key, namespace, name)));
    pthread_mutex_unlock(&search->mutex);
}

void token_search_clear(struct token_search *search)
{
    pthread_mutex_lock(&search->mutex);
    free_all(search->clusters);
    search->clusters = map_new();
    pthread_mutex_unlock(&search->mutex);
}

bool token_search_find(struct token_search *search, const char *namespace, const char *name, char *ret, size_t size)
{
    char key[KEY_SIZE];
    pthread_mutex_lock(&search->mutex);
    const struct sought *sought = map_get(search->clusters, make_key(key, namespace, name));
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

/* The token, owned by the caller; NULL if it is not there. */
static char *read_token(struct token_search *search, const struct place *place)
{
    AUTO_JSON cJSON *secret = NULL;
    AUTO_BUFFER struct buffer token = {0};
    if (engine_get(search->engine, KIND_SECRET, place->namespace, place->secret, &secret, NULL) < 0 ||
        !belongs_to(secret, place->uid))
        return NULL;
    const char *encoded = json_text(secret, "data", "auth_token", NULL);
    if (!encoded || !text_unbase64(slice_of(encoded), &token) || token.n == 0)
        return NULL;
    return buffer_take(&token);
}

static struct place *list_missing(struct token_search *search)
{
    struct place *list = NULL;
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(search->clusters, &at, &key, &value)) {
        const struct sought *sought = value;
        struct slice name, namespace = slice_split(key, '/', &name);
        if (sought->token)
            continue;
        struct place *place = memory_get(sizeof(*place));
        place->next = list;
        snprintf(place->namespace, sizeof(place->namespace), "%.*s", (int)namespace.n, namespace.p);
        snprintf(place->cluster, sizeof(place->cluster), "%.*s", (int)name.n, name.p);
        memcpy(place->secret, sought->secret, sizeof(place->secret));
        memcpy(place->uid, sought->uid, sizeof(place->uid));
        list = place;
    }
    return list;
}

/* The caller holds the mutex; it is given back meanwhile. False if it is still missing. */
static bool look(struct token_search *search, const struct place *place)
{
    char key[KEY_SIZE];
    pthread_mutex_unlock(&search->mutex);
    char *token = read_token(search, place);
    pthread_mutex_lock(&search->mutex);
    struct sought *sought = map_get(search->clusters, make_key(key, place->namespace, place->cluster));
    bool found = token != NULL;
    if (sought && !sought->token && strcmp(sought->uid, place->uid) == 0)
        sought->token = TAKE_POINTER(token);
    free_token(token);
    return found;
}

static void seek(struct token_search *search)
{
    int64_t next_ms = search->seek_ms ? 2 * search->seek_ms : SEEK_MS;
    bool all = true;
    struct place *next;
    search->seeking = false;
    for (struct place *place = list_missing(search); place; place = next) {
        next = place->next;
        all = look(search, place) && all;
        free(place);
    }
    search->seek_ms = all ? 0 : next_ms < SEEK_MAX_MS ? next_ms : SEEK_MAX_MS;
}

static void wait_for_news(struct token_search *search)
{
    struct timespec until;
    if (!search->seek_ms) {
        pthread_cond_wait(&search->changed, &search->mutex);
        return;
    }
    clock_after(search->seek_ms, &until);
    if (pthread_cond_timedwait(&search->changed, &search->mutex, &until) == ETIMEDOUT)
        search->seeking = true;
}

static void *run(void *context)
{
    struct token_search *search = context;
    pthread_mutex_lock(&search->mutex);
    while (!search->stopping) {
        if (search->seeking)
            seek(search);
        else
            wait_for_news(search);
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
    pthread_condattr_t monotonic;
    search->engine = engine;
    search->clusters = map_new();
    pthread_mutex_init(&search->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&search->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
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
