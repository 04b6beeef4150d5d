/* What does an object of each kind consist of? Names are Kubernetes', Kubeflow's and KubeRay's own. */
#include "controlplane/schema.h"

#define END                                                                                                            \
    {                                                                                                                  \
        NULL, SCHEMA_TEXT, NULL, NULL                                                                                  \
    }
#define STATUS(fields)                                                                                                 \
    {                                                                                                                  \
        "status", SCHEMA_OPEN, "What is; only Atelier writes it.", fields                                              \
    }

/* --- core --------------------------------------------------------------------------------------------------------- */
static const struct schema_field phase[] = {{"phase", SCHEMA_TEXT, "In a word.", NULL}, END};
static const struct schema_field conditions_of[] = {
    {"type", SCHEMA_TEXT, "What is told.", NULL},
    {"status", SCHEMA_TEXT, "True, False or Unknown.", NULL},
    {"reason", SCHEMA_TEXT, "Why, in a word.", NULL},
    {"message", SCHEMA_TEXT, "Why, in a sentence.", NULL},
    {"lastTransitionTime", SCHEMA_TIME, "When the status last changed.", NULL},
    END};
static const struct schema_field pod_status[] = {
    {"phase", SCHEMA_TEXT, "Pending, Running, Succeeded or Failed.", NULL},
    {"conditions", SCHEMA_LIST, "Among them PodScheduled and Ready.", conditions_of},
    {"podIP", SCHEMA_TEXT, "Its address within the profile.", NULL},
    {"startTime", SCHEMA_TIME, "When it was first seen where it runs.", NULL},
    {"containerStatuses", SCHEMA_LIST, "What each container does.", NULL},
    END};
static const struct schema_field spec_of_anything[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", NULL}, STATUS(NULL), END};
static const struct schema_field of_namespace[] = {{"spec", SCHEMA_OPEN, "What is wanted.", NULL}, STATUS(phase), END};
static const struct schema_field of_pod[] = {
    {"spec", SCHEMA_OPEN, "What it runs.", schema_pod_spec}, STATUS(pod_status), END};
static const struct schema_field service_ports[] = {
    {"name", SCHEMA_TEXT, "Of the port.", NULL},
    {"port", SCHEMA_WHOLE, "By which it is reached.", NULL},
    {"targetPort", SCHEMA_QUANTITY, "The pod's, by number or name.", NULL},
    {"protocol", SCHEMA_TEXT, "TCP.", NULL},
    END};
static const struct schema_field service_spec[] = {
    {"type", SCHEMA_TEXT, "How it is reached.", NULL},
    {"clusterIP", SCHEMA_TEXT, "An address of its own, or None.", NULL},
    {"ports", SCHEMA_LIST, "What it serves.", service_ports},
    {"selector", SCHEMA_MAP, "Labels of the pods that it leads to.", NULL},
    END};
static const struct schema_field of_service[] = {
    {"spec", SCHEMA_OPEN, "What it leads to.", service_spec}, STATUS(NULL), END};
static const struct schema_field involved[] = {
    {"kind", SCHEMA_TEXT, "Of the object.", NULL},       {"name", SCHEMA_TEXT, "Of the object.", NULL},
    {"namespace", SCHEMA_TEXT, "Of the object.", NULL},  {"uid", SCHEMA_TEXT, "Of the object.", NULL},
    {"fieldPath", SCHEMA_TEXT, "The part of it.", NULL}, END};
static const struct schema_field of_event[] = {{"involvedObject", SCHEMA_OPEN, "What it happened to.", involved},
                                               {"type", SCHEMA_TEXT, "Normal or Warning.", NULL},
                                               {"reason", SCHEMA_TEXT, "In a word.", NULL},
                                               {"message", SCHEMA_TEXT, "In a sentence.", NULL},
                                               {"count", SCHEMA_WHOLE, "How often it happened.", NULL},
                                               {"firstTimestamp", SCHEMA_TIME, "When it first happened.", NULL},
                                               {"lastTimestamp", SCHEMA_TIME, "When it last happened.", NULL},
                                               {"source", SCHEMA_OPEN, "Who says so.", NULL},
                                               END};
static const struct schema_field storage[] = {{"storage", SCHEMA_QUANTITY, "How much, such as 5Gi.", NULL}, END};
static const struct schema_field claim_resources[] = {
    {"requests", SCHEMA_OBJECT, "What is asked for; it can grow.", storage},
    {"limits", SCHEMA_AMOUNTS, "Kept and not used.", NULL},
    END};
static const struct schema_field claim_spec[] = {
    {"accessModes", SCHEMA_TEXTS, "ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod.", NULL},
    {"resources", SCHEMA_OBJECT, "How much it holds.", claim_resources},
    {"storageClassName", SCHEMA_TEXT, "What kind of storage.", NULL},
    {"volumeMode", SCHEMA_TEXT, "Filesystem.", NULL},
    {"volumeName", SCHEMA_TEXT, "The volume behind it.", NULL},
    END};
static const struct schema_field of_claim[] = {
    {"spec", SCHEMA_OBJECT, "What is asked for.", claim_spec}, STATUS(phase), END};
static const struct schema_field of_configmap[] = {
    {"data", SCHEMA_MAP, "Entries that are texts.", NULL},
    {"binaryData", SCHEMA_MAP, "Entries that are bytes, in base64.", NULL},
    {"immutable", SCHEMA_TRUTH, "True: its entries never change again.", NULL},
    END};
static const struct schema_field of_secret[] = {
    {"type", SCHEMA_TEXT, "What kind of secret, such as Opaque.", NULL},
    {"data", SCHEMA_MAP, "Entries in base64.", NULL},
    {"stringData", SCHEMA_MAP, "Entries as texts; they are kept in data.", NULL},
    {"immutable", SCHEMA_TRUTH, "True: its entries never change again.", NULL},
    END};
static const struct schema_field quota_spec[] = {
    {"hard", SCHEMA_AMOUNTS, "What all objects of the namespace together may be or hold.", NULL}, END};
static const struct schema_field quota_status[] = {
    {"hard", SCHEMA_AMOUNTS, "What may be.", NULL}, {"used", SCHEMA_AMOUNTS, "What is.", NULL}, END};
static const struct schema_field of_quota[] = {
    {"spec", SCHEMA_OPEN, "What may be.", quota_spec}, STATUS(quota_status), END};
static const struct schema_field replicas_status[] = {
    {"observedGeneration", SCHEMA_WHOLE, "Of which generation the rest tells.", NULL},
    {"replicas", SCHEMA_WHOLE, "How many pods there are.", NULL},
    {"readyReplicas", SCHEMA_WHOLE, "How many of them are ready.", NULL},
    {"availableReplicas", SCHEMA_WHOLE, "The same.", NULL},
    {"currentReplicas", SCHEMA_WHOLE, "How many are of the current revision.", NULL},
    {"updatedReplicas", SCHEMA_WHOLE, "How many are of the revision that is wanted.", NULL},
    {"currentRevision", SCHEMA_TEXT, "The ControllerRevision that the last completed change led to.", NULL},
    {"updateRevision", SCHEMA_TEXT, "The ControllerRevision of the template.", NULL},
    END};
static const struct schema_field update_strategy[] = {
    {"type", SCHEMA_TEXT, "RollingUpdate: a change of the template replaces the pods.", NULL}, END};
static const struct schema_field statefulset_spec[] = {
    {"replicas", SCHEMA_WHOLE, "How many pods are wanted.", NULL},
    {"serviceName", SCHEMA_TEXT, "The service that names its pods.", NULL},
    {"template", SCHEMA_OPEN, "What its pods are made of.", schema_pod_template},
    {"updateStrategy", SCHEMA_OPEN, "How a change comes into effect.", update_strategy},
    {"revisionHistoryLimit", SCHEMA_WHOLE, "How many former templates are kept.", NULL},
    END};
static const struct schema_field of_revision[] = {
    {"data", SCHEMA_OPEN, "The template, as a patch of the StatefulSet.", NULL},
    {"revision", SCHEMA_WHOLE, "Which in order; the present one has the highest.", NULL},
    END};
static const struct schema_field of_statefulset[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", statefulset_spec}, STATUS(replicas_status), END};

/* --- kubeflow.org ------------------------------------------------------------------------------------------------- */
static const struct schema_field owner[] = {{"kind", SCHEMA_TEXT, "User.", NULL},
                                            {"name", SCHEMA_TEXT, "The owner's e-mail.", NULL},
                                            {"apiGroup", SCHEMA_TEXT, "rbac.authorization.k8s.io.", NULL},
                                            END};
static const struct schema_field profile_spec[] = {
    {"owner", SCHEMA_OPEN, "Whose it is.", owner},
    {"resourceQuotaSpec", SCHEMA_OPEN, "What all its workloads together may use.", quota_spec},
    {"plugins", SCHEMA_LIST, "What a cloud gives to its workloads.", NULL},
    END};
static const struct schema_field of_profile[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", profile_spec}, STATUS(NULL), END};
static const struct schema_field notebook_spec[] = {
    {"template", SCHEMA_OPEN, "The pod of the server, with exactly one container.", schema_pod_template}, END};
static const struct schema_field notebook_status[] = {
    {"phase", SCHEMA_TEXT, "Pending, Starting, Running, Stopping, Stopped or Failed.", NULL},
    {"reason", SCHEMA_TEXT, "Why, in a word.", NULL},
    {"readyReplicas", SCHEMA_WHOLE, "1 while the server can be used.", NULL},
    {"conditions", SCHEMA_LIST, "What is told of its pod.", conditions_of},
    {"lastActivity", SCHEMA_TIME, "When somebody last used it.", NULL},
    END};
static const struct schema_field of_notebook[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", notebook_spec}, STATUS(notebook_status), END};
static const struct schema_field poddefault_spec[] = {
    {"desc", SCHEMA_TEXT, "A sentence that forms show.", NULL},
    {"selector", SCHEMA_OPEN, "Which pods get it.", NULL},
    {"env", SCHEMA_LIST, "Variables that they get.", NULL},
    {"volumes", SCHEMA_LIST, "Volumes that they get.", NULL},
    {"volumeMounts", SCHEMA_LIST, "Where their containers see them.", NULL},
    {"labels", SCHEMA_MAP, "Labels that they get.", NULL},
    {"annotations", SCHEMA_MAP, "Annotations that they get.", NULL},
    END};
static const struct schema_field of_poddefault[] = {
    {"spec", SCHEMA_OPEN, "What pods get, and which.", poddefault_spec}, STATUS(NULL), END};

/* --- ray.io ------------------------------------------------------------------------------------------------------- */
static const struct schema_field head_group[] = {
    {"rayStartParams", SCHEMA_OPEN, "Parameters of `ray start`; their values are texts.", NULL},
    {"serviceType", SCHEMA_TEXT, "ClusterIP.", NULL},
    {"template", SCHEMA_OPEN, "The head's pod.", schema_pod_template},
    END};
static const struct schema_field worker_group[] = {
    {"groupName", SCHEMA_TEXT, "Unique in the cluster.", NULL},
    {"replicas", SCHEMA_WHOLE, "How many workers are wanted.", NULL},
    {"minReplicas", SCHEMA_WHOLE, "How many there are at least.", NULL},
    {"maxReplicas", SCHEMA_WHOLE, "How many there are at most.", NULL},
    {"rayStartParams", SCHEMA_OPEN, "Parameters of `ray start`; their values are texts.", NULL},
    {"template", SCHEMA_OPEN, "The workers' pods.", schema_pod_template},
    END};
static const struct schema_field cluster_spec[] = {
    {"rayVersion", SCHEMA_TEXT, "The version of Ray that the images have.", NULL},
    {"headGroupSpec", SCHEMA_OPEN, "The head.", head_group},
    {"workerGroupSpecs", SCHEMA_LIST, "The workers, in groups that are alike.", worker_group},
    {"enableInTreeAutoscaling", SCHEMA_TRUTH, "True: Ray makes and removes workers as it needs them.", NULL},
    {"autoscalerOptions", SCHEMA_OPEN, "How it does.", NULL},
    {"suspend", SCHEMA_TRUTH, "True: no pod runs.", NULL},
    {"authOptions", SCHEMA_OPEN, "How clients prove who they are.", NULL},
    {"gcsFaultToleranceOptions", SCHEMA_OPEN, "Where the head keeps what it knows.", NULL},
    END};
static const struct schema_field cluster_status[] = {
    {"state", SCHEMA_TEXT, "ready, suspended or failed.", NULL},
    {"desiredWorkerReplicas", SCHEMA_WHOLE, "How many workers are asked for.", NULL},
    {"availableWorkerReplicas", SCHEMA_WHOLE, "How many of them can be used.", NULL},
    {"head", SCHEMA_OPEN, "Where the head is.", NULL},
    {"conditions", SCHEMA_LIST, "What is told of its pods.", conditions_of},
    END};
static const struct schema_field of_raycluster[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", cluster_spec}, STATUS(cluster_status), END};
static const struct schema_field job_spec[] = {
    {"entrypoint", SCHEMA_TEXT, "The command that is run.", NULL},
    {"runtimeEnvYAML", SCHEMA_TEXT, "Its runtime environment, in YAML.", NULL},
    {"rayClusterSpec", SCHEMA_OPEN, "A cluster of its own.", cluster_spec},
    {"clusterSelector", SCHEMA_MAP, "A cluster that is there, instead.", NULL},
    {"submissionMode", SCHEMA_TEXT, "How the job gets to the cluster.", NULL},
    {"shutdownAfterJobFinishes", SCHEMA_TRUTH, "True: the cluster goes when the job is over.", NULL},
    {"ttlSecondsAfterFinished", SCHEMA_WHOLE, "So many seconds later.", NULL},
    {"activeDeadlineSeconds", SCHEMA_WHOLE, "How long it may take.", NULL},
    {"backoffLimit", SCHEMA_WHOLE, "How often it is tried again.", NULL},
    {"suspend", SCHEMA_TRUTH, "True: it does not run.", NULL},
    END};
static const struct schema_field job_status[] = {{"jobStatus", SCHEMA_TEXT, "As Ray has it.", NULL},
                                                 {"jobDeploymentStatus", SCHEMA_TEXT, "How far it has come.", NULL},
                                                 {"rayClusterName", SCHEMA_TEXT, "Where it runs.", NULL},
                                                 {"dashboardURL", SCHEMA_TEXT, "Of that cluster.", NULL},
                                                 {"message", SCHEMA_TEXT, "What went wrong.", NULL},
                                                 END};
static const struct schema_field of_rayjob[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", job_spec}, STATUS(job_status), END};
static const struct schema_field service_ray_spec[] = {
    {"serveConfigV2", SCHEMA_TEXT, "The applications, in YAML.", NULL},
    {"rayClusterConfig", SCHEMA_OPEN, "The cluster that serves them.", cluster_spec},
    {"upgradeStrategy", SCHEMA_OPEN, "How a change comes into effect.", NULL},
    END};
static const struct schema_field service_ray_status[] = {
    {"serviceStatus", SCHEMA_TEXT, "Running once it serves.", NULL},
    {"numServeEndpoints", SCHEMA_WHOLE, "How many nodes serve.", NULL},
    {"activeServiceStatus", SCHEMA_OPEN, "The cluster that serves, and its applications.", NULL},
    {"conditions", SCHEMA_LIST, "What is told of it.", conditions_of},
    END};
static const struct schema_field of_rayservice[] = {
    {"spec", SCHEMA_OPEN, "What is wanted.", service_ray_spec}, STATUS(service_ray_status), END};

/* --- all ---------------------------------------------------------------------------------------------------------- */
static const struct schema schemas[KIND_COUNT] = {
    [KIND_NAMESPACE] = {"A profile's namespace.", of_namespace},
    [KIND_POD] = {"Containers that run together, with one address.", of_pod},
    [KIND_SERVICE] = {"A name by which pods are reached.", of_service},
    [KIND_EVENT] = {"What happened to an object.", of_event},
    [KIND_CLAIM] = {"A volume that outlives pods.", of_claim},
    [KIND_CONFIGMAP] = {"Texts and files for pods.", of_configmap},
    [KIND_SECRET] = {"Secret texts and files for pods.", of_secret},
    [KIND_RESOURCEQUOTA] = {"What a namespace may hold.", of_quota},
    [KIND_STATEFULSET] = {"Pods that keep their names.", of_statefulset},
    [KIND_CONTROLLERREVISION] = {"A template that a StatefulSet has or had.", of_revision},
    [KIND_PROFILE] = {"A person's place: a namespace with an owner and members.", of_profile},
    [KIND_NOTEBOOK] = {"A Jupyter server. It stops while it has the annotation kubeflow-resource-stopped.",
                       of_notebook},
    [KIND_RAYCLUSTER] = {"A Ray cluster: a head and groups of workers.", of_raycluster},
    [KIND_RAYJOB] = {"A command that runs on a Ray cluster, once.", of_rayjob},
    [KIND_RAYSERVICE] = {"Applications of Ray Serve on a cluster of their own.", of_rayservice},
    [KIND_PODDEFAULT] = {"What pods that carry certain labels get besides.", of_poddefault},
};

const struct schema *schema_of(enum engine_kind kind)
{
    static const struct schema other = {"What Atelier keeps for a profile.", spec_of_anything};
    return kind < KIND_COUNT && schemas[kind].fields ? &schemas[kind] : &other;
}
