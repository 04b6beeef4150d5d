/* In which order does everything start, and stop? */
#include "controlplane/server.h"

#include "base/clock.h"
#include "controlplane/doors.h"
#include "controlplane/idle.h"
#include "controlplane/engines.h"
#include "controlplane/handlers.h"
#include "controlplane/list_watch.h"
#include "controlplane/logs.h"
#include "controlplane/passage.h"
#include "controlplane/router.h"
#include "controlplane/progress.h"
#include "controlplane/routes.h"
#include "controlplane/sampler.h"
#include "controlplane/upkeep.h"
#include "controlplane/watch.h"
#include "gateway/limits.h"
#include "notebooks/notebooks.h"
#include "ray/ray.h"
#include "ray/resume.h"
#include "store/store.h"
#include "tenancy/tenancy.h"
#include "webhook/webhook.h"

#define FIRST_WAIT_MS 2000 /* patience before it is worth a line in the log */

static int open_store(struct server *server, struct error *error)
{
    const struct config *config = &server->config;
    struct store_options options = {.url = config->database_url.text,
                                    .connections = (unsigned)config->database_connections.number};
    int64_t wait_ms = config->database_wait_s.number * 1000,
            first_ms = wait_ms < FIRST_WAIT_MS ? wait_ms : FIRST_WAIT_MS;
    int status = store_new(&options, &server->store, error);
    if (status == 0)
        status = store_wait(server->store, first_ms, error);
    if (status < 0 && server->store && wait_ms > first_ms) {
        log_line(LOG_WARN, "PostgreSQL does not answer yet; waiting", LOG_FAULT(error),
                 LOG_NUMBER("seconds", wait_ms / 1000));
        *error = (struct error){0};
        status = store_wait(server->store, wait_ms - first_ms, error);
    }
    if (status < 0)
        return error_wrap(error, "PostgreSQL (DATABASE_URL)");
    return store_migrate(server->store, error);
}

static int open_auth(struct server *server, struct error *error)
{
    const struct config *config = &server->config;
    struct auth_options options = {.store = server->store,
                                   .admin_email = config->admin_email.text,
                                   .max_stale_ms = config->max_stale_s.number * 1000,
                                   .session_ttl_ms = config->session_ttl_s.number * 1000,
                                   .profiles_per_user = (unsigned)config->profiles_per_user.number};
    int status = auth_new(&options, &server->auth, error);
    if (status == 0 && !auth_ready(server->auth))
        status = auth_refresh(server->auth, error);
    return status;
}

/* NULL for what is left to its room's default. */
static const char *given(const char *text)
{
    return *text ? text : NULL;
}

static int open_rooms(struct server *server, struct error *error)
{
    const struct config *config = &server->config;
    int status = engine_open(config, server->store, &server->engine, error);
    if (status < 0)
        return status;
    struct tenancy_options tenancy = {
        .engine = server->engine,
        .auth = server->auth,
        .quota_cpu = config->quota_cpu.text,
        .quota_memory = config->quota_memory.text,
        .home_size = config->home_size.text,
        .namespace = config->namespace.text,
        .pod_security = given(config->pod_security.text),
        .home_class = given(config->home_class.text),
        .namespace_labels = given(config->namespace_labels.text),
        .gateway_namespaces = given(config->gateway_namespaces.text),
        .gateway_principals = given(config->gateway_principals.text),
        .ray_operator_namespaces = given(config->ray_operator_namespaces.text),
        .egress_except = given(config->egress_except.text),
        .egress_allow = given(config->egress_allow.text),
    };
    status = tenancy_new(&tenancy, &server->tenancy, error);
    struct notebooks_options notebooks = {
        .engine = server->engine, .istio_gateway = config->istio_gateway.text, .namespace = config->namespace.text};
    if (status == 0)
        status = notebooks_new(&notebooks, &server->notebooks, error);
    if (status == 0 && engine_traits(server->engine)->ray_by_kuberay)
        server->ray_mesh = ray_mesh_new(server->engine, config->istio_gateway.text, config->namespace.text);
    if (status == 0)
        status = routes_new(server->engine, &server->routes, error);
    struct webhook_options webhook = {.engine = server->engine, .namespace = config->namespace.text};
    if (status == 0 && *config->webhook_listen.text)
        status = webhook_new(&webhook, &server->webhook, error);
    return status;
}

bool server_resolve(const struct server *server, const struct route *route, struct target *ret)
{
    bool found = routes_resolve(server->routes, route, ret);
    if (found && server->config.public_apps.number == 0)
        ret->open[0] = '\0';
    return found;
}

static bool resolve(void *context, const struct route *route, struct target *ret)
{
    return server_resolve(context, route, ret);
}

static bool find_label(void *context, struct slice label, struct route *ret)
{
    return routes_find_label(((struct server *)context)->routes, label, ret);
}

static bool explain(void *context, const char *namespace, const struct target *target, struct progress *ret)
{
    return progress_look(((struct server *)context)->engine, namespace, target, ret);
}

static bool pod_owner(void *context, const char *namespace, const char *pod, struct target *ret)
{
    return tenancy_pod_owner(((struct server *)context)->engine, namespace, pod, ret->owner_kind, ret->owner_name);
}

static int resume(void *context, const char *namespace, const char *cluster, const char *person, bool *ret_resumed,
                  struct error *error)
{
    return ray_resume(((struct server *)context)->engine, namespace, cluster, person, ret_resumed, error);
}

static bool keep_door(void *context, const char *namespace, struct slice token, struct identity *ret)
{
    return doors_know(((struct server *)context)->doors, namespace, token, ret);
}

static void admit(void *context, const struct request *request, struct response *response)
{
    webhook_handle(((struct server *)context)->webhook, request, response);
}

static int open_gateway(struct server *server, struct error *error)
{
    const struct config *config = &server->config;
    AUTO_FREE char *door_directory = memory_format("%s/workloads", config->tls_directory.text);
    if (engine_traits(server->engine)->api_within)
        server->doors = doors_new(server->engine);
    gateway_limits.resume_wait_ms = config->resume_wait_s.number * 1000;
    struct gateway_options options = {.auth = server->auth,
                                      .engine = server->engine,
                                      .listen = config->listen.text,
                                      .tls = {.listen = config->tls_listen.text,
                                              .certificate_file = config->tls_certificate.text,
                                              .key_file = config->tls_key.text,
                                              .directory = config->tls_directory.text,
                                              .redirect = config->https_redirect.number != 0,
                                              .outside = config->tls_outside.number != 0},
                                      .check_listen = config->check_listen.text,
                                      .webhook_listen = config->webhook_listen.text,
                                      .webhook_client_ca = config->webhook_client_ca.text,
                                      .webhook_handler = admit,
                                      .metrics_listen = config->metrics_listen.text,
                                      .admin_socket = config->admin_socket.text,
                                      .base_domain = config->base_domain.text,
                                      .loops = (unsigned)config->loops.number,
                                      .workers = (unsigned)config->workers.number,
                                      .handler = router_handle,
                                      .resolver = resolve,
                                      .find_label = find_label,
                                      .explain = explain,
                                      .resume = resume,
                                      .pod_owner = pod_owner,
                                      .door_keeper = server->doors ? keep_door : NULL,
                                      .door_directory = door_directory,
                                      .context = server};
    int status = gateway_new(&options, &server->gateway, error);
    /* An address that somebody asked for must be had; the default one may belong to another program of the machine. */
    if (status != -ERROR_EXISTS || strcmp(error->field, "tls_listen") != 0 || !config_is_default(config, "tls_listen"))
        return status;
    log_line(LOG_WARN, "https is off: set ATELIER_TLS_LISTEN to a free address", LOG_FAULT(error));
    *error = (struct error){0};
    options.tls.listen = "";
    return gateway_new(&options, &server->gateway, error);
}

static void on_policy_change(void *context)
{
    watches_review(((struct server *)context)->watches);
    list_watches_review(((struct server *)context)->list_watches);
}

int server_start(struct server *server, struct error *error)
{
    int status = open_store(server, error);
    if (status == 0)
        status = open_auth(server, error);
    if (status == 0)
        status = open_rooms(server, error);
    if (status == 0)
        status = open_gateway(server, error);
    if (status == 0)
        status = list_watches_new(server, &server->list_watches, error);
    if (status < 0) {
        server_stop(server);
        return status;
    }
    server->watches = watches_new(server);
    server->followers = followers_new(server);
    server->passages = passages_new();
    server->documents = documents_new();
    server->sampler = sampler_new(server->engine, server->store, server->gateway, server->config.sample_s.number);
    server->idle = idle_start(server);
    server->upkeep = upkeep_start(server);
    auth_on_change(server->auth, on_policy_change, server);
    gateway_start(server->gateway);
    if (server->webhook)
        webhook_start(server->webhook, server->gateway);
    if (server->doors)
        doors_start(server->doors, server->gateway);
    return 0;
}

/* Streams end first, or the gateway would wait for them; nothing is freed before all that uses it has stopped. */
void server_stop(struct server *server)
{
    followers_stop(server->followers);
    watches_stop(server->watches);
    list_watches_stop(server->list_watches);
    doors_stop(server->doors);
    passages_stop(server->passages);
    webhook_stop(server->webhook);
    if (server->gateway)
        gateway_stop(server->gateway, server->config.drain_s.number * 1000);
    upkeep_end(server->upkeep);
    idle_end(server->idle);
    sampler_free(server->sampler);
    gateway_free(server->gateway);
    doors_free(server->doors);
    webhook_free(server->webhook);
    routes_free(server->routes);
    ray_mesh_free(server->ray_mesh);
    notebooks_free(server->notebooks);
    tenancy_free(server->tenancy);
    engine_close(&server->config, server->engine);
    auth_free(server->auth);
    store_free(server->store);
    followers_free(server->followers);
    watches_free(server->watches);
    list_watches_free(server->list_watches);
    passages_free(server->passages);
    documents_free(server->documents);
    struct config config = server->config;
    *server = (struct server){.config = config};
}
