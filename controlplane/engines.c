/* Which engine does the configuration ask for, and what is it told? */
#include "controlplane/engines.h"

#include <unistd.h>

#include "base/file.h"
#include "controlplane/limits.h"
#include "controlplane/raydefaults.h"
#include "engine/kubernetes/kubernetes.h"
#include "engine/local/local.h"
#include "engine/raymetrics.h"

static struct raymetrics ray_metrics_of(const struct config *config)
{
    return (struct raymetrics){.prometheus = config->ray_prometheus_host.text,
                               .grafana = config->ray_grafana_host.text,
                               .grafana_iframe = config->ray_grafana_iframe_host.text};
}

static int open_local(const struct config *config, struct store *store, struct engine **ret, struct error *error)
{
    struct local_options options = {.store = store,
                                    .sandboxd_socket = config->sandboxd_socket.text,
                                    .images_directory = config->images.text,
                                    .memory_reserved_bytes = config->memory_reserved.number,
                                    .disk_reserved_bytes = config->disk_reserved.number,
                                    .cpu_overcommit = (double)config->cpu_overcommit.number,
                                    .outbound = config->outbound.text,
                                    .ray_metrics = ray_metrics_of(config)};
    return local_engine_new(&options, ret, error);
}

/* A name of its own for every process: two of one name would both think that they lead. */
static char *make_identity(const char *configured)
{
    char host[256] = "";
    if (*configured)
        return memory_text(configured);
    if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
        snprintf(host, sizeof(host), "atelierd");
    return memory_format("%s-%ld", host, (long)getpid());
}

static int open_kubernetes(const struct config *config, struct store *store, struct engine **ret, struct error *error)
{
    AUTO_BUFFER struct buffer images = {0};
    AUTO_FREE char *identity = make_identity(config->identity.text);
    const char *path = config->kube_images.text;
    int status = *path ? file_read(path, LIMIT_IMAGES_FILE, &images, error) : 0;
    if (status < 0)
        return error_wrap(error, "the images (ATELIER_KUBE_IMAGES)");
    struct kubernetes_options options = {.kubeconfig = config->kubeconfig.text,
                                         .context = config->kube_context.text,
                                         .namespace = config->namespace.text,
                                         .tenant_namespace = config->tenant_namespace.text,
                                         .identity = identity,
                                         .images = images.n ? images.p : "",
                                         .reconcilers = (unsigned)config->reconcilers.number,
                                         .leader_election = config->leader_election.number != 0,
                                         .store = store,
                                         .ray_metrics = ray_metrics_of(config)};
    status = kubernetes_engine_new(&options, config->kube_wait_s.number * 1000, ret, error);
    return status < 0 ? error_wrap(error, "the cluster (ATELIER_KUBECONFIG)") : 0;
}

int engine_open(const struct config *config, struct store *store, struct engine **ret, struct error *error)
{
    const struct raymetrics hosts = ray_metrics_of(config);
    int status = raydefaults_check(config, error);
    if (status == 0)
        status = raymetrics_check(&hosts, error);
    if (status < 0)
        return status;
    return config->engine.number ? open_kubernetes(config, store, ret, error) : open_local(config, store, ret, error);
}

void engine_close(const struct config *config, struct engine *engine)
{
    if (engine && config->engine.number)
        kubernetes_engine_free(engine);
    else if (engine)
        local_engine_free(engine);
}
