/* What runs in this room, and what wakes it? */
#include "tenancy/internal.h"

#include "base/log.h"

static int64_t tenancy_handle(void *context, const char *key)
{
    struct tenancy *tenancy = context;
    int64_t result = 0;
    if (follow_handle(tenancy->follow, key, &result))
        return result;
    if (strcmp(key, TENANCY_SWEEP_KEY) == 0)
        return tenancy_sweep(tenancy);
    if (strcmp(key, TENANCY_AROUND_KEY) == 0)
        return walls_look_around(tenancy);
    if (strcmp(key, TENANCY_MEMBERS_KEY) == 0)
        return tenancy_compare_members(tenancy);
    return tenancy_reconcile(tenancy, key);
}

/* The objects of the profile's own name, and what is made in the namespace of that name. */
static bool is_followed(enum engine_kind kind, const char *name)
{
    static const struct {
        enum engine_kind kind;
        const char *name;
    } followed[] = {{KIND_RESOURCEQUOTA, TENANCY_QUOTA},      {KIND_CLAIM, TENANCY_HOME},
                    {KIND_SECRET, TENANCY_RAY_AUTH},          {KIND_SERVICEACCOUNT, "default-editor"},
                    {KIND_SERVICEACCOUNT, "default-viewer"},  {KIND_ROLEBINDING, "default-editor"},
                    {KIND_ROLEBINDING, "default-viewer"},     {KIND_ROLEBINDING, "atelier-viewer"},
                    {KIND_ROLEBINDING, "atelier-editor"},     {KIND_ROLEBINDING, "atelier-admin"},
                    {KIND_LIMITRANGE, TENANCY_DEFAULTS},      {KIND_NETWORKPOLICY, TENANCY_WALLS},
                    {KIND_AUTHORIZATIONPOLICY, TENANCY_WALLS}};
    for (size_t i = 0; i < COUNT_OF(followed); i++) {
        if (followed[i].kind == kind && strcmp(followed[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Everything in a profile's namespace that the reconciler makes leads back to the profile of the namespace's name. */
static void tenancy_seen(void *context, enum engine_kind kind, const cJSON *object)
{
    struct tenancy *tenancy = context;
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    const char *profile = name;
    if (engine_kinds[kind].namespaced) {
        if (!is_followed(kind, name))
            return;
        profile = json_text_or("", object, "metadata", "namespace", NULL);
    }
    if (*profile)
        queue_add(tenancy->queue, profile, profile);
}

/* Auth's own thread: only notes that there is something to compare. */
static void tenancy_people_changed(void *context)
{
    struct tenancy *tenancy = context;
    queue_add(tenancy->queue, "", TENANCY_MEMBERS_KEY);
}

static int tenancy_check(const struct tenancy_options *options, struct error *error)
{
    int64_t milli = 0;
    int64_t bytes = 0;
    if (!quantity_parse_milli(slice_of(options->quota_cpu), &milli) || milli <= 0)
        return error_set(error, ERROR_INVALID, "quota_cpu", "the default CPU quota must be a quantity such as 32");
    if (!quantity_parse_bytes(slice_of(options->quota_memory), &bytes) || bytes <= 0)
        return error_set(error, ERROR_INVALID, "quota_memory",
                         "the default memory quota must be a quantity such as 64Gi");
    if (!quantity_parse_bytes(slice_of(options->home_size), &bytes) || bytes <= 0)
        return error_set(error, ERROR_INVALID, "home_size", "the size of homes must be a quantity such as 10Gi");
    return 0;
}

int tenancy_new(const struct tenancy_options *options, struct tenancy **ret, struct error *error)
{
    static const enum engine_kind kinds[] = {
        KIND_PROFILE,    KIND_NAMESPACE,     KIND_RESOURCEQUOTA, KIND_CLAIM,          KIND_SECRET,
        KIND_LIMITRANGE, KIND_NETWORKPOLICY, KIND_ROLEBINDING,   KIND_SERVICEACCOUNT, KIND_AUTHORIZATIONPOLICY};
    struct settings settings;
    int r = tenancy_check(options, error);
    if (r == 0)
        r = settings_read(options, &settings, error);
    if (r < 0)
        return r;
    struct tenancy *tenancy = memory_get(sizeof(*tenancy));
    *tenancy = (struct tenancy){.engine = options->engine,
                                .auth = options->auth,
                                .quota_cpu = memory_text(options->quota_cpu),
                                .quota_memory = memory_text(options->quota_memory),
                                .home_size = memory_text(options->home_size),
                                .settings = settings,
                                .suspects = json_object(),
                                .digests = map_new(),
                                .waiting = json_object()};
    pthread_mutex_init(&tenancy->lock, NULL);
    tenancy->queue = queue_new("tenancy", engine_traits(tenancy->engine)->reconcilers, tenancy_handle, tenancy);
    tenancy->follow = follow_new(tenancy->engine, tenancy->queue, kinds, COUNT_OF(kinds), tenancy_seen, tenancy);
    follow_owners(tenancy->follow);
    tenancy_note_members(tenancy);
    auth_on_change(tenancy->auth, tenancy_people_changed, tenancy);
    follow_standing(tenancy->follow, TENANCY_MEMBERS_KEY); /* whatever changed between the two lines above */
    follow_standing(tenancy->follow, TENANCY_SWEEP_KEY);
    follow_standing(tenancy->follow, TENANCY_AROUND_KEY);
    follow_start(tenancy->follow);
    *ret = tenancy;
    return 0;
}

void tenancy_free(struct tenancy *tenancy)
{
    if (!tenancy)
        return;
    auth_off_change(tenancy->auth, tenancy);
    queue_stop(tenancy->queue);
    follow_free(tenancy->follow);
    queue_free(tenancy->queue);
    pthread_mutex_destroy(&tenancy->lock);
    settings_free(&tenancy->settings);
    map_free(tenancy->digests);
    cJSON_Delete(tenancy->waiting);
    cJSON_Delete(tenancy->suspects);
    free(tenancy->surroundings);
    free(tenancy->quota_cpu);
    free(tenancy->quota_memory);
    free(tenancy->home_size);
    free(tenancy);
}
