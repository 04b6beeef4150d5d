/*
 * The one interface to where workloads live: Kubernetes-shaped objects in, status and connections out.
 *
 * The domain rooms (tenancy, notebooks, ray) speak only this and never ask which engine they stand on, only which kinds
 * it has. `engine/local` keeps the objects in PostgreSQL and runs them as processes on this machine;
 * `engine/kubernetes` passes them to a kube-apiserver. Semantics follow the Kubernetes API conventions: resourceVersion
 * guards updates, deletion with finalizers is two-step, ownerReferences cascade, watches resume from a resourceVersion
 * or answer GONE.
 *
 * Threads: every function may be called from any thread and may block (never call them on an event loop), except
 * engine_watch callbacks, which must not block. Returned cJSON trees are the caller's; passed ones are borrowed.
 */
#ifndef ATELIER_ENGINE_ENGINE_H
#define ATELIER_ENGINE_ENGINE_H

#include "base/json.h"
#include "engine/raymetrics.h"

/* Kinds known. An engine need not have all of them (engine_has). identifier, group ("" = core), version, Kind, plural,
 * singular, namespaced, short name (or "") */
#define ENGINE_KIND_TABLE(X)                                                                                           \
    X(NAMESPACE, "", "v1", "Namespace", "namespaces", "namespace", false, "ns")                                        \
    X(POD, "", "v1", "Pod", "pods", "pod", true, "po")                                                                 \
    X(SERVICE, "", "v1", "Service", "services", "service", true, "svc")                                                \
    X(EVENT, "", "v1", "Event", "events", "event", true, "ev")                                                         \
    X(CLAIM, "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", true, "pvc")        \
    X(CONFIGMAP, "", "v1", "ConfigMap", "configmaps", "configmap", true, "cm")                                         \
    X(SECRET, "", "v1", "Secret", "secrets", "secret", true, "")                                                       \
    X(RESOURCEQUOTA, "", "v1", "ResourceQuota", "resourcequotas", "resourcequota", true, "quota")                      \
    X(STATEFULSET, "apps", "v1", "StatefulSet", "statefulsets", "statefulset", true, "sts")                            \
    X(CONTROLLERREVISION, "apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision", true, "")   \
    X(PROFILE, "kubeflow.org", "v1", "Profile", "profiles", "profile", false, "")                                      \
    X(NOTEBOOK, "kubeflow.org", "v1", "Notebook", "notebooks", "notebook", true, "nb")                                 \
    X(RAYCLUSTER, "ray.io", "v1", "RayCluster", "rayclusters", "raycluster", true, "")                                 \
    X(RAYJOB, "ray.io", "v1", "RayJob", "rayjobs", "rayjob", true, "")                                                 \
    X(RAYSERVICE, "ray.io", "v1", "RayService", "rayservices", "rayservice", true, "")                                 \
    X(PODDEFAULT, "kubeflow.org", "v1alpha1", "PodDefault", "poddefaults", "poddefault", true, "")                     \
    X(SERVICEACCOUNT, "", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", true, "sa")                     \
    X(LIMITRANGE, "", "v1", "LimitRange", "limitranges", "limitrange", true, "limits")                                 \
    X(ROLEBINDING, "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", true, "")          \
    X(NETWORKPOLICY, "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", true, "netpol")   \
    X(AUTHORIZATIONPOLICY, "security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies",                  \
      "authorizationpolicy", true, "ap")                                                                               \
    X(VIRTUALSERVICE, "networking.istio.io", "v1", "VirtualService", "virtualservices", "virtualservice", true, "vs")

enum engine_kind {
#define X(id, ...) KIND_##id,
    ENGINE_KIND_TABLE(X)
#undef X
        KIND_COUNT
};
struct engine_kind_info {
    const char *group, *version, *kind, *plural, *singular, *short_name;
    bool namespaced;
};
extern const struct engine_kind_info engine_kinds[KIND_COUNT];
/* By group + plural as in a URL, or by group + Kind as in a manifest. False if not served. */
bool engine_kind_by_plural(struct slice group, struct slice plural, enum engine_kind *ret);
bool engine_kind_by_name(struct slice group, struct slice kind, enum engine_kind *ret);
/* Kinds of which clusters have definitions of many versions (KubeRay's): they are written so that the API server
 * refuses by its name a field that it does not know (fieldValidation=Strict), instead of dropping it without a word. */
bool engine_writes_strictly(const char *group);
/* "ray.io/v1" or "v1" for that kind; static. */
const char *engine_api_version(enum engine_kind kind);

struct engine;

/* True if objects of this kind exist here. A domain room renders an object of a kind only where the engine has it: a
 * sandbox needs no NetworkPolicy, a cluster without Istio no VirtualService. May change while running (a CRD is
 * installed). Every other function answers NOT_FOUND for a kind that the engine has not. */
bool engine_has(struct engine *engine, enum engine_kind kind);
bool engine_watches(struct engine *engine, enum engine_kind kind); /* else engine_watch is METHOD */
/* How does the KubeRay of this cluster come to ask for a token, if it can? */
enum engine_ray_auth {
    ENGINE_RAY_AUTH_NAMED, /* from 1.6: authOptions name the Secret; so does an engine that runs Ray itself */
    ENGINE_RAY_AUTH_OWN,   /* 1.5.1: they cannot, and each cluster has a Secret of its own that KubeRay makes */
    ENGINE_RAY_AUTH_NONE,  /* before: it knows no authOptions, and Ray would run anybody's code */
    ENGINE_RAY_AUTH_COUNT
};
struct engine_traits {
    const char *name;                     /* "local", "kubernetes": for logs and people, never to branch on */
    unsigned reconcilers;                 /* how many reconcile workers a room may usefully run at once */
    const char *tenant_subject_namespace; /* RBAC subjects of tenants live there: ServiceAccount "<profile>.<role>" in
                                             this namespace ("atelier-tenants"); NULL: no RBAC here */
    bool pods_by_kubelet; /* pods run as whatever user they name, volumes are root's unless fsGroup says otherwise and
                             most are on one node at a time, and Pod Security judges: a pod must say it all */
    bool ray_by_kuberay;  /* KubeRay turns Ray's objects into pods: all it knows is possible, and its rules hold */
    enum engine_ray_auth ray_auth; /* may change while running (KubeRay is upgraded), as the next */
    bool ray_autoscaler_command;   /* KubeRay lets the autoscaler be started by a command of one's own (from 1.7) */
    bool ray_gateway;              /* KubeRay can replace a RayService step by step: Gateway API is there */
    bool api_within;               /* whoever serves the API must also serve it to workloads (engine_listen) */
    bool ray_autoscaling;          /* a RayCluster may change its own number of workers */
    bool ray_fault_tolerance;      /* a head may come back with what it knew (gcsFaultToleranceOptions) */
    bool ray_store;                /* the engine has a store for that itself: redisAddress may be left out */
    bool outbound;                 /* the engine decides itself what pods reach outside; ENGINE_OUTBOUND narrows it */
    struct raymetrics ray_metrics; /* what the dashboards of Ray clusters show (engine/raymetrics.h) */
};
const struct engine_traits *engine_traits(struct engine *engine);
/* True while this process is the one that reconciles (always, where there can be only one). A reconciler asks before
 * each pass; writes that a reconciler sends after leadership was lost are refused with UNAVAILABLE by the engine. */
bool engine_leads(struct engine *engine);
/* Calls <begun> whenever this process comes to reconcile, on a thread of the engine's: it must only add to a queue. A
 * pass that engine_leads ended before that is then due. Never where this process always leads. Ends with the latter,
 * which waits for a call under way. */
void engine_on_leading(struct engine *engine, void (*begun)(void *context), void *context);
void engine_off_leading(struct engine *engine, void *context);
/* Marks the writes that the calling thread makes as those of the reconciler <who>, any pointer of its own (see
 * engine_leads); NULL: of none. follow_handle does this. */
void engine_reconciling(const void *who);

/* --- objects ------------------------------------------------------------------------------------------------------ */

/* On a RayCluster: the generation in which it was suspended because nobody used it (ray/idle.c). */
#define ENGINE_SUSPENDED_IDLE "atelier.dev/suspended-idle"
/* True while that is so: whoever changes its spec afterwards makes another generation. */
bool engine_suspended_idle(const cJSON *cluster);

/* On a Profile and its Namespace: what its pods may reach outside, within what the installation allows
 * (base/outbound.h). */
#define ENGINE_OUTBOUND "atelier.dev/outbound"

/* Which subtree a write may change: spec and metadata, or only status (the status subresource). */
enum engine_part { ENGINE_SPEC, ENGINE_STATUS };
enum engine_patch { ENGINE_PATCH_MERGE, ENGINE_PATCH_JSON, ENGINE_PATCH_APPLY };

/* metadata.name (or generateName) must be set; uid, creationTimestamp, resourceVersion, generation are set here.
 * EXISTS if taken; NOT_FOUND if the namespace does not exist; CONFLICT if it is terminating. */
int engine_create(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *object, cJSON **ret,
                  struct error *error);
int engine_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
               struct error *error);
/* The same, lent instead of copied where the engine keeps it as a tree: read only, and as it was then, until
 * engine_view_end. Cheaper than engine_get wherever nobody changes the tree. */
struct engine_view {
    const cJSON *object; /* NULL: none */
    void *held;          /* the engine's own */
    void (*release)(void *held);
};
int engine_view(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                struct engine_view *ret, struct error *error);
void engine_view_end(struct engine_view *view); /* one of zeroes is fine, and is what it leaves */
#define AUTO_VIEW __attribute__((cleanup(engine_view_end)))

/* The label selector of what Atelier has made. An engine that follows of a kind only these (Secrets, ResourceQuotas)
 * has them in memory, and asks its cluster about any other selector. */
#define ENGINE_OURS "app.kubernetes.io/managed-by=atelier"

struct engine_list_options {
    const char *label_selector; /* Kubernetes equality/set selectors, or NULL: "a=b,c!=d,e in (x,y),f,!g" */
    const char *field_selector; /* metadata.name=, metadata.namespace=, involvedObject.*=, or NULL */
    int64_t limit;              /* 0: all */
    const char *continue_token; /* from the previous page, or NULL */
    /* Of watches, or NULL: whether who watches must hear of a change between these two states of an object that it
     * selects. Called like the watcher; what it answers depends on the two alone. */
    bool (*concerns)(const cJSON *before, const cJSON *now);
    /* Of watches, or NULL: only what others change than this reconciler (engine_reconciling). Nothing is told of what
     * exists already if it has no version, nor of what that one has written, as far as the engine knows who wrote; of
     * an end always. */
    const void *others_than;
};
/* *ret is a List object ("kind": "PodList", metadata.resourceVersion, items). <namespace> NULL: all namespaces. */
int engine_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, cJSON **ret, struct error *error);
/* Calls <visit> with each object that such a list would hold, one after the other: for whoever looks at all that there
 * are of a kind, which may be more than should be in memory at once. *ret_version (may be NULL) is what the list's
 * metadata.resourceVersion would be, from where a watch goes on; the caller's to free. */
int engine_each(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, void (*visit)(void *context, const cJSON *object),
                void *context, char **ret_version, struct error *error);
/* Replaces. If <object> carries metadata.resourceVersion it must match (CONFLICT). Writes nothing if nothing changed.
 */
int engine_update(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                  enum engine_part part, const cJSON *object, cJSON **ret, struct error *error);
int engine_patch(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                 enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret, struct error *error);
/* Makes an object of Atelier's own as <wanted> (metadata.name and what is wanted of the rest; status is not looked at).
 * Its label app.kubernetes.io/managed-by=atelier and the annotation atelier.dev/applied (a hash of <wanted>) are put in
 * here. Writes only if the object is not there or differs from what is wanted, whoever changed it: at steady state this
 * costs no request. On a cluster it is a server-side apply: members that <wanted> had before and has no longer are
 * taken away, what others added stays. EXISTS: an object of that name is there without that label; it is left alone.
 * *ret_written (may be NULL) tells whether it wrote. */
int engine_apply(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                 bool *ret_written, struct error *error);
/* Marks for deletion; the object is gone once finalizers are empty. *ret (may be NULL) is the object as it then was. */
int engine_delete(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                  struct error *error);

/* The same for an <object> as it was read, unless it has changed since: CONFLICT. METHOD where the engine has no such
 * thing. */
int engine_delete_unchanged(struct engine *engine, enum engine_kind kind, const cJSON *object, struct error *error);

enum engine_event { ENGINE_ADDED, ENGINE_MODIFIED, ENGINE_DELETED, ENGINE_BOOKMARK, ENGINE_LOST };
/* Called from the engine's own thread, in order; must not block or call the engine. <object> is borrowed and shared:
 * read only. LOST: the watch fell behind or the engine restarted; it is over, list again. */
typedef void (*engine_watcher)(void *context, enum engine_event event, const cJSON *object);
struct engine_watch;
/* From just after <resource_version> ("" or NULL: from now, preceded by ADDED for everything that exists). GONE if that
 * version is no longer known. */
int engine_watch(struct engine *engine, enum engine_kind kind, const char *namespace,
                 const struct engine_list_options *options, const char *resource_version, engine_watcher watcher,
                 void *context, struct engine_watch **ret, struct error *error);
void engine_unwatch(struct engine_watch *watch); /* after it returns the callback does not run; NULL is fine */

/* --- what a workload may ask for ---------------------------------------------------------------------------------- */

/* Checks a PodTemplateSpec that a person wrote, INVALID with the path below <path> ("spec.template"). */
int engine_check_pod_template(struct engine *engine, const cJSON *template, const char *path, struct error *error);
/* Checks the spec.hard of a ResourceQuota, whose keys are ones that Kubernetes knows: INVALID with the path (below
 * <path>) of one that is not counted here. */
int engine_check_quota(struct engine *engine, const cJSON *hard, const char *path, struct error *error);
/* Images by name: [{"name":"ray-2.60","aliases":[...],"rayVersion":"2.60.0","ready":true,"reference":"…"}]. The
 * reference, where there is one, is what a pod must name to get that image; else the name itself is. */
int engine_images(struct engine *engine, cJSON **ret, struct error *error);
/* Removes images that are not <offered> (names, separated by commas), that no object names, and that nobody has wanted
 * for <unused_s> seconds. *ret: array of the names that went. */
int engine_prune_images(struct engine *engine, const char *offered, int64_t unused_s, cJSON **ret, struct error *error);
/* What the machine (or cluster) has and who holds it: {"allocatable":{"cpu","memory"},"requested":{…},
 * "profiles":[{"name","cpu","memory"}]}; with "nvidia.com/gpu", a number, beside them where there are any. On one
 * machine also "capacity", what it has, of which "allocatable" is what pods may hold together: less memory, more CPUs.
 */
int engine_usage(struct engine *engine, cJSON **ret, struct error *error);
/* What running pods use: [{"namespace","name","cpu","memory"}], cpu in cores, the mean since the call before (or of the
 * window that the engine has), memory in bytes. A pod that cannot be told about yet is left out. METHOD with a sentence
 * for people where nobody measures. Where the engine itself runs pods there are also "window_ms", that window, and
 * "containers": [{"name","cpu","memory"}], and one item without a namespace is the machine (ENGINE_NODE). */
#define ENGINE_NODE "local" /* the one machine's name, as a node of Kubernetes */
int engine_measure(struct engine *engine, cJSON **ret, struct error *error);

/* --- reaching a workload ------------------------------------------------------------------------------------------ */

/* A connected, non-blocking TCP socket to a service's port (name or number) in that namespace; the caller's to close.
 * NOT_FOUND: no such service or port; UNAVAILABLE: it has no ready pod, or the pod refuses. */
int engine_dial(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                struct error *error);

/* The same as somebody reaches it who may run programs there anyway: where the engine itself runs the pod, from inside
 * it, so that a number need not be among the service's ports and a program may listen on 127.0.0.1 alone. Elsewhere as
 * engine_dial. */
int engine_dial_within(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                       struct error *error);

/* From inside one pod to a port there, where the engine itself runs it. METHOD where the engine forwards
 * (engine_dial_api); NOT_FOUND: no such pod; UNAVAILABLE: it has no address yet, or nothing listens there. */
int engine_dial_pod(struct engine *engine, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                    struct error *error);

/* A command in a running container of a pod, where the engine itself runs it. *ret_fd: a SOCK_SEQPACKET socket, the
 * caller's; closing it ends the command. Each packet is one message of Kubernetes' remote-command channels
 * (v5.channel.k8s.io): a byte that names the channel, then data, ENGINE_PACKET_BYTES at most in all. METHOD where the
 * engine forwards (engine_dial_api); CONFLICT while the container does not run. Without a command: what the
 * container's own program writes from now on, and that it has ended; it has no input, and goes on when the socket is
 * closed. */
#define ENGINE_PACKET_BYTES 16384
struct engine_exec {
    const char *container; /* "": the first one */
    const cJSON *command;  /* array of texts; NULL: attach */
    bool in, out, err, terminal;
};
int engine_exec(struct engine *engine, const char *namespace, const char *pod, const struct engine_exec *wanted,
                int *ret_fd, struct error *error);

/* Where workloads reach the API server: [{"address":"10.96.0.1","port":443}], in the order of addresses; its Service's
 * and those behind it, since what keeps pods apart may look at either. May change while running. METHOD where workloads
 * have no API server beside them. */
int engine_api_addresses(struct engine *engine, cJSON **ret, struct error *error);
/* A listening, non-blocking TCP socket on the address that the workloads of <namespace> know as kubernetes.default; the
 * caller's to close. Where workloads have no API server beside them (traits.api_within); METHOD elsewhere. UNAVAILABLE
 * while the namespace has no place to listen yet, EXISTS while somebody does. */
int engine_listen(struct engine *engine, const char *namespace, int *ret_fd, struct error *error);
/* There, a RayCluster's autoscaler starts once this Secret (token, namespace, ca.crt) is in the cluster's namespace. */
#define ENGINE_AUTOSCALER_SECRET "%s-autoscaler"

/* --- the cluster's own API ---------------------------------------------------------------------------------------- */

/* True: requests of the workload half are passed on to the cluster's API (below), which decides a second time. False:
 * the control plane answers them from the functions above. */
bool engine_forwards(struct engine *engine);
struct engine_request {
    const char *method;       /* "GET" */
    const char *target;       /* path[?query], as the cluster's API knows it; authorized by the caller already */
    const char *accept;       /* or NULL */
    const char *content_type; /* or NULL */
    struct slice body;        /* copied */
    /* In whose role: the cluster decides as ServiceAccount "<namespace>.<role>" of tenant_subject_namespace. NULL: as
     * anyone who is signed in (discovery). */
    const char *namespace, *role;
    const char *person; /* the e-mail, for the cluster's audit log only; or NULL */
};
/* Called on an engine thread, in order; must not block. */
struct engine_sink {
    void (*warn)(void *context, const char *value); /* of each Warning header, before `begin`; NULL: not wanted */
    void (*begin)(void *context, int status, const char *content_type); /* once, unless the request failed before */
    bool (*data)(void *context, struct slice bytes);                    /* false: stop */
    void (*end)(void *context, int result, const struct error *error);  /* exactly once, last; 0 if complete */
    void *context;
};
struct engine_call;
/* Starts; the sink is called until `end`. METHOD where the engine does not forward. Long answers (watches, followed
 * logs) may take for ever: engine_call_cancel ends them. *ret is dead once `end` has begun. */
int engine_forward(struct engine *engine, const struct engine_request *request, const struct engine_sink *sink,
                   struct engine_call **ret, struct error *error);
void engine_call_cancel(struct engine_call *call); /* `end` follows, from the engine's thread */
/* A connected, non-blocking socket that speaks HTTP/1.1 with the cluster's API (TLS happens behind it), for upgrades
 * (exec, attach, port-forward), and the header lines to send with each request on it ("Authorization:
 * …\r\nImpersonate-…\r\n") for this role; *ret_headers is the caller's. METHOD where the engine does not forward. */
int engine_dial_api(struct engine *engine, const struct engine_request *as, int *ret_fd, char **ret_headers,
                    struct error *error);

/* Writes <ca_pem> as the caBundle of the cluster's webhook configurations named `atelier`, wherever it is not yet; the
 * rest of them is left alone. *ret_written tells whether it wrote. NOT_FOUND: there are none. METHOD where the engine
 * does not forward. */
int engine_trust_webhooks(struct engine *engine, struct slice ca_pem, bool *ret_written, struct error *error);

/* Where pods are a kubelet's, so many of a log's last lines are given, and no more than a MiB. */
#define ENGINE_LOG_LINES 5000
/* A file that holds a container's log in Kubernetes' CRI format ("TIME stdout F text"), opened for reading; *ret_live
 * tells whether more may come. <container> NULL: the only or first one. */
int engine_log_open(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
                    bool *ret_live, struct error *error);

/* One run of a RayJob that has ended. */
struct engine_run {
    const cJSON *job;    /* the RayJob */
    const cJSON *status; /* its final one, or as it then was */
    const cJSON *events; /* array, or NULL */
    const char *log;     /* the end of what the driver printed, or NULL */
    bool log_cut;
};
/* Of one driver's log no more than its last so many bytes are kept. */
#define ENGINE_RUN_LOG_BYTES (1 << 20)
/* Keeps it, where nobody else does (an engine that runs jobs itself does); it may be kept already. METHOD elsewhere. */
int engine_job_keep(struct engine *engine, const struct engine_run *run, struct error *error);
/* Lets go what is kept of namespaces that are no more, and what is old. METHOD as above. */
int engine_job_tidy(struct engine *engine, struct error *error);
/* Runs of RayJobs that have ended, newest first, those whose RayJob and cluster are gone included, as far as they are
 * kept: {"items":[{"name","uid","jobId","finishedAt","entrypoint","status":{…as the RayJob's
 * was},"events":[…],"logBytes", "logCut"}]}. <name> NULL: of every RayJob of the namespace. METHOD where the engine
 * keeps none. */
int engine_job_history(struct engine *engine, const char *namespace, const char *name, cJSON **ret,
                       struct error *error);
/* What the driver of a RayJob's run has printed, its end if it is long (*ret_cut): kept, or of the one that goes on
 * where the engine runs jobs itself.
 * <job_id> NULL: the latest run. *ret is the caller's. NOT_FOUND: nothing is known of it; METHOD as above. */
int engine_job_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                   bool *ret_cut, struct error *error);

/* Writes an Event about an object (repeats within 10 minutes raise `count`). type: "Normal" or "Warning". */
void engine_event(struct engine *engine, const cJSON *object, const char *type, const char *reason, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));

/* False with a reason when objects cannot be read or written now. */
bool engine_ready(struct engine *engine, struct error *error);

#endif
