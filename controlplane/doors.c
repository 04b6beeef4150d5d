/* Which RayClusters scale themselves, and how do their autoscalers find and use the API? */
#include "controlplane/doors.h"

#include <pthread.h>

#include "base/log.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/random.h"
#include "tenancy/follow.h"

#define TOKEN_BYTES 32
#define NO_PLACE_YET_MS 500 /* the profile's sandbox is still being made */

struct doors {
    struct engine *engine;
    struct gateway *gateway;
    struct queue *queue;
    struct follow *follow;
    pthread_mutex_t lock; /* guards tokens */
    struct map *tokens;   /* "namespace/cluster" -> uint8_t[DIGEST_SIZE] of its token */
};

/* --- tokens ------------------------------------------------------------------------------------------------------- */

static void remember(struct doors *doors, const char *key, const char *token)
{
    uint8_t *digest = memory_get(DIGEST_SIZE);
    digest_sha256(slice_of(token), digest);
    pthread_mutex_lock(&doors->lock);
    free(map_put(doors->tokens, slice_of(key), digest));
    pthread_mutex_unlock(&doors->lock);
}

static void forget(struct doors *doors, const char *key)
{
    pthread_mutex_lock(&doors->lock);
    free(map_remove(doors->tokens, slice_of(key)));
    pthread_mutex_unlock(&doors->lock);
}

static bool any_in(struct doors *doors, const char *namespace)
{
    AUTO_FREE char *prefix = memory_format("%s/", namespace);
    struct slice key;
    size_t at = 0;
    bool found = false;
    pthread_mutex_lock(&doors->lock);
    while (!found && map_next(doors->tokens, &at, &key, NULL))
        found = slice_starts(key, prefix);
    pthread_mutex_unlock(&doors->lock);
    return found;
}

bool doors_know(struct doors *doors, const char *namespace, struct slice token, struct identity *ret)
{
    struct slice rest, cluster = slice_split(token, '.', &rest);
    uint8_t digest[DIGEST_SIZE];
    if (!name_is_label(cluster) || !rest.n)
        return false;
    AUTO_FREE char *name = memory_text_n(cluster.p, cluster.n);
    AUTO_FREE char *key = memory_format("%s/%s", namespace, name);
    digest_sha256(token, digest);
    pthread_mutex_lock(&doors->lock);
    const uint8_t *known = map_get(doors->tokens, slice_of(key));
    bool right = known && digest_equal(known, digest, DIGEST_SIZE);
    pthread_mutex_unlock(&doors->lock);
    if (!right)
        return false;
    snprintf(ret->scope_kind, sizeof(ret->scope_kind), "RayCluster");
    snprintf(ret->scope_name, sizeof(ret->scope_name), "%s", name);
    snprintf(ret->email, sizeof(ret->email), "system:raycluster:%s:%s", namespace, name);
    return true;
}

/* --- one cluster -------------------------------------------------------------------------------------------------- */

static bool wants_door(const cJSON *cluster)
{
    return json_true(cluster, "spec", "enableInTreeAutoscaling", NULL) &&
           !json_text(cluster, "metadata", "deletionTimestamp", NULL);
}

static cJSON *secret_of(struct doors *doors, const cJSON *cluster, const char *name, const char *token)
{
    cJSON *secret = json_object();
    cJSON *metadata = json_object_in(secret, "metadata");
    json_set_text(metadata, "name", name);
    json_set_text(json_object_in(metadata, "labels"), "app.kubernetes.io/managed-by", "atelier");
    cJSON *owner = json_push(json_set(metadata, "ownerReferences", json_array()), json_object());
    json_set_text(owner, "apiVersion", engine_api_version(KIND_RAYCLUSTER));
    json_set_text(owner, "kind", "RayCluster");
    json_set_text(owner, "name", json_text(cluster, "metadata", "name", NULL));
    json_set_text(owner, "uid", json_text(cluster, "metadata", "uid", NULL));
    json_set_bool(owner, "controller", true);
    cJSON *data = json_object_in(secret, "stringData");
    json_set_text(data, "token", token);
    json_set_text(data, "namespace", json_text(cluster, "metadata", "namespace", NULL));
    json_set_text(data, "ca.crt", gateway_door_authority(doors->gateway));
    return secret;
}

/* The text behind a Secret's key, or NULL. */
static char *secret_text(const cJSON *secret, const char *key)
{
    const char *base64 = json_text(secret, "data", key, NULL);
    struct buffer text = {0};
    if (!base64 || !text_unbase64(slice_of(base64), &text)) {
        buffer_free(&text);
        return NULL;
    }
    return buffer_take(&text);
}

static bool is_owned(const cJSON *secret, const cJSON *cluster)
{
    const cJSON *owner = cJSON_GetArrayItem(json_at(secret, "metadata", "ownerReferences", NULL), 0);
    return strcmp(json_text_or("", owner, "uid", NULL), json_text_or("-", cluster, "metadata", "uid", NULL)) == 0;
}

/* *ret is the token; a Secret that names another authority than ours is brought up to date. */
static int ensure_secret(struct doors *doors, const cJSON *cluster, char **ret, struct error *error)
{
    const char *namespace = json_text_or("", cluster, "metadata", "namespace", NULL);
    const char *cluster_name = json_text_or("", cluster, "metadata", "name", NULL);
    AUTO_FREE char *name = memory_format(ENGINE_AUTOSCALER_SECRET, cluster_name);
    AUTO_JSON cJSON *secret = NULL;
    int r = engine_get(doors->engine, KIND_SECRET, namespace, name, &secret, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    if (secret && !is_owned(secret, cluster))
        return error_set(error, ERROR_EXISTS, NULL,
                         "the Secret %s is there and is not this cluster's: delete it, and the autoscaler starts",
                         name);
    char *token = secret ? secret_text(secret, "token") : NULL;
    AUTO_FREE char *authority = secret ? secret_text(secret, "ca.crt") : NULL;
    bool whole = token && authority && strcmp(authority, gateway_door_authority(doors->gateway)) == 0;
    if (!token) {
        AUTO_FREE char *random = random_token(TOKEN_BYTES);
        token = memory_format("%s.%s", cluster_name, random);
    }
    AUTO_JSON cJSON *wanted = secret_of(doors, cluster, name, token);
    if (!whole)
        r = secret ? engine_patch(doors->engine, KIND_SECRET, namespace, name, ENGINE_SPEC, ENGINE_PATCH_MERGE, wanted,
                                  NULL, error)
                   : engine_create(doors->engine, KIND_SECRET, namespace, wanted, NULL, error);
    else
        r = 0;
    if (r < 0) {
        free(token);
        return r;
    }
    *ret = token;
    return 0;
}

static int64_t ensure_door(struct doors *doors, const char *namespace, struct error *error)
{
    int fd;
    if (gateway_door_is_open(doors->gateway, namespace))
        return 0;
    int r = engine_listen(doors->engine, namespace, &fd, error);
    if (r == -ERROR_UNAVAILABLE)
        return NO_PLACE_YET_MS;
    return r < 0 ? r : gateway_door_open(doors->gateway, namespace, fd, error);
}

static int64_t open_for(struct doors *doors, const char *key, const cJSON *cluster, struct error *error)
{
    char *token = NULL;
    int r = ensure_secret(doors, cluster, &token, error);
    if (r < 0 || !token)
        return r < 0 ? r : -ERROR_INTERNAL;
    remember(doors, key, token);
    memory_wipe(token, strlen(token));
    free(token);
    return ensure_door(doors, json_text_or("", cluster, "metadata", "namespace", NULL), error);
}

static int64_t handle(void *context, const char *key)
{
    struct doors *doors = context;
    struct error error = {0};
    int64_t result = 0;
    AUTO_JSON cJSON *cluster = NULL;
    if (follow_handle(doors->follow, key, &result))
        return result;
    struct slice name, namespace = slice_split(slice_of(key), '/', &name);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p, namespace.n);
    AUTO_FREE char *name_text = memory_text_n(name.p, name.n);
    int r = engine_get(doors->engine, KIND_RAYCLUSTER, namespace_text, name_text, &cluster, &error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    if (cluster && wants_door(cluster)) {
        result = open_for(doors, key, cluster, &error);
        if (result < 0)
            engine_event(doors->engine, cluster, "Warning", "AutoscalerWaits", "%.300s", error.message);
        return result;
    }
    forget(doors, key);
    if (!any_in(doors, namespace_text))
        gateway_door_close(doors->gateway, namespace_text);
    return 0;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void seen(void *context, enum engine_kind kind, const cJSON *object)
{
    struct doors *doors = context;
    const char *namespace = json_text_or("", object, "metadata", "namespace", NULL);
    (void)kind;
    AUTO_FREE char *key = memory_format("%s/%s", namespace, json_text_or("", object, "metadata", "name", NULL));
    queue_add(doors->queue, namespace, key);
}

struct doors *doors_new(struct engine *engine)
{
    struct doors *doors = memory_get(sizeof(*doors));
    doors->engine = engine;
    pthread_mutex_init(&doors->lock, NULL);
    doors->tokens = map_new();
    return doors;
}

void doors_start(struct doors *doors, struct gateway *gateway)
{
    static const enum engine_kind kinds[] = {KIND_RAYCLUSTER};
    doors->gateway = gateway;
    doors->queue = queue_new("doors", 1, handle, doors);
    doors->follow = follow_new(doors->engine, doors->queue, kinds, COUNT_OF(kinds), seen, doors);
    follow_start(doors->follow);
}

void doors_stop(struct doors *doors)
{
    if (doors && doors->queue)
        queue_stop(doors->queue);
}

void doors_free(struct doors *doors)
{
    size_t at = 0;
    void *digest;
    if (!doors)
        return;
    follow_free(doors->follow);
    queue_free(doors->queue);
    while (map_next(doors->tokens, &at, NULL, &digest))
        free(digest);
    map_free(doors->tokens);
    pthread_mutex_destroy(&doors->lock);
    free(doors);
}
