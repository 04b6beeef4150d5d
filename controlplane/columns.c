/* Which columns has each kind? */
#include "controlplane/table.h"

#define NAME                                                                                                           \
    {                                                                                                                  \
        "Name", "string", "name", 0, "metadata.name", cell_at, "Unique within a namespace."                            \
    }
#define AGE                                                                                                            \
    {                                                                                                                  \
        "Age", "string", "", 0, "metadata.creationTimestamp", cell_age, "How long ago the object was made."            \
    }
#define TEXT(name, path, text)                                                                                         \
    {                                                                                                                  \
        name, "string", "", 0, path, cell_at, text                                                                     \
    }
#define WIDE(name, path, text)                                                                                         \
    {                                                                                                                  \
        name, "string", "", 1, path, cell_text, text                                                                   \
    }
#define CELL(name, cell, text)                                                                                         \
    {                                                                                                                  \
        name, "string", "", 0, NULL, cell, text                                                                        \
    }
#define NUMBER(name, path, text)                                                                                       \
    {                                                                                                                  \
        name, "integer", "", 0, path, cell_at, text                                                                    \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, NULL, NULL, 0, NULL, NULL, NULL                                                                          \
    }

static const struct column plain[] = {NAME, AGE, END};
static const struct column of_namespace[] = {NAME, TEXT("Status", "status.phase", "Active or Terminating."), AGE, END};
static const struct column of_pod[] = {
    NAME,
    CELL("Ready", cell_pod_ready, "How many of its containers are ready."),
    CELL("Status", cell_pod_status, "What the pod and its containers do, in a word."),
    CELL("Restarts", cell_pod_restarts, "How often its containers were started again, and when last."),
    AGE,
    WIDE("IP", "status.podIP", "The pod's address within the profile."),
    WIDE("Node", "spec.nodeName", "Where it runs."),
    WIDE("Nominated Node", "status.nominatedNodeName", "Where it will run."),
    {"Readiness Gates", "string", "", 1, "spec.readinessGates", cell_text, "What else it waits for."},
    END};
static const struct column of_service[] = {
    NAME,
    TEXT("Type", "spec.type", "How it is reached."),
    {"Cluster-IP", "string", "", 0, "spec.clusterIP", cell_text, "Its own address, where there is one."},
    {"External-IP", "string", "", 0, "spec.externalName", cell_text, "Its address outside, where there is one."},
    CELL("Port(s)", cell_ports, "What it serves."),
    AGE,
    {"Selector", "string", "", 1, "spec.selector", cell_selector, "Which pods it leads to."},
    END};
static const struct column of_event[] = {
    {"Last Seen", "string", "", 0, "lastTimestamp", cell_event_age, "When it last happened."},
    TEXT("Type", "type", "Normal or Warning."),
    TEXT("Reason", "reason", "In a word."),
    CELL("Object", cell_event_object, "What it happened to."),
    TEXT("Message", "message", "What happened."),
    {"Subobject", "string", "", 1, "involvedObject.fieldPath", cell_at, "The part of it."},
    {"Source", "string", "", 1, NULL, cell_event_source, "Who says so."},
    {"First Seen", "string", "", 1, "firstTimestamp", cell_event_age, "When it first happened."},
    {"Count", "integer", "", 1, "count", cell_at, "How often."},
    {"Name", "string", "name", 1, "metadata.name", cell_at, "The event's own name."},
    END};
static const struct column of_claim[] = {
    NAME,
    {"Status", "string", "", 0, "status.phase", cell_phase, "Pending, Bound, Lost or Terminating."},
    TEXT("Volume", "spec.volumeName", "The volume behind it."),
    TEXT("Capacity", "status.capacity.storage", "How much it holds."),
    {"Access Modes", "string", "", 0, "status.accessModes", cell_modes, "How it may be mounted."},
    TEXT("StorageClass", "spec.storageClassName", "What kind of storage."),
    AGE,
    {"VolumeMode", "string", "", 1, "spec.volumeMode", cell_text, "Files or blocks."},
    END};
static const struct column of_configmap[] = {
    NAME, {"Data", "integer", "", 0, NULL, cell_count, "How many entries."}, AGE, END};
static const struct column of_secret[] = {NAME,
                                          TEXT("Type", "type", "What kind of secret."),
                                          {"Data", "integer", "", 0, NULL, cell_count, "How many entries."},
                                          AGE,
                                          END};
static const struct column of_quota[] = {
    NAME,
    {"Request", "string", "", 0, "requests", cell_quota, "What is requested, of what may be."},
    {"Limit", "string", "", 0, "limits", cell_quota, "The limits in use, of what may be."},
    AGE,
    END};
static const struct column of_statefulset[] = {
    NAME,
    CELL("Ready", cell_replicas, "How many of its pods are ready."),
    AGE,
    {"Containers", "string", "", 1, "name", cell_containers, "Names of the containers."},
    {"Images", "string", "", 1, "image", cell_containers, "Their images."},
    END};
static const struct column of_revision[] = {
    NAME,
    {"Controller", "string", "", 0, NULL, cell_controller, "Whose template it is."},
    NUMBER("Revision", "revision", "Which in order; the present one has the highest."),
    AGE,
    END};
static const struct column of_profile[] = {NAME, TEXT("Owner", "spec.owner.name", "Whose it is."), AGE, END};
static const struct column of_notebook[] = {
    NAME,
    TEXT("Status", "status.phase", "Pending, Starting, Running, Stopping, Stopped or Failed."),
    AGE,
    {"Reason", "string", "", 1, "status.reason", cell_text, "Why, in a word."},
    {"Images", "string", "", 1, "image", cell_containers, "What it runs."},
    END};
static const struct column of_raycluster[] = {
    NAME,
    NUMBER("desired workers", "status.desiredWorkerReplicas", "How many workers are asked for."),
    NUMBER("available workers", "status.availableWorkerReplicas", "How many of them can be used."),
    TEXT("cpus", "status.desiredCPU", "CPUs of all pods."),
    TEXT("memory", "status.desiredMemory", "Memory of all pods."),
    TEXT("gpus", "status.desiredGPU", "GPUs of all pods."),
    {"tpus", "string", "", 1, "status.desiredTPU", cell_at, "TPUs of all pods."},
    TEXT("status", "status.state", "ready, suspended or failed."),
    AGE,
    {"head pod IP", "string", "", 1, "status.head.podIP", cell_at, "The head's address within the profile."},
    {"head service IP", "string", "", 1, "status.head.serviceIP", cell_at, "That of its service."},
    END};
static const struct column of_rayjob[] = {
    NAME,
    TEXT("job status", "status.jobStatus", "As Ray has it."),
    TEXT("deployment status", "status.jobDeploymentStatus", "How far it has come."),
    TEXT("ray cluster name", "status.rayClusterName", "Where it runs."),
    TEXT("start time", "status.startTime", "When it began."),
    TEXT("end time", "status.endTime", "When it ended."),
    AGE,
    END};
static const struct column of_rayservice[] = {
    NAME, TEXT("service status", "status.serviceStatus", "Running once it serves."),
    NUMBER("num serve endpoints", "status.numServeEndpoints", "How many nodes serve."), AGE, END};

const struct column *columns_of(enum engine_kind kind)
{
    static const struct column *const all[KIND_COUNT] = {
        [KIND_NAMESPACE] = of_namespace,
        [KIND_POD] = of_pod,
        [KIND_SERVICE] = of_service,
        [KIND_EVENT] = of_event,
        [KIND_CLAIM] = of_claim,
        [KIND_CONFIGMAP] = of_configmap,
        [KIND_SECRET] = of_secret,
        [KIND_RESOURCEQUOTA] = of_quota,
        [KIND_STATEFULSET] = of_statefulset,
        [KIND_CONTROLLERREVISION] = of_revision,
        [KIND_PROFILE] = of_profile,
        [KIND_NOTEBOOK] = of_notebook,
        [KIND_RAYCLUSTER] = of_raycluster,
        [KIND_RAYJOB] = of_rayjob,
        [KIND_RAYSERVICE] = of_rayservice,
    };
    return kind < KIND_COUNT && all[kind] ? all[kind] : plain;
}
