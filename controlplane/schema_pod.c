/* What does a pod's template consist of? Kubernetes' names (k8s.io/api/core/v1), those that workloads here use. */
#include "controlplane/schema.h"

#define END                                                                                                            \
    {                                                                                                                  \
        NULL, SCHEMA_TEXT, NULL, NULL                                                                                  \
    }

static const struct schema_field key_ref[] = {{"name", SCHEMA_TEXT, "The ConfigMap or Secret.", NULL},
                                              {"key", SCHEMA_TEXT, "Which of its entries.", NULL},
                                              {"optional", SCHEMA_TRUTH, "True: it need not be there.", NULL},
                                              END};
static const struct schema_field field_ref[] = {
    {"apiVersion", SCHEMA_TEXT, "The version that the path is written for.", NULL},
    {"fieldPath", SCHEMA_TEXT, "A path into the pod, such as metadata.name.", NULL},
    END};
static const struct schema_field value_from[] = {
    {"secretKeyRef", SCHEMA_OPEN, "An entry of a Secret of the same namespace.", key_ref},
    {"configMapKeyRef", SCHEMA_OPEN, "An entry of a ConfigMap of the same namespace.", key_ref},
    {"fieldRef", SCHEMA_OPEN, "A field of the pod itself.", field_ref},
    END};
static const struct schema_field env[] = {{"name", SCHEMA_TEXT, "Name of the variable.", NULL},
                                          {"value", SCHEMA_TEXT, "Its value.", NULL},
                                          {"valueFrom", SCHEMA_OPEN, "Where its value comes from instead.", value_from},
                                          END};
static const struct schema_field resources[] = {
    {"requests", SCHEMA_AMOUNTS, "What the container is promised: cpu, memory, nvidia.com/gpu.", NULL},
    {"limits", SCHEMA_AMOUNTS, "What the container may use at most.", NULL},
    END};
static const struct schema_field ports[] = {
    {"name", SCHEMA_TEXT, "A name that Services can use for it.", NULL},
    {"containerPort", SCHEMA_WHOLE, "The number of the port, 1 to 65535.", NULL},
    {"protocol", SCHEMA_TEXT, "TCP.", NULL},
    END};
static const struct schema_field mounts[] = {{"name", SCHEMA_TEXT, "Which of the pod's volumes.", NULL},
                                             {"mountPath", SCHEMA_TEXT, "Where it is in the container.", NULL},
                                             {"subPath", SCHEMA_TEXT, "A folder of the volume instead of all.", NULL},
                                             {"readOnly", SCHEMA_TRUTH, "True: it cannot be written to.", NULL},
                                             END};
static const struct schema_field http_get[] = {{"path", SCHEMA_TEXT, "The path that is asked for.", NULL},
                                               {"port", SCHEMA_QUANTITY, "A port by number or name.", NULL},
                                               {"scheme", SCHEMA_TEXT, "HTTP.", NULL},
                                               END};
static const struct schema_field tcp_socket[] = {{"port", SCHEMA_QUANTITY, "A port by number or name.", NULL}, END};
static const struct schema_field probe[] = {
    {"httpGet", SCHEMA_OPEN, "It is well if this request is answered with a status from 200 to 399.", http_get},
    {"tcpSocket", SCHEMA_OPEN, "It is well if this port accepts a connection.", tcp_socket},
    {"initialDelaySeconds", SCHEMA_WHOLE, "How long after its start the container is first asked.", NULL},
    {"periodSeconds", SCHEMA_WHOLE, "How often it is asked.", NULL},
    {"timeoutSeconds", SCHEMA_WHOLE, "How long an answer may take.", NULL},
    {"successThreshold", SCHEMA_WHOLE, "So many answers in a row make it well.", NULL},
    {"failureThreshold", SCHEMA_WHOLE, "So many failures in a row make it unwell.", NULL},
    END};
static const struct schema_field containers[] = {
    {"name", SCHEMA_TEXT, "Unique in the pod.", NULL},
    {"image", SCHEMA_TEXT, "What runs: a name that this installation knows, or any image on a cluster.", NULL},
    {"imagePullPolicy", SCHEMA_TEXT, "Always, IfNotPresent or Never.", NULL},
    {"command", SCHEMA_TEXTS, "Instead of what the image starts.", NULL},
    {"args", SCHEMA_TEXTS, "Arguments of what is started.", NULL},
    {"workingDir", SCHEMA_TEXT, "The folder it starts in.", NULL},
    {"env", SCHEMA_LIST, "Variables of its environment.", env},
    {"resources", SCHEMA_OPEN, "What it may use.", resources},
    {"ports", SCHEMA_LIST, "What it listens on.", ports},
    {"volumeMounts", SCHEMA_LIST, "Volumes that it sees.", mounts},
    {"readinessProbe", SCHEMA_OPEN, "Tells whether it can be used.", probe},
    {"livenessProbe", SCHEMA_OPEN, "Tells whether it must be started again.", probe},
    {"startupProbe", SCHEMA_OPEN, "Tells whether it has started.", probe},
    {"securityContext", SCHEMA_OPEN, "Rights of its processes.", NULL},
    END};
static const struct schema_field claim[] = {{"claimName", SCHEMA_TEXT, "Of the same namespace.", NULL},
                                            {"readOnly", SCHEMA_TRUTH, "True: it cannot be written to.", NULL},
                                            END};
static const struct schema_field empty_dir[] = {{"medium", SCHEMA_TEXT, "Memory, or nothing for the disk.", NULL},
                                                {"sizeLimit", SCHEMA_QUANTITY, "How much it may hold.", NULL},
                                                END};
static const struct schema_field volumes[] = {
    {"name", SCHEMA_TEXT, "Unique in the pod.", NULL},
    {"persistentVolumeClaim", SCHEMA_OPEN, "A volume that outlives the pod.", claim},
    {"emptyDir", SCHEMA_OPEN, "Empty at first, and gone with the pod.", empty_dir},
    {"configMap", SCHEMA_OPEN, "A ConfigMap's entries as files.", NULL},
    {"secret", SCHEMA_OPEN, "A Secret's entries as files.", NULL},
    END};
static const struct schema_field template_metadata[] = {{"labels", SCHEMA_MAP, "Labels of the pod.", NULL},
                                                        {"annotations", SCHEMA_MAP, "Annotations of the pod.", NULL},
                                                        END};

const struct schema_field schema_pod_spec[] = {
    {"containers", SCHEMA_LIST, "What runs side by side.", containers},
    {"initContainers", SCHEMA_LIST, "What runs before, one after the other.", containers},
    {"volumes", SCHEMA_LIST, "What the containers can mount.", volumes},
    {"restartPolicy", SCHEMA_TEXT, "Always, OnFailure or Never.", NULL},
    {"terminationGracePeriodSeconds", SCHEMA_WHOLE, "How long it may take to end by itself.", NULL},
    {"serviceAccountName", SCHEMA_TEXT, "Who it is towards the cluster.", NULL},
    {"nodeSelector", SCHEMA_MAP, "Labels of the nodes it may run on.", NULL},
    {"tolerations", SCHEMA_LIST, "Taints of nodes that do not keep it away.", NULL},
    {"securityContext", SCHEMA_OPEN, "Rights of all its processes.", NULL},
    END};
const struct schema_field schema_pod_template[] = {
    {"metadata", SCHEMA_OPEN, "Labels and annotations of the pods.", template_metadata},
    {"spec", SCHEMA_OPEN, "What the pods run.", schema_pod_spec},
    END};
