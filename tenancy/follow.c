/* How does a reconciler keep hearing about the kinds it follows? */
#include "tenancy/follow.h"

#include <stdatomic.h>

#include "base/log.h"

#define FOLLOW_PREFIX "~follow/"
#define FOLLOW_SOON_MS 5 /* until it is looked whether the other kinds are watched */

struct follow_one {
    struct follow *follow;
    enum engine_kind kind;
    struct engine_watch *watch; /* as <tried>: touched only by the handler of this one's key, and by follow_free */
    bool tried;
    char key[32];
};
struct follow {
    struct engine *engine;
    struct queue *queue;
    follow_seen seen;
    void *context;
    bool (*concerns)(const cJSON *before, const cJSON *now); /* of the first kind */
    size_t count, standing_count;
    bool owners;
    atomic_size_t tried;   /* of the other kinds, since the start */
    atomic_bool looked_at; /* the first kind is watched, or was */
    struct follow_one one[FOLLOW_KINDS];
    const char *standing[FOLLOW_STANDING];
};

static void follow_event(void *context, enum engine_event event, const cJSON *object)
{
    struct follow_one *one = context;
    struct follow *follow = one->follow;
    switch (event) {
    case ENGINE_ADDED:
    case ENGINE_MODIFIED:
    case ENGINE_DELETED:
        follow->seen(follow->context, one->kind, object);
        break;
    case ENGINE_LOST:
        queue_add(follow->queue, "", one->key);
        /* Deletions missed meanwhile show only when their owners are looked at again. */
        if (one != &follow->one[0])
            queue_add(follow->queue, "", follow->one[0].key);
        break;
    case ENGINE_BOOKMARK:
        break;
    }
}

/* What was left undone while another process led is found by looking at every object of the first kind. */
static void follow_lead(void *context)
{
    struct follow *follow = context;
    queue_add(follow->queue, "", follow->one[0].key);
    for (size_t i = 0; i < follow->standing_count; i++)
        queue_add(follow->queue, "", follow->standing[i]);
}

struct follow *follow_new(struct engine *engine, struct queue *queue, const enum engine_kind *kinds, size_t count,
                          follow_seen seen, void *context)
{
    struct follow *follow = memory_get(sizeof(*follow));
    *follow = (struct follow){.engine = engine, .queue = queue, .seen = seen, .context = context};
    follow->count = count < FOLLOW_KINDS ? count : FOLLOW_KINDS;
    for (size_t i = 0; i < follow->count; i++) {
        struct follow_one *one = &follow->one[i];
        one->follow = follow;
        one->kind = kinds[i];
        snprintf(one->key, sizeof(one->key), FOLLOW_PREFIX "%zu", i);
    }
    return follow;
}

void follow_standing(struct follow *follow, const char *key)
{
    if (follow->standing_count < FOLLOW_STANDING)
        follow->standing[follow->standing_count++] = key;
}

void follow_only(struct follow *follow, bool (*concerns)(const cJSON *before, const cJSON *now))
{
    follow->concerns = concerns;
}

void follow_owners(struct follow *follow)
{
    follow->owners = true;
}

void follow_start(struct follow *follow)
{
    engine_on_leading(follow->engine, follow_lead, follow); /* first: no key is dropped before it is known */
    for (size_t i = 1; i < follow->count; i++)
        queue_add(follow->queue, "", follow->one[i].key);
    follow_lead(follow);
}

static void follow_tried(struct follow *follow, struct follow_one *one)
{
    if (!one->tried && one != &follow->one[0])
        atomic_fetch_add(&follow->tried, 1);
    one->tried = true;
}

/* Of what changes from now on nothing is missed: objects of the first kind are handed on after that, or once more. */
static void follow_opened(struct follow *follow, const struct follow_one *one)
{
    if (one == &follow->one[0])
        atomic_store(&follow->looked_at, true);
    else if (follow->owners && atomic_load(&follow->looked_at))
        queue_add(follow->queue, "", follow->one[0].key);
}

static int64_t follow_again(struct follow_one *one)
{
    struct error error = {0};
    struct follow *follow = one->follow;
    bool first = one == &follow->one[0];
    const struct engine_list_options options = {.concerns = first ? follow->concerns : NULL,
                                                .others_than = follow->owners && !first ? follow : NULL};
    if (first && follow->owners && atomic_load(&follow->tried) < follow->count - 1)
        return FOLLOW_SOON_MS;
    if (!engine_has(follow->engine, one->kind)) {
        follow_tried(follow, one);
        return FOLLOW_ABSENT_MS;
    }
    engine_unwatch(one->watch);
    one->watch = NULL;
    int r = engine_watch(follow->engine, one->kind, NULL, &options, NULL, follow_event, one, &one->watch, &error);
    follow_tried(follow, one);
    if (r < 0) {
        one->watch = NULL;
        log_line(LOG_WARN, "cannot watch", LOG_TEXT("kind", engine_kinds[one->kind].kind), LOG_FAULT(&error));
        return r;
    }
    follow_opened(follow, one);
    return 0;
}

bool follow_handle(struct follow *follow, const char *key, int64_t *ret)
{
    engine_reconciling(follow);
    for (size_t i = 0; i < follow->count; i++) {
        if (strcmp(follow->one[i].key, key) == 0) {
            *ret = follow_again(&follow->one[i]);
            return true;
        }
    }
    if (!engine_leads(follow->engine)) {
        *ret = 0; /* follow_lead brings it back */
        return true;
    }
    return false;
}

void follow_free(struct follow *follow)
{
    if (!follow)
        return;
    engine_off_leading(follow->engine, follow);
    for (size_t i = 0; i < follow->count; i++)
        engine_unwatch(follow->one[i].watch);
    free(follow);
}
