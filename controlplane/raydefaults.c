/* What is a Ray cluster given that its maker says nothing about? */
#include "controlplane/raydefaults.h"

/* "redis:6379", and Ray's forms "redis://…", "rediss://…" of it. */
static bool is_address(const char *text)
{
    struct slice rest = slice_of(text), port;
    if (slice_starts(rest, "redis://") || slice_starts(rest, "rediss://"))
        rest = slice_skip(rest, slice_starts(rest, "rediss") ? strlen("rediss://") : strlen("redis://"));
    struct slice host = slice_split(rest, ':', &port);
    int64_t number;
    return name_is_subdomain(host) && text_parse_i64(port, 1, 65535, &number);
}

/* NAME:KEY of a Secret. */
static bool is_secret(const char *text)
{
    struct slice key, name = slice_split(slice_of(text), ':', &key);
    bool good = name_is_subdomain(name) && key.n;
    for (size_t i = 0; i < key.n; i++)
        good = good && (strchr("-_.", key.p[i]) || (key.p[i] >= '0' && key.p[i] <= '9') ||
                        (key.p[i] >= 'a' && key.p[i] <= 'z') || (key.p[i] >= 'A' && key.p[i] <= 'Z'));
    return good;
}

int raydefaults_check(const struct config *config, struct error *error)
{
    const char *address = config->ray_redis_address.text, *secret = config->ray_redis_secret.text;
    if (*address && !is_address(address))
        return error_set(error, ERROR_INVALID, "ray_redis_address",
                         "ray_redis_address: expected HOST:PORT, such as redis:6379");
    if (*secret && !is_secret(secret))
        return error_set(error, ERROR_INVALID, "ray_redis_secret",
                         "ray_redis_secret: expected the NAME:KEY of a Secret, such as redis:password");
    if (*secret && !*address)
        return error_set(error, ERROR_INVALID, "ray_redis_secret",
                         "ray_redis_secret is the password of ray_redis_address, which is not set");
    return 0;
}

static void add_options(const struct config *config, cJSON *show)
{
    const char *address = config->ray_redis_address.text, *secret = config->ray_redis_secret.text;
    cJSON *options = json_object_in(show, "gcsFaultToleranceOptions");
    if (!*address)
        return; /* the profile's own */
    json_set_text(options, "redisAddress", address);
    if (!*secret)
        return;
    struct slice key, name = slice_split(slice_of(secret), ':', &key);
    AUTO_FREE char *name_text = memory_text_n(name.p, name.n);
    cJSON *from = json_object_in(json_object_in(json_object_in(options, "redisPassword"), "valueFrom"), "secretKeyRef");
    json_set_text(from, "name", name_text);
    json_set_text(from, "key", key.p);
}

cJSON *raydefaults_show(const struct config *config, struct engine *engine)
{
    const struct engine_traits *traits = engine_traits(engine);
    bool on = traits->ray_fault_tolerance && (traits->ray_store || *config->ray_redis_address.text);
    cJSON *show = json_object();
    json_set_bool(show, "faultTolerance", on);
    if (on)
        add_options(config, show);
    else if (!traits->ray_fault_tolerance)
        json_set_text(show, "reason", "fault tolerance of the GCS is not offered here");
    else
        json_set_text(show, "reason",
                      traits->pods_by_kubelet
                          ? "there is no Redis for it: an administrator names one in ray_redis_address"
                          : "there is no Redis for it: redis-server is not installed on this machine, and "
                            "ray_redis_address names none");
    json_set_bool(show, "nodes", traits->pods_by_kubelet);
    return show;
}
