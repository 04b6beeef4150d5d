/* Which Ray cluster serves for a RayService now, and which one is to take its place? */
#include "engine/local/rayservice.h"

#include "engine/local/rayowned.h"
#include "engine/local/rayserve.h"
#include "engine/local/reconcile.h"
#include "engine/local/status.h"

enum { STARTING_MS = 1000, STEADY_MS = 5000 };

#define ACTIVE "activeServiceStatus"
#define PENDING "pendingServiceStatus"

struct service_pass {
    struct local *local;
    const struct object *service;
    const cJSON *spec;
    cJSON *status;                   /* as it will be */
    struct object *active, *pending; /* that the status names; NULL if they are not there */
    bool answers;                    /* the active one takes requests */
    char trouble[512];               /* why not everything that is wanted is served */
    int64_t again_ms;
};

static const char *name_in(const struct service_pass *pass, const char *part)
{
    return json_text_or("", pass->status, part, "rayClusterName", NULL);
}

static void look_again(struct service_pass *pass, int64_t ms)
{
    if (pass->again_ms == 0 || ms < pass->again_ms)
        pass->again_ms = ms;
}

static bool replaces(const struct service_pass *pass)
{
    return strcmp(json_text_or("NewCluster", pass->spec, "upgradeStrategy", "type", NULL), "None") != 0;
}

/* Shows a cluster under <part> of the status, and how it serves; sends it the configuration if <update>. */
static struct ray_serve_view show(struct service_pass *pass, const char *part, const struct object *cluster,
                                  bool update)
{
    cJSON *shown = json_object_in(pass->status, part);
    const cJSON *status = json_member(cluster->body, "status");
    struct ray_serve_view view = {0};
    json_set_text(shown, "rayClusterName", cluster->name);
    json_set(shown, "rayClusterStatus", status ? json_copy(status) : NULL);
    if (ray_cluster_usable(cluster))
        ray_serve_look(pass->local, cluster, json_text_or("", pass->spec, "serveConfigV2", NULL), update, &view);
    else
        (void)snprintf(view.message, sizeof(view.message), "%.500s", ray_cluster_trouble(cluster));
    if (view.applications)
        json_set(shown, "applicationStatuses", TAKE_POINTER(view.applications));
    if (view.message[0])
        memcpy(pass->trouble, view.message, sizeof(pass->trouble));
    if (view.refused)
        engine_event(&pass->local->base, pass->service->body, "Warning", "ServeConfigRefused", "%s", view.message);
    return view;
}

/* --- the pending cluster ------------------------------------------------------------------------------------------ */

/* The name is written down before anything of that name is made. */
static int begin_pending(struct service_pass *pass)
{
    AUTO_FREE char *name = ray_owned_name(pass->service);
    json_remove(pass->status, PENDING);
    json_set_text(json_object_in(pass->status, PENDING), "rayClusterName", name);
    look_again(pass, 1);
    return 0;
}

/* Names lead to it from now on. */
static int promote(struct service_pass *pass, struct error *error)
{
    int r = rayservice_mark_served(pass->local, pass->pending, error);
    if (r == 0)
        r = rayservice_lead(pass->local, pass->service, pass->pending, error);
    if (r < 0)
        return r;
    json_set(pass->status, ACTIVE, json_copy(json_member(pass->status, PENDING)));
    json_remove(pass->status, PENDING);
    pass->answers = true;
    engine_event(&pass->local->base, pass->service->body, "Normal", "Serving", "RayCluster %s serves now",
                 pass->pending->name);
    look_again(pass, 1);
    return 0;
}

static int run_pending(struct service_pass *pass, struct error *error)
{
    look_again(pass, STARTING_MS);
    if (!pass->pending) {
        int r = ray_owned_make(pass->local, pass->service, name_in(pass, PENDING),
                               json_member(pass->spec, "rayClusterConfig"), error);
        return r == -ERROR_EXISTS ? begin_pending(pass) : r;
    }
    if (!rayservice_is_current(pass->service, pass->pending))
        return begin_pending(pass); /* what is wanted has changed meanwhile; the other is left */
    return show(pass, PENDING, pass->pending, true).complete ? promote(pass, error) : 0;
}

/* --- the active cluster ------------------------------------------------------------------------------------------- */

/* While another cluster is on its way it goes on with the configuration that it has. */
static int run_active(struct service_pass *pass, bool current, struct error *error)
{
    struct ray_serve_view view = show(pass, ACTIVE, pass->active, current || !replaces(pass));
    pass->answers = view.answers;
    look_again(pass, view.complete ? STEADY_MS : STARTING_MS);
    int r = rayservice_lead(pass->local, pass->service, pass->active, error);
    return r == 0 && current ? rayservice_resize(pass->local, pass->service, pass->active, error) : r;
}

static int run(struct service_pass *pass, struct error *error)
{
    bool current = pass->active && rayservice_is_current(pass->service, pass->active);
    int64_t again_ms = 0;
    int r = 0;
    if (pass->active)
        r = run_active(pass, current, error);
    else
        json_remove(pass->status, ACTIVE); /* the first is on its way, or somebody deleted it */
    bool wanted = !pass->active || (replaces(pass) && !current);
    if (r == 0 && !wanted)
        json_remove(pass->status, PENDING); /* taken back */
    else if (r == 0)
        r = name_in(pass, PENDING)[0] ? run_pending(pass, error) : begin_pending(pass);
    if (r == 0)
        r = rayservice_leave_others(pass->local, pass->service, name_in(pass, ACTIVE), name_in(pass, PENDING),
                                    &again_ms, error);
    if (again_ms)
        look_again(pass, again_ms);
    return r;
}

/* --- suspension --------------------------------------------------------------------------------------------------- */

static int suspend(struct service_pass *pass, bool *ret_gone, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list all = {0};
    *ret_gone = true;
    objects_select(pass->local->objects, KIND_RAYCLUSTER, pass->service->namespace, NULL, &all);
    for (size_t i = 0; i < all.count; i++) {
        bool gone;
        if (!object_controlled_by(all.items[i], pass->service->uid))
            continue;
        *ret_gone = false;
        int r =
            ray_owned_remove(pass->local, pass->service, all.items[i]->name, "the service is suspended", &gone, error);
        if (r < 0)
            return r;
    }
    json_remove(pass->status, ACTIVE);
    json_remove(pass->status, PENDING);
    if (!*ret_gone)
        look_again(pass, STARTING_MS);
    return 0;
}

static void set_suspension(struct service_pass *pass, bool suspended, bool gone)
{
    status_drop_condition(pass->status, "Suspending");
    status_drop_condition(pass->status, "Suspended");
    if (suspended)
        status_set_condition(pass->status, gone ? "Suspended" : "Suspending", true, "UserRequested",
                             gone ? "its clusters are gone" : "its clusters are being removed");
}

/* --- the pass ----------------------------------------------------------------------------------------------------- */

/* Types and reasons as KubeRay's, but for NotAllApplicationsRunning: what is served is not all that is wanted. */
static void set_conditions(struct service_pass *pass, bool suspended)
{
    bool active = name_in(pass, ACTIVE)[0], pending = name_in(pass, PENDING)[0];
    const char *waits = pass->trouble[0] ? pass->trouble : "the cluster is starting";
    json_set_text(pass->status, "serviceStatus", pass->answers ? "Running" : "");
    json_set_i64(pass->status, "numServeEndpoints", pass->answers ? 1 : 0);
    if (pass->answers)
        status_set_condition(pass->status, "Ready", true,
                             pass->trouble[0] ? "NotAllApplicationsRunning" : "NonZeroServeEndpoints",
                             pass->trouble[0] ? pass->trouble : "all applications run");
    else
        status_set_condition(pass->status, "Ready", false, active ? "ZeroServeEndpoints" : "Initializing",
                             suspended ? "the service is suspended" : waits);
    status_set_condition(pass->status, "UpgradeInProgress", active && pending,
                         active && pending ? "BothActivePendingClustersExist"
                         : active          ? "NoPendingCluster"
                                           : "NoActiveCluster",
                         active && pending ? waits : "");
}

static int reconcile_service(struct service_pass *pass, struct error *error)
{
    bool suspended = json_true(pass->spec, "suspend", NULL), gone = false;
    int64_t generation = 0;
    struct error fault = {0};
    int r = suspended ? suspend(pass, &gone, error) : run(pass, error);
    if (r < 0 && r != -ERROR_UNAVAILABLE && r != -ERROR_CONFLICT)
        (void)snprintf(pass->trouble, sizeof(pass->trouble), "%.500s", error->message);
    (void)json_i64(json_at(pass->service->body, "metadata", "generation", NULL), &generation);
    json_set_i64(pass->status, "observedGeneration", generation);
    set_suspension(pass, suspended, gone);
    set_conditions(pass, suspended);
    int shown = objects_set_status(pass->local->objects, pass->service, TAKE_POINTER(pass->status), &fault);
    if (r == 0 && shown < 0)
        *error = fault;
    return r < 0 ? r : shown;
}

static struct object *find_cluster(const struct service_pass *pass, const char *part)
{
    const char *name = name_in(pass, part);
    struct object *cluster =
        name[0] ? objects_find(pass->local->objects, KIND_RAYCLUSTER, pass->service->namespace, name) : NULL;
    if (cluster && (object_terminating(cluster) || !object_controlled_by(cluster, pass->service->uid))) {
        object_unref(cluster);
        return NULL;
    }
    return cluster;
}

int64_t rayservice_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *service = objects_find(local->objects, KIND_RAYSERVICE, namespace, name);
    if (!service || object_terminating(service))
        return 0;
    const cJSON *status = json_member(service->body, "status");
    struct service_pass pass = {.local = local,
                                .service = service,
                                .spec = json_member(service->body, "spec"),
                                .status = cJSON_IsObject(status) ? json_copy(status) : json_object()};
    pass.active = find_cluster(&pass, ACTIVE);
    pass.pending = find_cluster(&pass, PENDING);
    int r = reconcile_service(&pass, error);
    object_unref(pass.active);
    object_unref(pass.pending);
    cJSON_Delete(pass.status);
    return r < 0 ? r : pass.again_ms;
}
