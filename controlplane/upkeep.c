/* What is thrown away because it is old or not used any more, and where is that said? */
#include "controlplane/upkeep.h"

#include "base/clock.h"
#include "base/queue.h"
#include "controlplane/limits.h"
#include "controlplane/server.h"

#define KEY_AUDIT "audit"
#define KEY_IMAGES "images"
#define KEY_MEMORY "memory"
#define ACTOR "atelier" /* nobody's e-mail: the platform itself */

struct upkeep {
    struct server *server;
    struct queue *queue; /* three keys that always come again */
};

static void write_down(const struct upkeep *upkeep, const char *action, const char *kind, const char *name,
                       const char *detail)
{
    audit_add(
        upkeep->server->auth,
        &(struct audit_entry){
            .actor = ACTOR, .action = action, .kind = kind, .name = name, .outcome = "allowed", .detail = detail});
}

/* At most so many a time: a table that grew for years is not deleted in one statement. */
static int64_t expire_audit(const struct upkeep *upkeep, struct error *error)
{
    int64_t kept_s = upkeep->server->config.audit_kept_s.number, count = 0;
    if (kept_s == 0)
        return LIMIT_UPKEEP_MS;
    int status = audit_expire(upkeep->server->auth, kept_s, LIMIT_AUDIT_EXPIRED, &count, error);
    if (status < 0)
        return status;
    if (count > 0) {
        char detail[96];
        snprintf(detail, sizeof(detail), "%lld entries older than %lld s", (long long)count, (long long)kept_s);
        log_line(LOG_INFO, "old audit entries removed", LOG_NUMBER("entries", count));
        write_down(upkeep, "expire-audit", NULL, NULL, detail);
    }
    return count == LIMIT_AUDIT_EXPIRED ? 1 : LIMIT_UPKEEP_MS;
}

static int64_t prune_images(const struct upkeep *upkeep, struct error *error)
{
    const struct config *config = &upkeep->server->config;
    AUTO_JSON cJSON *removed = NULL;
    if (!*config->images_offered.text)
        return LIMIT_UPKEEP_MS;
    int status = engine_prune_images(upkeep->server->engine, config->images_offered.text, config->image_unused_s.number,
                                     &removed, error);
    const cJSON *name;
    cJSON_ArrayForEach(name, removed)
    {
        write_down(upkeep, "remove-image", "Image", name->valuestring, "nobody wanted it any more");
    }
    return status < 0 ? status : LIMIT_UPKEEP_MS;
}

static int64_t handle(void *context, const char *key)
{
    struct upkeep *upkeep = context;
    struct error error = {0};
    if (strcmp(key, KEY_MEMORY) == 0) {
        int64_t began_ms = clock_monotonic_ms();
        memory_give_back();
        return clock_rest_ms(began_ms, LIMIT_GIVE_BACK_SHARE, LIMIT_GIVE_BACK_MS);
    }
    int64_t again_ms = strcmp(key, KEY_AUDIT) == 0 ? expire_audit(upkeep, &error) : prune_images(upkeep, &error);
    if (again_ms < 0 && again_ms != -ERROR_UNAVAILABLE)
        log_line(LOG_WARN, "what is old could not be removed", LOG_TEXT("what", key), LOG_FAULT(&error));
    return again_ms;
}

struct upkeep *upkeep_start(struct server *server)
{
    struct upkeep *upkeep = memory_get(sizeof(*upkeep));
    upkeep->server = server;
    upkeep->queue = queue_new("upkeep", 2, handle, upkeep);
    queue_add(upkeep->queue, "", KEY_AUDIT);
    queue_add(upkeep->queue, "", KEY_IMAGES);
    queue_add(upkeep->queue, "", KEY_MEMORY);
    return upkeep;
}

void upkeep_end(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    queue_stop(upkeep->queue);
    queue_free(upkeep->queue);
    free(upkeep);
}
