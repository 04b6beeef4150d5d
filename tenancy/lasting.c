/* What is made once for a profile, and is its owner's from then on? */
#include "tenancy/internal.h"

#include "base/random.h"

static int lasting_create(const struct pass *pass, enum engine_kind kind, const cJSON *object, cJSON **ret,
                          struct error *error)
{
    return engine_create(pass->tenancy->engine, kind, pass->name, object, ret, error);
}

/* --- the home volume --------------------------------------------------------------------------------------------- */

/* The reason why a volume is not there yet, from its conditions; NULL if none says so. */
static const char *claim_complaint(const cJSON *claim)
{
    const cJSON *conditions = json_at(claim, "status", "conditions", NULL);
    for (const cJSON *c = conditions ? conditions->child : NULL; c; c = c->next) {
        const char *message = json_text(c, "message", NULL);
        if (message && *message)
            return message;
    }
    return json_text(claim, "status", "message", NULL);
}

/*
 * A claim that nobody has looked at yet (no phase) is waited for, and so is one whose provisioner says what is wrong.
 * A claim that is merely Pending is not: a cluster says so of every new one at once, and where volumes are made for the
 * node of their first pod (WaitForFirstConsumer) it stays so until there is one.
 */
static void home_look(struct pass *pass, const cJSON *claim)
{
    const char *phase = json_text_or("", claim, "status", "phase", NULL);
    const char *complaint = claim_complaint(claim);
    if (strcmp(phase, "Bound") == 0)
        return;
    if (strcmp(phase, "Lost") == 0)
        pass_blocked(pass, "Pending", "HomeVolumeLost", "the home volume is gone: %.300s",
                     complaint ? complaint : "its PersistentVolume no longer exists");
    else if (complaint)
        pass_blocked(pass, "Pending", "HomeVolumePending", "%.400s", complaint);
    else if (!*phase)
        pass_blocked(pass, "Pending", "HomeVolumePending", "the home volume is being made");
}

/* Its size is the owner's to raise, so it is not compared. */
int pass_home(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *claim = NULL;
    int r = pass_get(pass, KIND_CLAIM, TENANCY_HOME, &claim, error);
    if (r == 0 && !claim) {
        AUTO_JSON cJSON *wanted = pass_object(pass, KIND_CLAIM, TENANCY_HOME);
        cJSON *spec = json_object_in(wanted, "spec");
        json_push_text(json_set(spec, "accessModes", json_array()), "ReadWriteOnce");
        json_set_text(json_object_in(json_object_in(spec, "resources"), "requests"), "storage",
                      pass->tenancy->home_size);
        if (*pass->tenancy->settings.home_class)
            json_set_text(spec, "storageClassName", pass->tenancy->settings.home_class);
        r = lasting_create(pass, KIND_CLAIM, wanted, &claim, error);
    }
    if (r < 0)
        return r;
    home_look(pass, claim);
    return 0;
}

/* --- the Ray token ----------------------------------------------------------------------------------------------- */

static void secret_put_token(cJSON *secret)
{
    AUTO_FREE char *token = random_token(TENANCY_TOKEN_BYTES);
    AUTO_FREE char *encoded = text_base64(token, strlen(token));
    json_set_text(json_object_in(secret, "data"), TENANCY_RAY_AUTH_KEY, encoded);
    memory_wipe(token, strlen(token));
    memory_wipe(encoded, strlen(encoded));
}

/* Never changed: running Ray processes hold the token. */
int pass_ray_auth(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *secret = NULL;
    AUTO_JSON cJSON *written = NULL;
    int r = pass_get(pass, KIND_SECRET, TENANCY_RAY_AUTH, &secret, error);
    if (r < 0)
        return r;
    if (!secret) {
        AUTO_JSON cJSON *wanted = pass_object(pass, KIND_SECRET, TENANCY_RAY_AUTH);
        json_set_text(wanted, "type", "Opaque");
        secret_put_token(wanted);
        return lasting_create(pass, KIND_SECRET, wanted, &written, error);
    }
    const char *token = json_text(secret, "data", TENANCY_RAY_AUTH_KEY, NULL);
    if (token && *token)
        return 0;
    secret_put_token(secret);
    return engine_update(pass->tenancy->engine, KIND_SECRET, pass->name, TENANCY_RAY_AUTH, ENGINE_SPEC, secret,
                         &written, error);
}
