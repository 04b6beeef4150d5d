/*
 * Which settings exist, where each value comes from, and what is wrong with it.
 *
 * One table is the only source for parsing, defaults, `atelierd --help`, `atelierd check-config` and
 * docs/configuration.md. A value comes from the environment, else from the YAML file, else from the table's default, in
 * which {data} and {run_dir} stand for those settings. Secrets are given in the environment or by a file's path.
 */
#ifndef ATELIER_CONTROLPLANE_CONFIG_H
#define ATELIER_CONTROLPLANE_CONFIG_H

#include "base/json.h"
#include "base/log.h"

/* identifier (the YAML key), environment variable, type, default, least, most, reloadable by SIGHUP, help.
 * least and most: the number itself, bytes for SIZE, milli-CPUs for CPU, characters for texts. */
#define CONFIG_TABLE(X)                                                                                                \
    X(listen, "ATELIER_LISTEN", ADDRESS, "127.0.0.1:8080", 1, 64, false,                                               \
      "address and port of the API, the console and every tenant endpoint (http)")                                     \
    X(tls_listen, "ATELIER_TLS_LISTEN", ADDRESS, "127.0.0.1:8443", 0, 64, false,                                       \
      "the same over https; empty to disable. Only if this default is taken, atelierd goes on without")                \
    X(tls_certificate, "ATELIER_TLS_CERTIFICATE", PATH, "", 0, 4000, false,                                            \
      "certificate chain in PEM, read again when it changes; empty: certificates of Atelier's own authority")          \
    X(tls_key, "ATELIER_TLS_KEY", PATH, "", 0, 4000, false, "its private key in PEM")                                  \
    X(https_redirect, "ATELIER_HTTPS_REDIRECT", INTEGER, "0", 0, 1, false,                                             \
      "1: http answers with a redirect to https, but for /healthz, /livez and /readyz")                                \
    X(tls_outside, "ATELIER_TLS_OUTSIDE", INTEGER, "0", 0, 1, false,                                                   \
      "1: http is reached only through a proxy that ends TLS; browsers are then taken to be on https")                 \
    X(metrics_listen, "ATELIER_METRICS_LISTEN", ADDRESS, "127.0.0.1:9464", 0, 64, false,                               \
      "address and port of /metrics, and of /healthz, /livez and /readyz for probes by address; empty to disable")     \
    X(base_domain, "ATELIER_BASE_DOMAIN", DOMAIN, "localhost", 1, 189, false,                                          \
      "domain below which every resource has a host of its own (notebook-nb1--alice.localhost)")                       \
    X(admin_email, "ATELIER_ADMIN_EMAIL", TEXT, "admin@localhost", 3, 254, false,                                      \
      "e-mail of the first platform admin")                                                                            \
    X(data, "ATELIER_DATA", PATH, "var", 1, 4000, false, "directory of everything that is kept")                       \
    X(run_dir, "ATELIER_RUN_DIR", PATH, "{data}/run", 1, 90, false, "directory of sockets")                            \
    X(tls_directory, "ATELIER_TLS_DIRECTORY", PATH, "{data}/tls", 1, 4000, false,                                      \
      "where Atelier's own authority is kept (ca.crt, ca.key)")                                                        \
    X(admin_socket, "ATELIER_ADMIN_SOCKET", PATH, "{run_dir}/admin.sock", 1, 107, false,                               \
      "Unix socket on which this user and root are platform admins")                                                   \
    X(sandboxd_socket, "ATELIER_SANDBOXD_SOCKET", PATH, "{run_dir}/sandboxd.sock", 1, 107, false,                      \
      "Unix socket of atelier-sandboxd")                                                                               \
    X(images, "ATELIER_IMAGES", PATH, "{data}/images", 1, 4000, false, "directory of the installed images")            \
    X(engine, "ATELIER_ENGINE", ENGINE, "local", 1, 16, false,                                                         \
      "where workloads live: local (this machine) or kubernetes (a cluster)")                                          \
    X(kubeconfig, "ATELIER_KUBECONFIG", PATH, "", 0, 4000, false,                                                      \
      "kubernetes: the kubeconfig that says where the cluster is; empty: the pod's own service account")               \
    X(kube_context, "ATELIER_KUBE_CONTEXT", TEXT, "", 0, 253, false,                                                   \
      "kubernetes: which context of the kubeconfig; empty: its current one")                                           \
    X(namespace, "ATELIER_NAMESPACE", LABEL, "atelier-system", 1, 63, false,                                           \
      "kubernetes: namespace of atelierd itself, where its Lease and Secrets are")                                     \
    X(tenant_namespace, "ATELIER_TENANT_NAMESPACE", LABEL, "atelier-tenants", 1, 63, false,                            \
      "kubernetes: empty namespace whose service account names stand for people's roles in RBAC")                      \
    X(kube_images, "ATELIER_KUBE_IMAGES", PATH, "", 0, 4000, false,                                                    \
      "kubernetes: JSON file of the images that are offered; empty: the built-in list")                                \
    X(kube_wait_s, "ATELIER_KUBE_WAIT_S", INTEGER, "120", 1, 3600, false,                                              \
      "kubernetes: seconds to wait at start for the API server and its lists")                                         \
    X(leader_election, "ATELIER_LEADER_ELECTION", BOOL, "true", 1, 5, false,                                           \
      "kubernetes: replicas agree by a Lease which one reconciles; false: this is the only one")                       \
    X(pod_security, "ATELIER_POD_SECURITY", TEXT, "", 0, 16, false,                                                    \
      "kubernetes: Pod Security level of profiles: privileged, baseline or restricted; empty: baseline")               \
    X(home_class, "ATELIER_HOME_CLASS", TEXT, "", 0, 253, false,                                                       \
      "kubernetes: storage class of homes; empty: the cluster's default")                                              \
    X(namespace_labels, "ATELIER_NAMESPACE_LABELS", TEXT, "", 0, 2000, false,                                          \
      "kubernetes: further labels of profiles' namespaces, key=value,...")                                             \
    X(gateway_namespaces, "ATELIER_GATEWAY_NAMESPACES", TEXT, "", 0, 1000, false,                                      \
      "kubernetes: from where else pods are reached; empty: istio-system")                                             \
    X(gateway_principals, "ATELIER_GATEWAY_PRINCIPALS", TEXT, "", 0, 2000, false,                                      \
      "kubernetes: the gateway's identities in a mesh; empty: all of those namespaces")                                \
    X(ray_operator_namespaces, "ATELIER_RAY_OPERATOR_NAMESPACES", TEXT, "", 0, 1000, false,                            \
      "kubernetes: where KubeRay's operator runs; empty: kuberay-system")                                              \
    X(egress_except, "ATELIER_EGRESS_EXCEPT", TEXT, "", 0, 2000, false,                                                \
      "kubernetes: ranges that are not the internet; empty: private and link-local ones")                              \
    X(egress_allow, "ATELIER_EGRESS_ALLOW", TEXT, "", 0, 2000, false,                                                  \
      "kubernetes: ranges that pods may reach all the same")                                                           \
    X(istio_gateway, "ATELIER_ISTIO_GATEWAY", TEXT, "", 0, 127, false,                                                 \
      "kubernetes: Istio gateway (namespace/name) at which the paths of notebooks and of Ray lead here; empty: none")  \
    X(check_listen, "ATELIER_CHECK_LISTEN", ADDRESS, "", 0, 64, false,                                                 \
      "address and port where a proxy in front asks whether a request may pass (Envoy's ext_authz, over http or by "   \
      "gRPC without TLS); empty: none")                                                                                \
    X(webhook_listen, "ATELIER_WEBHOOK_LISTEN", ADDRESS, "", 0, 64, false,                                             \
      "kubernetes: address and port (https) where the API server asks the admission webhook; empty: there is none")    \
    X(webhook_client_ca, "ATELIER_WEBHOOK_CLIENT_CA", PATH, "", 0, 4000, false,                                        \
      "kubernetes: authorities (PEM) of the certificate that the API server must show the webhook; empty: none is "    \
      "asked for")                                                                                                     \
    X(reconcilers, "ATELIER_RECONCILERS", INTEGER, "32", 1, 128, false, "kubernetes: reconcile workers a kind")        \
    X(identity, "ATELIER_IDENTITY", TEXT, "", 0, 200, false,                                                           \
      "kubernetes: name of this replica in the Lease; empty: host name and process")                                   \
    X(database_url, "DATABASE_URL", SECRET, "", 0, 4000, false,                                                        \
      "PostgreSQL to use: a postgres:// URL or libpq's key=value form; needed unless database_url_file is set")        \
    X(database_url_file, "DATABASE_URL_FILE", PATH, "", 0, 4000, false,                                                \
      "file that holds database_url, for passwords that should not be in the environment")                             \
    X(database_connections, "ATELIER_DATABASE_CONNECTIONS", INTEGER, "8", 2, 64, false, "connections to PostgreSQL")   \
    X(profiles_per_user, "ATELIER_PROFILES_PER_USER", INTEGER, "3", 0, 1000, false,                                    \
      "profiles one person may own; platform admins are not limited")                                                  \
    X(quota_cpu, "ATELIER_QUOTA_CPU", CPU, "32", 100, 1000000000, false, "CPU quota of a new profile")                 \
    X(quota_memory, "ATELIER_QUOTA_MEMORY", SIZE, "64Gi", 67108864, 1125899906842624, false,                           \
      "memory quota of a new profile")                                                                                 \
    X(home_size, "ATELIER_HOME_SIZE", SIZE, "10Gi", 67108864, 1125899906842624, false,                                 \
      "size of a profile's home volume")                                                                               \
    X(cpu_overcommit, "ATELIER_CPU_OVERCOMMIT", INTEGER, "8", 1, 100, false,                                           \
      "how many times each CPU of the machine may be promised")                                                        \
    X(memory_reserved, "ATELIER_MEMORY_RESERVED", SIZE, "2Gi", 0, 1125899906842624, false,                             \
      "memory of the machine that is never promised to pods")                                                          \
    X(disk_reserved, "ATELIER_DISK_RESERVED", SIZE, "2Gi", 0, 1125899906842624, false,                                 \
      "local: room on the data directory's disk that pods do not get: with less free none is started, with less than " \
      "half of it the pod that took it is ended; 0: no limit")                                                         \
    X(outbound, "ATELIER_OUTBOUND", OUTBOUND, "on", 2, 2000, false,                                                    \
      "local: what pods may reach outside: on (the internet, never this machine or private ranges), off, or "          \
      "RANGE:PORT,... such as 203.0.113.0/24:443; a profile's annotation atelier.dev/outbound narrows it")             \
    X(session_ttl_s, "ATELIER_SESSION_TTL_S", INTEGER, "2592000", 60, 31536000, false,                                 \
      "seconds after which a sign-in ends in any case")                                                                \
    X(max_stale_s, "ATELIER_MAX_STALE_S", INTEGER, "300", 5, 86400, false,                                             \
      "seconds that decisions go on from the last policy snapshot while PostgreSQL is away")                           \
    X(database_wait_s, "ATELIER_DATABASE_WAIT_S", INTEGER, "60", 0, 3600, false,                                       \
      "seconds to wait for PostgreSQL at start")                                                                       \
    X(drain_s, "ATELIER_DRAIN_S", INTEGER, "5", 0, 600, true,                                                          \
      "seconds that running requests get to finish after SIGTERM")                                                     \
    X(public_apps, "ATELIER_PUBLIC_APPS", BOOL, "false", 1, 5, false,                                                  \
      "owners may let anybody use applications of their Ray clusters without signing in (atelier.dev/public-apps)")    \
    X(resume_wait_s, "ATELIER_RESUME_WAIT_S", INTEGER, "25", 0, 600, false,                                            \
      "seconds that a program's request waits for the Ray cluster it went to while that starts, before it is "         \
      "answered "                                                                                                      \
      "503; a load balancer in front must wait longer; 0: not at all")                                                 \
    X(ray_prometheus_host, "ATELIER_RAY_PROMETHEUS_HOST", TEXT, "", 0, 500, false,                                     \
      "URL at which heads of Ray clusters reach the Prometheus that has their figures; empty: dashboards hide their "  \
      "metrics pages")                                                                                                 \
    X(ray_grafana_host, "ATELIER_RAY_GRAFANA_HOST", TEXT, "", 0, 500, false,                                           \
      "the same of the Grafana whose panels those pages embed; it needs ray_prometheus_host")                          \
    X(ray_grafana_iframe_host, "ATELIER_RAY_GRAFANA_IFRAME_HOST", TEXT, "", 0, 500, false,                             \
      "URL at which browsers reach that Grafana; empty: ray_grafana_host")                                             \
    X(ray_redis_address, "ATELIER_RAY_REDIS_ADDRESS", TEXT, "", 0, 300, false,                                         \
      "HOST:PORT of a Redis as heads of Ray clusters reach it: those made by the forms and the command line keep "     \
      "there what they must not forget; a short name is a service of each profile. Empty: the profile's own Redis on " \
      "one machine with redis-server, else none")                                                                      \
    X(ray_redis_secret, "ATELIER_RAY_REDIS_SECRET", TEXT, "", 0, 320, false,                                           \
      "NAME:KEY of the Secret in each profile that has its password; empty: it has none")                              \
    X(idle_notebook_s, "ATELIER_IDLE_NOTEBOOK_S", INTEGER, "0", 0, 31536000, false,                                    \
      "seconds after which a notebook that nobody uses is stopped, unless it or its profile says otherwise; 0: never") \
    X(idle_cluster_s, "ATELIER_IDLE_CLUSTER_S", INTEGER, "0", 0, 31536000, false,                                      \
      "seconds after which a Ray cluster that nobody uses is suspended, unless it or its profile says otherwise; "     \
      "0: never. Not on a cluster with KubeRay")                                                                       \
    X(idle_warn_s, "ATELIER_IDLE_WARN_S", INTEGER, "900", 1, 86400, false,                                             \
      "seconds between the warning and the end of what nobody uses")                                                   \
    X(idle_check_s, "ATELIER_IDLE_CHECK_S", INTEGER, "60", 1, 3600, false,                                             \
      "seconds between two looks at whether a running workload is used")                                               \
    X(sample_s, "ATELIER_SAMPLE_S", INTEGER, "15", 1, 60, false,                                                       \
      "seconds between two readings of what workloads use; their mean is kept a minute")                               \
    X(audit_kept_s, "ATELIER_AUDIT_KEPT_S", INTEGER, "34560000", 0, 3153600000, false,                                 \
      "seconds after which an entry of the audit log is removed (400 days); 0: never")                                 \
    X(images_offered, "ATELIER_IMAGES_OFFERED", TEXT, "", 0, 4000, false,                                              \
      "names of images that are always kept, separated by commas; what no object uses of the others is removed; "      \
      "empty: nothing is removed")                                                                                     \
    X(image_unused_s, "ATELIER_IMAGE_UNUSED_S", INTEGER, "2592000", 0, 315360000, false,                               \
      "seconds that an image which is not in images_offered is kept after its last use")                               \
    X(workers, "ATELIER_WORKERS", INTEGER, "8", 1, 64, false, "threads that answer API requests")                      \
    X(loops, "ATELIER_LOOPS", INTEGER, "0", 0, 16, false, "event loops; 0: one a core, at most 4")                     \
    X(log_level, "ATELIER_LOG_LEVEL", LEVEL, "info", 1, 8, true, "least level that is logged: debug, info, warn, error")

/* Each setting: its text as given, and, for numbers, its value in the unit of the table. */
struct config_value {
    char *text;
    int64_t number;
};
struct config {
#define X(id, ...) struct config_value id;
    CONFIG_TABLE(X)
#undef X
};
struct config_key {
    const char *name, *variable, *type, *fallback, *help;
    int64_t least, most;
    bool reloadable;
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;

/*
 * Reads everything. <yaml> is the content of the configuration file, or empty; <environment> looks a variable up (NULL:
 * getenv). INVALID names the key, the value's source and what was expected. *ret is released by config_free.
 */
int config_load(struct slice yaml, const char *(*environment)(const char *name), struct config *ret,
                struct error *error);
void config_free(struct config *config);
/* Takes over what may change while running; *ret_ignored (may be NULL) is the number of other differences. */
void config_reload(struct config *config, const struct config *fresh, unsigned *ret_ignored);
enum log_level config_log_level(const struct config *config);
/* Whether a setting has the table's default as its value, given or not. */
bool config_is_default(const struct config *config, const char *name);
/* The port of the listen address, for URLs: "8080". */
const char *config_port(const struct config *config);

/* Printed forms: for --help, for docs/configuration.md, and the effective values (secrets hidden). */
void config_print_help(struct buffer *ret);
void config_print_docs(struct buffer *ret);
void config_print_values(const struct config *config, struct buffer *ret);

#endif
