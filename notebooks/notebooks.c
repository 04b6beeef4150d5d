/* What does a Notebook still lack, and who is told how it stands? */
#include "notebooks/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "notebooks/render.h"
#include "notebooks/state.h"
#include "tenancy/rights.h"
#include "tenancy/status.h"

/* One pass over one notebook. */
struct pass {
    struct notebooks *notebooks;
    const cJSON *notebook;
    const char *namespace, *name;
    cJSON *completed; /* the notebook as its admission leaves it; NULL: as it is */
    struct engine_view home, statefulset, pod;
    char *secret_uid;
    struct trouble create_trouble, pod_trouble;
    struct notebook_ground ground;
    int64_t now_ms, again_ms;
    bool by_kubelet, nudge, set_written;
    const char *phase, *reason; /* static; reason NULL while nothing is in the way */
    char message[512];
};

static void pass_clear(struct pass *pass)
{
    engine_view_end(&pass->home);
    engine_view_end(&pass->statefulset);
    engine_view_end(&pass->pod);
    cJSON_Delete(pass->completed);
    free(pass->secret_uid);
    trouble_clear(&pass->create_trouble);
    trouble_clear(&pass->pod_trouble);
}

static const cJSON *pass_notebook(const struct pass *pass)
{
    return pass->completed ? pass->completed : pass->notebook;
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

/* 0 with none if it is not there. */
static int pass_view(const struct pass *pass, enum engine_kind kind, const char *name, struct engine_view *ret,
                     struct error *error)
{
    int r = engine_view(pass->notebooks->engine, kind, pass->namespace, name, ret, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
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

/* --- what there is ------------------------------------------------------------------------------------------------ */

static int pass_pod(struct pass *pass, struct error *error)
{
    AUTO_FREE char *name = memory_format("%s-0", pass->name);
    int r = pass_view(pass, KIND_POD, name, &pass->pod, error);
    const cJSON *owner = pass->statefulset.object;
    if (r == 0 && pass->pod.object && !(owner && status_is_owned(pass->pod.object, owner)))
        engine_view_end(&pass->pod);
    return r;
}

static int64_t time_at(const cJSON *object, const char *annotation)
{
    int64_t ms = 0;
    const char *text = json_text_or("", object, "metadata", "annotations", annotation, NULL);
    return clock_parse(slice_of(text), &ms) ? ms : 0;
}

/* A pod that could not be made shows only in events, which no watch brings: they are looked for, and its controller is
 * told to try again, because by itself it waits ever longer. */
static int pass_no_pod(struct pass *pass, struct error *error)
{
    int64_t asked_ms = time_at(pass->statefulset.object, NOTEBOOK_ASKED);
    int64_t nudged_ms = time_at(pass->statefulset.object, NOTEBOOK_NUDGED);
    int r = trouble_read(pass->notebooks->engine, KIND_STATEFULSET, pass->statefulset.object, asked_ms,
                         &pass->create_trouble, error);
    int64_t tried_ms = nudged_ms > asked_ms ? nudged_ms : asked_ms;
    bool often = pass->now_ms - asked_ms < NOTEBOOKS_LOOKS_MS;
    if (pass->by_kubelet)
        pass->again_ms = often ? NOTEBOOKS_LOOK_MS : NOTEBOOKS_LOOK_LONG_MS;
    pass->nudge = pass->by_kubelet && pass->create_trouble.message && pass->now_ms - tried_ms >= NOTEBOOKS_NUDGE_MS;
    return r;
}

/* A container that is long in the making waits for something that only an event names. */
static int pass_slow_pod(struct pass *pass, struct error *error)
{
    const cJSON *statuses = json_at(pass->pod.object, "status", "containerStatuses", NULL);
    const char *waits = json_text(statuses ? statuses->child : NULL, "state", "waiting", "reason", NULL);
    int64_t since_ms = 0;
    const char *started = json_text_or("", pass->pod.object, "status", "startTime", NULL);
    if (!pass->by_kubelet || !waits || !clock_parse(slice_of(started), &since_ms) ||
        (strcmp(waits, "ContainerCreating") != 0 && strcmp(waits, "PodInitializing") != 0))
        return 0;
    int64_t left_ms = since_ms + NOTEBOOKS_CREATING_MS - pass->now_ms;
    pass->again_ms = left_ms > 0 ? left_ms : NOTEBOOKS_CREATING_MS;
    return left_ms > 0
               ? 0
               : trouble_read(pass->notebooks->engine, KIND_POD, pass->pod.object, since_ms, &pass->pod_trouble, error);
}

static int pass_present(struct pass *pass, struct error *error)
{
    int r = pass_view(pass, KIND_STATEFULSET, pass->name, &pass->statefulset, error);
    if (r == 0 && pass->statefulset.object && !status_is_owned(pass->statefulset.object, pass->notebook)) {
        pass_not_ours(pass, KIND_STATEFULSET, pass->statefulset.object, pass->name);
        engine_view_end(&pass->statefulset);
    }
    if (r == 0)
        r = pass_pod(pass, error);
    if (r < 0 || notebook_is_stopped(pass->notebook) || !pass->statefulset.object)
        return r;
    return pass->pod.object ? pass_slow_pod(pass, error) : pass_no_pod(pass, error);
}

/* --- what it needs from the profile ------------------------------------------------------------------------------- */

static bool claim_is_shared(const cJSON *claim)
{
    const cJSON *modes = json_at(claim, "spec", "accessModes", NULL);
    for (const cJSON *mode = modes ? modes->child : NULL; mode; mode = mode->next) {
        if (cJSON_IsString(mode) && strcmp(mode->valuestring, "ReadWriteMany") == 0)
            return true;
    }
    return false;
}

static int pass_profile(struct pass *pass, struct error *error)
{
    AUTO_VIEW struct engine_view ray_auth = {0};
    AUTO_VIEW struct engine_view account = {0};
    struct engine *engine = pass->notebooks->engine;
    bool accounts = engine_has(engine, KIND_SERVICEACCOUNT);
    int r = pass_view(pass, KIND_CLAIM, NOTEBOOK_HOME_CLAIM, &pass->home, error);
    if (r == 0)
        r = pass_view(pass, KIND_SECRET, "ray-auth", &ray_auth, error);
    if (r == 0 && accounts)
        r = pass_view(pass, KIND_SERVICEACCOUNT, NOTEBOOK_ACCOUNT, &account, error);
    if (r < 0)
        return r;
    if (!pass->home.object)
        pass_blocked(pass, "Pending", "HomeVolumePending", "the profile's home volume is not there yet");
    else if (!ray_auth.object || (accounts && !account.object))
        pass_blocked(pass, "Pending", "ProfilePending", "the profile is still being prepared");
    pass->ground.account = accounts ? NOTEBOOK_ACCOUNT : NULL;
    pass->ground.home_on_one_node = !claim_is_shared(pass->home.object);
    pass->ground.restricted = pass->by_kubelet && rights_restricted(engine, pass->namespace);
    return 0;
}

/* It may have come by another door than this platform's, past its admission: what is left out is completed here, and
 * what cannot be is not tried. */
static int pass_admit(struct pass *pass, struct error *error)
{
    if (!pass->by_kubelet)
        return 0;
    struct error refused = {0};
    pass->completed = json_copy(pass->notebook);
    int r = notebook_admit(pass->notebooks->engine, pass->notebook, pass->completed, &refused);
    if (r == -ERROR_INVALID)
        pass_blocked(pass, "Failed", "Invalid", "it cannot be run as it is written: %.420s", refused.message);
    else if (r < 0)
        return error_set(error, refused.code, refused.field, "%s", refused.message);
    return 0;
}

/* --- what it owns ------------------------------------------------------------------------------------------------- */

static int pass_secret(struct pass *pass, struct error *error)
{
    AUTO_FREE char *name = notebook_secret_name(pass->name);
    AUTO_VIEW struct engine_view there = {0};
    AUTO_JSON cJSON *made = NULL;
    int r = pass_view(pass, KIND_SECRET, name, &there, error);
    if (r < 0)
        return r;
    if (!there.object) {
        AUTO_JSON cJSON *wanted = notebook_render_secret(pass->notebook);
        r = engine_create(pass->notebooks->engine, KIND_SECRET, pass->namespace, wanted, &made, error);
        if (r < 0)
            return r;
    } else if (!status_is_owned(there.object, pass->notebook)) {
        pass_not_ours(pass, KIND_SECRET, there.object, name);
        return 0;
    }
    pass->secret_uid = memory_text(json_text_or("", made ? made : there.object, "metadata", "uid", NULL));
    return 0;
}

/* An object of that name which is somebody else's is left alone, and named. */
static int pass_apply(struct pass *pass, enum engine_kind kind, const cJSON *is, const cJSON *wanted, bool *ret_written,
                      struct error *error)
{
    struct engine *engine = pass->notebooks->engine;
    const char *name = json_text_or("", wanted, "metadata", "name", NULL);
    if (is && !status_is_owned(is, pass->notebook)) {
        pass_not_ours(pass, kind, is, name);
        return 0;
    }
    const char *manager = json_text_or("", is, "metadata", "labels", "app.kubernetes.io/managed-by", NULL);
    if (is && strcmp(manager, "atelier") != 0) { /* this notebook's, made by Kubeflow's controller */
        AUTO_JSON cJSON *patch = json_object();
        json_set_text(json_object_in(json_object_in(patch, "metadata"), "labels"), "app.kubernetes.io/managed-by",
                      "atelier");
        int r = engine_patch(engine, kind, pass->namespace, name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, error);
        if (r < 0)
            return r;
    }
    return engine_apply(engine, kind, pass->namespace, wanted, ret_written, error);
}

static int pass_service(struct pass *pass, struct error *error)
{
    AUTO_VIEW struct engine_view service = {0};
    AUTO_JSON cJSON *wanted = notebook_render_service(pass_notebook(pass));
    int r = pass_view(pass, KIND_SERVICE, pass->name, &service, error);
    return r < 0 ? r : pass_apply(pass, KIND_SERVICE, service.object, wanted, NULL, error);
}

static int pass_statefulset(struct pass *pass, struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    clock_format(pass->now_ms, now);
    pass->ground.now = now;
    pass->ground.secret_uid = pass->secret_uid;
    pass->ground.by_kubelet = pass->by_kubelet;
    pass->ground.statefulset = pass->statefulset.object;
    pass->ground.nudge = pass->nudge;
    AUTO_JSON cJSON *wanted = notebook_render_statefulset(pass_notebook(pass), &pass->ground);
    bool first = !pass->statefulset.object && !notebook_is_stopped(pass->notebook);
    int r = pass_apply(pass, KIND_STATEFULSET, pass->statefulset.object, wanted, &pass->set_written, error);
    if (r == 0 && first && pass->by_kubelet)
        pass->again_ms = NOTEBOOKS_LOOK_MS;
    return r;
}

/* Where no gateway is named (any more), one of ours leads nowhere that is asked for. */
static int pass_virtualservice(struct pass *pass, struct error *error)
{
    struct notebooks *notebooks = pass->notebooks;
    if (!engine_has(notebooks->engine, KIND_VIRTUALSERVICE))
        return 0;
    AUTO_VIEW struct engine_view view = {0};
    AUTO_FREE char *name = notebook_virtualservice_name(pass->notebook);
    int r = pass_view(pass, KIND_VIRTUALSERVICE, name, &view, error);
    if (r < 0)
        return r;
    const cJSON *is = view.object;
    if (notebooks->istio_gateway) {
        AUTO_JSON cJSON *wanted =
            notebook_render_virtualservice(pass->notebook, notebooks->istio_gateway, notebooks->host);
        return pass_apply(pass, KIND_VIRTUALSERVICE, is, wanted, NULL, error);
    }
    const char *manager = json_text_or("", is, "metadata", "labels", "app.kubernetes.io/managed-by", NULL);
    if (!is || strcmp(manager, "atelier") != 0 || !status_is_owned(is, pass->notebook))
        return 0;
    r = engine_delete(notebooks->engine, KIND_VIRTUALSERVICE, pass->namespace, name, NULL, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

/* Whatever is in the way of running it is not in the way of stopping it. */
static int pass_stop(struct pass *pass, struct error *error)
{
    int64_t replicas = 0;
    if (!pass->reason || !pass->statefulset.object || !notebook_is_stopped(pass->notebook) ||
        !json_i64(json_at(pass->statefulset.object, "spec", "replicas", NULL), &replicas) || replicas == 0)
        return 0;
    AUTO_JSON cJSON *patch = json_object();
    json_set_i64(json_object_in(patch, "spec"), "replicas", 0);
    return engine_patch(pass->notebooks->engine, KIND_STATEFULSET, pass->namespace, pass->name, ENGINE_SPEC,
                        ENGINE_PATCH_MERGE, patch, NULL, error);
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
                   (strcmp(phase, "Pending") == 0 && pass->create_trouble.message) || strcmp(reason, "OOMKilled") == 0;
    if (trouble || (calm && !same_phase))
        engine_event(pass->notebooks->engine, pass->notebook, trouble ? "Warning" : "Normal", reason, "%s",
                     json_text_or("", status, "message", NULL));
}

static int64_t pass_report(struct pass *pass)
{
    struct notebook_view view = {.notebook = pass->notebook,
                                 .statefulset = pass->statefulset.object,
                                 .pod = pass->pod.object,
                                 .home = pass->home.object,
                                 .set_written = pass->set_written,
                                 .blocked_phase = pass->phase,
                                 .blocked_reason = pass->reason,
                                 .blocked_message = pass->message,
                                 .create_error = pass->create_trouble.message,
                                 .pod_reason = pass->pod_trouble.reason,
                                 .pod_message = pass->pod_trouble.message,
                                 .now_ms = pass->now_ms};
    int64_t again_ms = 0;
    cJSON *status = notebook_state(&view, &again_ms);
    AUTO_JSON cJSON *copy = json_copy(status);
    struct error error = {0};
    int r = status_write(pass->notebooks->engine, KIND_NOTEBOOK, pass->notebook, status, &error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    if (r == 1)
        pass_tell(pass, copy);
    return again_ms && (!pass->again_ms || again_ms < pass->again_ms) ? again_ms : pass->again_ms;
}

static int pass_all(struct pass *pass, struct error *error)
{
    static int (*const steps[])(struct pass *, struct error *) = {pass_profile, pass_admit,          pass_secret,
                                                                  pass_service, pass_virtualservice, pass_statefulset};
    int r = pass_present(pass, error);
    for (size_t i = 0; r >= 0 && !pass->reason && i < COUNT_OF(steps); i++)
        r = steps[i](pass, error);
    return r < 0 ? r : pass_stop(pass, error);
}

int64_t notebooks_reconcile(struct notebooks *notebooks, const char *namespace, const char *name)
{
    struct error error = {0};
    AUTO_VIEW struct engine_view view = {0};
    int r = engine_view(notebooks->engine, KIND_NOTEBOOK, namespace, name, &view, &error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    struct pass pass = {.notebooks = notebooks,
                        .notebook = view.object,
                        .namespace = namespace,
                        .name = name,
                        .now_ms = clock_wall_ms(),
                        .by_kubelet = engine_traits(notebooks->engine)->pods_by_kubelet};
    int64_t result = 0;
    if (json_text(view.object, "metadata", "deletionTimestamp", NULL)) {
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
        pass_blocked(&pass, r == -ERROR_INVALID ? "Failed" : "Pending", error_reason(error.code), "%.400s",
                     error.message);
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
    return *name_text ? notebooks_reconcile(notebooks, namespace_text, name_text)
                      : requeue_namespace(notebooks, namespace_text);
}

/* Of a VirtualService no more is kept in memory than its name. */
static const char *routed_notebook(const char *namespace, const char *name)
{
    AUTO_FREE char *prefix = memory_format(NOTEBOOK_ROUTE, namespace, "");
    return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : "";
}

static void notebooks_seen(void *context, enum engine_kind kind, const cJSON *object)
{
    struct notebooks *notebooks = context;
    const char *namespace = json_text_or("", object, "metadata", "namespace", NULL);
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    const char *notebook = json_text_or("", object, "metadata", "labels", NOTEBOOK_LABEL, NULL);
    if (kind == KIND_NOTEBOOK)
        notebook = name;
    else if (kind == KIND_VIRTUALSERVICE)
        notebook = routed_notebook(namespace, name);
    bool shared = (kind == KIND_CLAIM && strcmp(name, NOTEBOOK_HOME_CLAIM) == 0) ||
                  (kind == KIND_SECRET && strcmp(name, "ray-auth") == 0);
    if (!*namespace || (!*notebook && !shared))
        return;
    AUTO_FREE char *key = memory_format("%s/%s", namespace, shared ? "" : notebook);
    queue_add(notebooks->queue, namespace, key);
}

/* Annotations go along to the pod when it is made; these decide something about the notebook. */
static bool annotation_decides(const char *name)
{
    return strcmp(name, NOTEBOOK_STOPPED) == 0 || strncmp(name, "atelier.dev/", 12) == 0;
}

static bool annotations_kept(const cJSON *from, const cJSON *to)
{
    for (const cJSON *item = from ? from->child : NULL; item; item = item->next)
        if (annotation_decides(item->string) && !json_equal(item, json_member(to, item->string)))
            return false;
    return true;
}

/* Whether a pass may find something to do: other labels and annotations, and who owns which field, change nothing that
 * a notebook needs (notebook_render_statefulset). */
static bool notebook_concerns(const cJSON *before, const cJSON *now)
{
    static const char *const identity[] = {"uid", "generation", "deletionTimestamp"};
    const cJSON *was = json_member(before, "metadata"), *is = json_member(now, "metadata");
    for (size_t i = 0; i < COUNT_OF(identity); i++)
        if (!json_equal(json_member(was, identity[i]), json_member(is, identity[i])))
            return true;
    const cJSON *old = json_member(was, "annotations"), *annotations = json_member(is, "annotations");
    return !annotations_kept(old, annotations) || !annotations_kept(annotations, old) ||
           !json_equal(json_member(before, "spec"), json_member(now, "spec")) ||
           !json_equal(json_member(before, "status"), json_member(now, "status"));
}

int notebooks_new(const struct notebooks_options *options, struct notebooks **ret, struct error *error)
{
    static const enum engine_kind kinds[] = {KIND_NOTEBOOK, KIND_STATEFULSET, KIND_POD,           KIND_SERVICE,
                                             KIND_SECRET,   KIND_CLAIM,       KIND_VIRTUALSERVICE};
    (void)error;
    struct notebooks *notebooks = memory_get(sizeof(*notebooks));
    notebooks->engine = options->engine;
    if (options->istio_gateway && *options->istio_gateway)
        notebooks->istio_gateway = memory_text(options->istio_gateway);
    notebooks->host =
        memory_format("atelier.%s.svc.cluster.local", options->namespace ? options->namespace : "atelier-system");
    unsigned workers = engine_traits(options->engine)->reconcilers;
    workers = workers < NOTEBOOKS_WORKERS       ? NOTEBOOKS_WORKERS
              : workers > NOTEBOOKS_WORKERS_MAX ? NOTEBOOKS_WORKERS_MAX
                                                : workers;
    notebooks->queue = queue_new("notebooks", workers, notebooks_handle, notebooks);
    notebooks->follow =
        follow_new(options->engine, notebooks->queue, kinds, COUNT_OF(kinds), notebooks_seen, notebooks);
    follow_only(notebooks->follow, notebook_concerns);
    follow_owners(notebooks->follow);
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
    free(notebooks->istio_gateway);
    free(notebooks->host);
    free(notebooks);
}
