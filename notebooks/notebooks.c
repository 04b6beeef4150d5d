/* What does a Notebook still lack, and who is told how it stands? */
#include "notebooks/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "notebooks/render.h"
#include "notebooks/state.h"
#include "tenancy/status.h"

/* One pass over one notebook. Trees are the pass's own. */
struct pass {
    struct notebooks *notebooks;
    const cJSON *notebook;
    const char *namespace, *name;
    cJSON *home, *statefulset, *pod;
    char *secret_uid;
    char *create_error;
    const char *phase, *reason; /* static; reason NULL while nothing is in the way */
    char message[512];
};

static void pass_clear(struct pass *pass)
{
    cJSON_Delete(pass->home);
    cJSON_Delete(pass->statefulset);
    cJSON_Delete(pass->pod);
    free(pass->secret_uid);
    free(pass->create_error);
}

__attribute__((format(printf, 4, 5))) static void pass_blocked(struct pass *pass, const char *phase, const char *reason,
                                                               const char *format, ...)
{
    if (pass->reason)
        return;
    pass->phase = phase;
    pass->reason = reason;
    va_list args;
    va_start(args, format);
    vsnprintf(pass->message, sizeof(pass->message), format, args);
    va_end(args);
}

/* 0 with *ret NULL if it is not there. */
static int pass_get(const struct pass *pass, enum engine_kind kind, const char *name, cJSON **ret, struct error *error)
{
    int r = engine_get(pass->notebooks->engine, kind, pass->namespace, name, ret, error);
    if (r == -ERROR_NOT_FOUND) {
        *ret = NULL;
        return 0;
    }
    return r;
}

/* An object of the wanted name exists and is not this notebook's: an earlier one of the same name that is still going
 * away, or somebody else's. */
static void pass_not_ours(struct pass *pass, enum engine_kind kind, const cJSON *object, const char *name)
{
    const cJSON *references = json_at(object, "metadata", "ownerReferences", NULL);
    bool earlier = json_text(object, "metadata", "deletionTimestamp", NULL) != NULL;
    for (const cJSON *r = references ? references->child : NULL; r; r = r->next)
        earlier = earlier || (strcmp(json_text_or("", r, "kind", NULL), "Notebook") == 0 &&
                              strcmp(json_text_or("", r, "name", NULL), pass->name) == 0);
    if (earlier)
        pass_blocked(pass, "Pending", "NameInUse", "an earlier notebook of this name is still being removed");
    else
        pass_blocked(pass, "Failed", "NameTaken",
                     "a %s named %s exists and does not belong to this notebook; delete it, or choose another name",
                     engine_kinds[kind].kind, name);
}

/* --- what it needs from the profile ------------------------------------------------------------------------------- */

static int pass_profile(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *ray_auth = NULL;
    int r = pass_get(pass, KIND_CLAIM, NOTEBOOK_HOME_CLAIM, &pass->home, error);
    if (r == 0)
        r = pass_get(pass, KIND_SECRET, "ray-auth", &ray_auth, error);
    if (r < 0)
        return r;
    if (!pass->home)
        pass_blocked(pass, "Pending", "HomeVolumePending", "the profile's home volume is not there yet");
    else if (!ray_auth)
        pass_blocked(pass, "Pending", "ProfilePending", "the profile is still being prepared");
    return 0;
}

/* --- what it owns ------------------------------------------------------------------------------------------------- */

static int pass_secret(struct pass *pass, struct error *error)
{
    AUTO_FREE char *name = notebook_secret_name(pass->name);
    AUTO_JSON cJSON *secret = NULL;
    int r = pass_get(pass, KIND_SECRET, name, &secret, error);
    if (r < 0)
        return r;
    if (!secret) {
        AUTO_JSON cJSON *wanted = notebook_render_secret(pass->notebook);
        r = engine_create(pass->notebooks->engine, KIND_SECRET, pass->namespace, wanted, &secret, error);
        if (r < 0)
            return r;
    } else if (!status_is_owned(secret, pass->notebook)) {
        pass_not_ours(pass, KIND_SECRET, secret, name);
        return 0;
    }
    pass->secret_uid = memory_text(json_text_or("", secret, "metadata", "uid", NULL));
    return 0;
}

/* True if every member that <wanted> has is equal in <is>: an engine adds fields of its own (clusterIP). */
static bool covers(const cJSON *is, const cJSON *wanted)
{
    for (const cJSON *member = wanted ? wanted->child : NULL; member; member = member->next) {
        if (!json_equal(json_member(is, member->string), member))
            return false;
    }
    return true;
}

static int pass_service(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *service = NULL;
    AUTO_JSON cJSON *written = NULL;
    AUTO_JSON cJSON *wanted = notebook_render_service(pass->notebook);
    int r = pass_get(pass, KIND_SERVICE, pass->name, &service, error);
    if (r < 0)
        return r;
    if (!service)
        return engine_create(pass->notebooks->engine, KIND_SERVICE, pass->namespace, wanted, &written, error);
    if (!status_is_owned(service, pass->notebook)) {
        pass_not_ours(pass, KIND_SERVICE, service, pass->name);
        return 0;
    }
    const cJSON *spec = json_member(wanted, "spec");
    if (covers(json_member(service, "spec"), spec))
        return 0;
    AUTO_JSON cJSON *patch = json_object();
    json_set(patch, "spec", json_copy(spec));
    return engine_patch(pass->notebooks->engine, KIND_SERVICE, pass->namespace, pass->name, ENGINE_SPEC,
                        ENGINE_PATCH_MERGE, patch, &written, error);
}

static bool same_statefulset(const cJSON *is, const cJSON *wanted)
{
    return strcmp(json_text_or("", is, "metadata", "annotations", NOTEBOOK_HASH, NULL),
                  json_text_or("?", wanted, "metadata", "annotations", NOTEBOOK_HASH, NULL)) == 0 &&
           json_equal(json_at(is, "spec", "replicas", NULL), json_at(wanted, "spec", "replicas", NULL));
}

static int pass_statefulset(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *wanted = notebook_render_statefulset(pass->notebook, pass->secret_uid);
    int r = pass_get(pass, KIND_STATEFULSET, pass->name, &pass->statefulset, error);
    if (r < 0)
        return r;
    if (!pass->statefulset)
        return engine_create(pass->notebooks->engine, KIND_STATEFULSET, pass->namespace, wanted, &pass->statefulset,
                             error);
    if (!status_is_owned(pass->statefulset, pass->notebook)) {
        pass_not_ours(pass, KIND_STATEFULSET, pass->statefulset, pass->name);
        return 0;
    }
    if (same_statefulset(pass->statefulset, wanted))
        return 0;
    cJSON *metadata = json_object_in(wanted, "metadata");
    json_set_text(metadata, "resourceVersion", json_text(pass->statefulset, "metadata", "resourceVersion", NULL));
    cJSON *written = NULL;
    r = engine_update(pass->notebooks->engine, KIND_STATEFULSET, pass->namespace, pass->name, ENGINE_SPEC, wanted,
                      &written, error);
    if (r == 0) {
        cJSON_Delete(pass->statefulset);
        pass->statefulset = written;
    }
    return r;
}

/* --- what runs ---------------------------------------------------------------------------------------------------- */

/* The newest complaint about the StatefulSet: that is where an engine says why it cannot make a pod. */
static int pass_create_error(struct pass *pass, struct error *error)
{
    AUTO_FREE char *selector = memory_format("involvedObject.kind=StatefulSet,involvedObject.name=%s", pass->name);
    struct engine_list_options options = {.field_selector = selector};
    AUTO_JSON cJSON *list = NULL;
    int r = engine_list(pass->notebooks->engine, KIND_EVENT, pass->namespace, &options, &list, error);
    if (r < 0)
        return r;
    const char *uid = json_text_or("", pass->statefulset, "metadata", "uid", NULL);
    const char *newest = "";
    const char *message = NULL;
    const cJSON *items = json_member(list, "items");
    for (const cJSON *item = items ? items->child : NULL; item; item = item->next) {
        const char *when = json_text_or("", item, "lastTimestamp", NULL);
        bool about = strcmp(json_text_or(uid, item, "involvedObject", "uid", NULL), uid) == 0;
        if (about && strcmp(json_text_or("", item, "type", NULL), "Warning") == 0 && strcmp(when, newest) >= 0) {
            newest = when;
            message = json_text(item, "message", NULL);
        }
    }
    pass->create_error = memory_text(message);
    return 0;
}

static int pass_pod(struct pass *pass, struct error *error)
{
    AUTO_FREE char *name = memory_format("%s-0", pass->name);
    int r = pass_get(pass, KIND_POD, name, &pass->pod, error);
    if (r < 0)
        return r;
    if (pass->pod && pass->statefulset && !status_is_owned(pass->pod, pass->statefulset)) {
        cJSON_Delete(pass->pod);
        pass->pod = NULL;
    }
    if (!pass->pod && pass->statefulset && !notebook_is_stopped(pass->notebook))
        return pass_create_error(pass, error);
    return 0;
}

/* --- the pass ----------------------------------------------------------------------------------------------------- */

static void pass_tell(const struct pass *pass, const cJSON *status)
{
    const cJSON *old = json_member(pass->notebook, "status");
    const char *phase = json_text_or("", status, "phase", NULL);
    const char *reason = json_text_or("", status, "reason", NULL);
    bool same_phase = strcmp(json_text_or("", old, "phase", NULL), phase) == 0;
    if (same_phase && strcmp(json_text_or("", old, "reason", NULL), reason) == 0)
        return;
    bool calm = strcmp(phase, "Running") == 0 || strcmp(phase, "Stopped") == 0;
    bool trouble = strcmp(phase, "Failed") == 0 || strcmp(reason, "Unschedulable") == 0 ||
                   strcmp(reason, "QuotaExceeded") == 0 || strcmp(reason, "OOMKilled") == 0;
    if (trouble || (calm && !same_phase))
        engine_event(pass->notebooks->engine, pass->notebook, trouble ? "Warning" : "Normal", reason, "%s",
                     json_text_or("", status, "message", NULL));
}

static int64_t pass_report(struct pass *pass)
{
    struct notebook_view view = {.notebook = pass->notebook,
                                 .statefulset = pass->statefulset,
                                 .pod = pass->pod,
                                 .home = pass->home,
                                 .blocked_phase = pass->phase,
                                 .blocked_reason = pass->reason,
                                 .blocked_message = pass->message,
                                 .create_error = pass->create_error,
                                 .now_ms = clock_wall_ms()};
    int64_t again_ms = 0;
    cJSON *status = notebook_state(&view, &again_ms);
    AUTO_JSON cJSON *copy = json_copy(status);
    struct error error = {0};
    int r = status_write(pass->notebooks->engine, KIND_NOTEBOOK, pass->notebook, status, &error);
    if (r == -ERROR_CONFLICT)
        return NOTEBOOKS_AGAIN_MS;
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    if (r == 1)
        pass_tell(pass, copy);
    return again_ms;
}

static int pass_all(struct pass *pass, struct error *error)
{
    static int (*const steps[])(struct pass *, struct error *) = {pass_profile, pass_secret, pass_service,
                                                                  pass_statefulset};
    int r = 0;
    for (size_t i = 0; r >= 0 && !pass->reason && i < COUNT_OF(steps); i++)
        r = steps[i](pass, error);
    if (r >= 0)
        r = pass_pod(pass, error);
    return r;
}

static int64_t reconcile(struct notebooks *notebooks, const char *namespace, const char *name)
{
    struct error error = {0};
    AUTO_JSON cJSON *notebook = NULL;
    int r = engine_get(notebooks->engine, KIND_NOTEBOOK, namespace, name, &notebook, &error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    struct pass pass = {.notebooks = notebooks, .notebook = notebook, .namespace = namespace, .name = name};
    int64_t result = 0;
    if (json_text(notebook, "metadata", "deletionTimestamp", NULL)) {
        result = pass_report(&pass);
        pass_clear(&pass);
        return result;
    }
    r = pass_all(&pass, &error);
    if (r == -ERROR_CONFLICT || r == -ERROR_EXISTS) {
        pass_clear(&pass);
        return r; /* somebody wrote at the same time, or the namespace is going: look again, ever more slowly */
    }
    if (r < 0) {
        log_line(LOG_WARN, "notebook not reconciled", LOG_TEXT("namespace", namespace), LOG_TEXT("notebook", name),
                 LOG_FAULT(&error));
        pass_blocked(&pass, "Pending", error_reason(error.code), "%.400s", error.message);
    }
    result = pass_report(&pass);
    if (pass.reason && strcmp(pass.reason, "NameInUse") == 0 && result == 0)
        result = NOTEBOOKS_NAME_IN_USE_MS;
    pass_clear(&pass);
    return r < 0 ? r : result;
}

/* Something that all notebooks of a namespace need has changed. */
static int64_t requeue_namespace(struct notebooks *notebooks, const char *namespace)
{
    AUTO_JSON cJSON *list = NULL;
    int r = engine_list(notebooks->engine, KIND_NOTEBOOK, namespace, NULL, &list, NULL);
    if (r < 0)
        return r;
    const cJSON *items = json_member(list, "items");
    for (const cJSON *item = items ? items->child : NULL; item; item = item->next) {
        AUTO_FREE char *key = memory_format("%s/%s", namespace, json_text_or("", item, "metadata", "name", NULL));
        queue_add(notebooks->queue, namespace, key);
    }
    return 0;
}

/* Keys: "<namespace>/<notebook>", or "<namespace>/" for all of a namespace. */
static int64_t notebooks_handle(void *context, const char *key)
{
    struct notebooks *notebooks = context;
    int64_t result = 0;
    if (follow_handle(notebooks->follow, key, &result))
        return result;
    struct slice name;
    struct slice namespace = slice_split(slice_of(key), '/', &name);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p, namespace.n);
    AUTO_FREE char *name_text = memory_text_n(name.p ? name.p : "", name.n);
    return *name_text ? reconcile(notebooks, namespace_text, name_text) : requeue_namespace(notebooks, namespace_text);
}

static void notebooks_seen(void *context, enum engine_kind kind, const cJSON *object)
{
    struct notebooks *notebooks = context;
    const char *namespace = json_text_or("", object, "metadata", "namespace", NULL);
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    const char *notebook = json_text_or("", object, "metadata", "labels", NOTEBOOK_LABEL, NULL);
    if (kind == KIND_NOTEBOOK)
        notebook = name;
    bool shared = (kind == KIND_CLAIM && strcmp(name, NOTEBOOK_HOME_CLAIM) == 0) ||
                  (kind == KIND_SECRET && strcmp(name, "ray-auth") == 0);
    if (!*namespace || (!*notebook && !shared))
        return;
    AUTO_FREE char *key = memory_format("%s/%s", namespace, shared ? "" : notebook);
    queue_add(notebooks->queue, namespace, key);
}

int notebooks_new(struct engine *engine, struct notebooks **ret, struct error *error)
{
    static const enum engine_kind kinds[] = {KIND_NOTEBOOK, KIND_STATEFULSET, KIND_POD,
                                             KIND_SERVICE,  KIND_SECRET,      KIND_CLAIM};
    (void)error;
    struct notebooks *notebooks = memory_get(sizeof(*notebooks));
    notebooks->engine = engine;
    notebooks->queue = queue_new("notebooks", NOTEBOOKS_WORKERS, notebooks_handle, notebooks);
    notebooks->follow = follow_new(engine, notebooks->queue, kinds, COUNT_OF(kinds), notebooks_seen, notebooks);
    follow_start(notebooks->follow);
    *ret = notebooks;
    return 0;
}

void notebooks_free(struct notebooks *notebooks)
{
    if (!notebooks)
        return;
    queue_stop(notebooks->queue);
    follow_free(notebooks->follow);
    queue_free(notebooks->queue);
    free(notebooks);
}
