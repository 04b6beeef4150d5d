/* What does a Ray cluster serve? */
#include "engine/local/rayserve.h"

#include <pthread.h>

#include "base/map.h"
#include "base/random.h"
#include "engine/local/rayask.h"
#include "engine/local/rayhealth.h"
#include "engine/local/raypods.h"

#define SERVE_PATH "/api/serve/applications/"
/* The first configuration starts Serve's own actors. */
enum { DEPLOY_MS = 60 * 1000, MESSAGE_MAX = 1024 };

struct sent {
    char digest[2 * DIGEST_SIZE + 1]; /* of the configuration and the life of the head that it was sent to */
    char refusal[512];                /* "" if Ray took it */
};
struct ray_serve_memory {
    pthread_mutex_t lock; /* guards sent */
    struct map *sent;     /* RayCluster uid to struct sent */
};

struct ray_serve_memory *ray_serve_memory_new(void)
{
    struct ray_serve_memory *memory = memory_get(sizeof(*memory));
    pthread_mutex_init(&memory->lock, NULL);
    memory->sent = map_new();
    return memory;
}

void ray_serve_memory_free(struct ray_serve_memory *memory)
{
    size_t at = 0;
    struct slice key;
    void *value;
    if (!memory)
        return;
    while (map_next(memory->sent, &at, &key, &value))
        free(value);
    map_free(memory->sent);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

/* True if <wanted->digest> was sent; then its refusal is filled in. */
static bool was_sent(struct ray_serve_memory *memory, const struct object *cluster, struct sent *wanted)
{
    pthread_mutex_lock(&memory->lock);
    const struct sent *sent = map_get(memory->sent, slice_of(cluster->uid));
    bool same = sent && strcmp(sent->digest, wanted->digest) == 0;
    if (same)
        *wanted = *sent;
    pthread_mutex_unlock(&memory->lock);
    return same;
}

static void remember(struct ray_serve_memory *memory, const struct object *cluster, const struct sent *sent)
{
    struct sent *kept = memory_get(sizeof(*kept));
    *kept = *sent;
    pthread_mutex_lock(&memory->lock);
    free(map_put(memory->sent, slice_of(cluster->uid), kept));
    pthread_mutex_unlock(&memory->lock);
}

void ray_serve_forget(struct local *local, const struct object *cluster)
{
    pthread_mutex_lock(&local->serves->lock);
    free(map_remove(local->serves->sent, slice_of(cluster->uid)));
    pthread_mutex_unlock(&local->serves->lock);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static bool send_config(struct local *local, const struct object *cluster, const cJSON *wanted, struct sent *sent,
                        struct ray_serve_view *ret)
{
    AUTO_JSON cJSON *answer = NULL;
    AUTO_FREE char *text = NULL;
    struct error error = {0};
    long status = 0;
    const struct ray_question question = {
        .method = "PUT", .path = SERVE_PATH, .body = wanted, .deadline_ms = DEPLOY_MS};
    if (ray_ask_json(local, cluster, &question, &status, &answer, &text, &error) < 0) {
        (void)snprintf(ret->message, sizeof(ret->message), "%.500s", error.message);
        return false;
    }
    if (status != 200)
        text_printable(slice_of(text ? text : json_text_or("", answer, "detail", NULL)), ret->message,
                       sizeof(ret->message));
    ret->refused = status >= 400 && status < 500;
    if (ret->refused)
        (void)snprintf(sent->refusal, sizeof(sent->refusal), "Ray does not take serveConfigV2: %.460s", ret->message);
    if (status == 200 || ret->refused)
        remember(local->serves, cluster, sent);
    return status == 200 || ret->refused;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static void copy_state(cJSON *to, const cJSON *from)
{
    const char *message = json_text_or("", from, "message", NULL);
    AUTO_FREE char *cut = memory_text_n(message, strnlen(message, MESSAGE_MAX));
    while (cut[0] && !text_is_utf8(slice_of(cut)))
        cut[strlen(cut) - 1] = '\0'; /* a character that was cut */
    json_set_text(to, "status", json_text_or("NOT_STARTED", from, "status", NULL));
    json_set_text(to, "message", cut[0] ? cut : NULL);
}

static cJSON *states_of(const cJSON *applications)
{
    cJSON *states = json_object();
    const cJSON *application, *deployment;
    cJSON_ArrayForEach(application, applications)
    {
        cJSON *state = json_set(states, application->string, json_object());
        copy_state(state, application);
        cJSON_ArrayForEach(deployment, json_member(application, "deployments"))
        {
            cJSON *deployments = json_object_in(state, "serveDeploymentStatuses");
            copy_state(json_set(deployments, deployment->string, json_object()), deployment);
        }
    }
    return states;
}

/* Asks <port> (0: the dashboard) for a JSON object. */
static cJSON *get(struct local *local, const struct object *cluster, uint16_t port, const char *path, char message[512])
{
    cJSON *answer = NULL;
    struct error error = {0};
    long status = 0;
    const struct ray_question question = {.method = "GET", .path = path, .port = port};
    int r = ray_ask_json(local, cluster, &question, &status, &answer, NULL, &error);
    if (r == 0 && status == 200 && answer)
        return answer;
    if (r == 0)
        (void)snprintf(message, 512, "Ray Serve answered %ld when asked for %s", status, path);
    else
        (void)snprintf(message, 512, "%.500s", error.message);
    cJSON_Delete(answer);
    return NULL;
}

/* Whether an application of the configuration runs, and the head's proxy sends requests to it; if not, why. */
static bool is_served(const cJSON *wanted, const cJSON *known, const cJSON *routes, char message[512])
{
    const char *name = json_text_or("default", wanted, "name", NULL);
    const cJSON *application = json_member(known, name);
    const char *status = json_text_or("not there yet", application, "status", NULL);
    const char *prefix = json_text(application, "route_prefix", NULL);
    char shown[400];
    bool runs = strcmp(status, "RUNNING") == 0;
    if (runs && (!prefix || json_member(routes, prefix)))
        return true;
    text_printable(slice_of(json_text_or("", application, "message", NULL)), shown, sizeof(shown));
    (void)snprintf(message, 512, "application %.60s is %.30s%s%.350s", name, runs ? "not routed yet" : status,
                   shown[0] && !runs ? ": " : "", runs ? "" : shown);
    return false;
}

/* *ret_known: the head has heard of all of them. */
static bool are_served(const cJSON *wanted, const cJSON *known, const cJSON *routes, bool *ret_known, char message[512])
{
    const cJSON *application;
    bool served = true;
    *ret_known = true;
    cJSON_ArrayForEach(application, json_member(wanted, "applications"))
    {
        *ret_known = *ret_known && json_member(known, json_text_or("default", application, "name", NULL));
        served = served && is_served(application, known, routes, message);
    }
    return served;
}

static char *digest_text(const struct object *head, const char *config)
{
    AUTO_FREE char *life = ray_head_life(head);
    return memory_format("%s\n%s", life, config);
}

void ray_serve_look(struct local *local, const struct object *cluster, const char *config, bool update,
                    struct ray_serve_view *ret)
{
    AUTO_JSON cJSON *wanted = NULL;
    AUTO_OBJECT struct object *head = ray_find_head(local, cluster);
    struct sent sent = {0};
    bool known = false;
    *ret = (struct ray_serve_view){0};
    if (!head || yaml_parse(slice_of(config), &json_limits_default, &wanted, NULL) < 0)
        return;
    AUTO_FREE char *text = digest_text(head, config);
    digest_sha256_hex(slice_of(text), sent.digest);
    bool done = was_sent(local->serves, cluster, &sent);
    if (update && !done)
        done = send_config(local, cluster, wanted, &sent, ret);
    if (update && !done)
        return; /* what is there now is of before */
    AUTO_JSON cJSON *answer = get(local, cluster, 0, SERVE_PATH, ret->message);
    if (!answer)
        return;
    const cJSON *applications = json_member(answer, "applications");
    ret->applications = states_of(applications);
    AUTO_JSON cJSON *routes = get(local, cluster, RAY_SERVE, "/-/routes", ret->message);
    ret->answers = routes != NULL;
    bool served = are_served(wanted, applications, routes, &known, ret->message);
    if (sent.refusal[0])
        memcpy(ret->message, sent.refusal, sizeof(ret->message));
    else if (update && !known)
        ray_serve_forget(local, cluster); /* its controller has lost it: the next look sends it again */
    ret->complete = served && routes && !sent.refusal[0];
    if (ret->complete)
        ret->message[0] = '\0';
}
