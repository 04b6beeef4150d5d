/* Which PodDefaults does this pod ask for, and what does it become with them? */
#include "engine/poddefault.h"

#define ANNOTATION_NAME_MAX 63   /* of a qualified name, behind the '/' */
#define MESH_PROXY "istio-proxy" /* its command is the mesh's */

/* --- which -------------------------------------------------------------------------------------------------------- */
static bool requirement_holds(const cJSON *labels, const cJSON *requirement)
{
    const char *how = json_text_or("", requirement, "operator", NULL);
    const char *value = json_text(labels, json_text_or("", requirement, "key", NULL), NULL);
    const cJSON *item;
    bool listed = false;
    if (strcmp(how, "Exists") == 0)
        return value != NULL;
    if (strcmp(how, "DoesNotExist") == 0)
        return value == NULL;
    cJSON_ArrayForEach(item, json_member(requirement, "values")) listed =
        listed || (value && strcmp(value, item->valuestring) == 0);
    return listed == (strcmp(how, "In") == 0);
}

/* A metav1.LabelSelector: everything must hold; one that asks for nothing selects all. */
static bool selects(const cJSON *selector, const cJSON *labels)
{
    const cJSON *item;
    bool all = true;
    cJSON_ArrayForEach(item, json_member(selector, "matchLabels"))
    {
        const char *value = json_text(labels, item->string, NULL);
        all = all && value && strcmp(value, item->valuestring) == 0;
    }
    cJSON_ArrayForEach(item, json_member(selector, "matchExpressions")) all = all && requirement_holds(labels, item);
    return all;
}

static const char *name_of(const cJSON *poddefault)
{
    return json_text_or("", poddefault, "metadata", "name", NULL);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(name_of(*(const cJSON *const *)a), name_of(*(const cJSON *const *)b));
}

struct chosen {
    const cJSON **at;
    size_t count;
};

static void choose(const cJSON *poddefaults, const cJSON *pod, cJSON *warnings, struct chosen *ret)
{
    const cJSON *labels = json_at(pod, "metadata", "labels", NULL), *item;
    ret->at = memory_get(((size_t)cJSON_GetArraySize(poddefaults) + 1) * sizeof(const cJSON *));
    cJSON_ArrayForEach(item, poddefaults)
    {
        struct error error = {0};
        if (poddefault_check(item, &error) < 0) {
            AUTO_FREE char *text = memory_format("PodDefault \"%.253s\" is left out: %s", name_of(item), error.message);
            json_push_text(warnings, text);
        } else if (selects(json_at(item, "spec", "selector", NULL), labels)) {
            ret->at[ret->count++] = item;
        }
    }
    qsort(ret->at, ret->count, sizeof(ret->at[0]), by_name);
}

/* --- merging ------------------------------------------------------------------------------------------------------ */

/* As Kubernetes' own types compare: an absent member, null and "" are one. */
static bool is_empty(const cJSON *value)
{
    return !value || cJSON_IsNull(value) || (cJSON_IsString(value) && !value->valuestring[0]);
}

static bool alike(const cJSON *a, const cJSON *b);

static bool covers(const cJSON *a, const cJSON *b)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, b)
    {
        if (!alike(json_member(a, item->string), item))
            return false;
    }
    return true;
}

static bool alike(const cJSON *a, const cJSON *b)
{
    if (is_empty(a) || is_empty(b))
        return is_empty(a) && is_empty(b);
    if (cJSON_IsObject(a) && cJSON_IsObject(b))
        return covers(a, b) && covers(b, a);
    if (!cJSON_IsArray(a) || !cJSON_IsArray(b))
        return json_equal(a, b);
    const cJSON *x = a->child, *y = b->child;
    while (x && y && alike(x, y)) {
        x = x->next;
        y = y->next;
    }
    return !x && !y;
}

/* What is being merged, for the words when it does not fit. */
struct merge {
    const cJSON *poddefault;
    const char *container; /* or NULL */
    struct error *error;
};

static int conflict(const struct merge *merge, const char *what, const char *key)
{
    char shown[128];
    text_printable(slice_of(key), shown, sizeof(shown));
    return error_set(merge->error, ERROR_INVALID, what,
                     "PodDefault \"%.253s\" conflicts with the pod or another PodDefault: %s \"%s\"%s%.63s%s is set "
                     "differently",
                     name_of(merge->poddefault), what, shown, merge->container ? " of container \"" : "",
                     merge->container ? merge->container : "", merge->container ? "\"" : "");
}

static const cJSON *find(const cJSON *list, const char *key, const char *value)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(json_text_or("", item, key, NULL), value) == 0)
            return item;
    }
    return NULL;
}

static cJSON *list_in(cJSON *owner, const char *name)
{
    cJSON *list = json_member(owner, name);
    return cJSON_IsArray(list) ? list : json_set(owner, name, json_array());
}

/* Items of spec.<from> that <owner>.<into> has not; those it has must be alike. <second> is another key that must be
 * free, or NULL. */
static int merge_list(const struct merge *merge, const char *from, cJSON *owner, const char *into, const char *key,
                      const char *second)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(merge->poddefault, "spec", from, NULL))
    {
        const char *value = json_text_or("", item, key, NULL), *other = second ? json_text(item, second, NULL) : NULL;
        cJSON *list = list_in(owner, into);
        const cJSON *there = find(list, key, value), *beside = other ? find(list, second, other) : NULL;
        if (there && !alike(there, item))
            return conflict(merge, from, value);
        if (beside && !alike(beside, item))
            return conflict(merge, from, other);
        if (!there)
            json_push(list, json_copy(item));
    }
    return 0;
}

static int merge_map(const struct merge *merge, const char *name, cJSON *metadata)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(merge->poddefault, "spec", name, NULL))
    {
        cJSON *map = json_object_in(metadata, name);
        const char *there = json_text(map, item->string, NULL);
        if (there && strcmp(there, item->valuestring) != 0)
            return conflict(merge, name, item->string);
        json_set_text(map, item->string, item->valuestring);
    }
    return 0;
}

static void set_if_absent(const cJSON *spec, cJSON *container, const char *name)
{
    const cJSON *there = json_member(container, name), *wanted = json_member(spec, name);
    if (wanted && wanted->child && !(there && there->child))
        json_set(container, name, json_copy(wanted));
}

static int merge_container(struct merge *merge, cJSON *container)
{
    const cJSON *spec = json_member(merge->poddefault, "spec"), *item;
    merge->container = json_text_or("", container, "name", NULL);
    if (strcmp(merge->container, MESH_PROXY) != 0) {
        set_if_absent(spec, container, "command");
        set_if_absent(spec, container, "args");
    }
    int status = merge_list(merge, "env", container, "env", "name", NULL);
    if (status == 0)
        status = merge_list(merge, "volumeMounts", container, "volumeMounts", "name", "mountPath");
    cJSON_ArrayForEach(item, json_member(spec, "envFrom")) json_push(list_in(container, "envFrom"), json_copy(item));
    merge->container = NULL;
    return status;
}

static int merge_pod(struct merge *merge, cJSON *pod)
{
    static const struct {
        const char *list, *key;
    } lists[] = {{"volumes", "name"}, {"tolerations", "key"}, {"imagePullSecrets", "name"}};
    const cJSON *from = json_member(merge->poddefault, "spec");
    cJSON *spec = json_object_in(pod, "spec"), *metadata = json_object_in(pod, "metadata"), *container;
    int status = merge_map(merge, "labels", metadata);
    if (status == 0)
        status = merge_map(merge, "annotations", metadata);
    for (size_t i = 0; i < COUNT_OF(lists) && status == 0; i++)
        status = merge_list(merge, lists[i].list, spec, lists[i].list, lists[i].key, NULL);
    cJSON_ArrayForEach(container, json_member(spec, "containers"))
    {
        if (status == 0)
            status = merge_container(merge, container);
    }
    const char *account = json_text_or("", from, "serviceAccountName", NULL);
    const cJSON *token = json_member(from, "automountServiceAccountToken");
    if (account[0])
        json_set_text(spec, "serviceAccountName", account);
    if (cJSON_IsBool(token))
        json_set(spec, "automountServiceAccountToken", json_copy(token));
    return status;
}

/* Containers that come from PodDefaults get nothing from them. */
static int merge_own_containers(const struct merge *merge, cJSON *spec)
{
    int status = merge_list(merge, "initContainers", spec, "initContainers", "name", NULL);
    return status < 0 ? status : merge_list(merge, "sidecars", spec, "containers", "name", NULL);
}

static void leave_note(const cJSON *poddefault, cJSON *pod)
{
    AUTO_FREE char *key = memory_format(PODDEFAULT_APPLIED "%s", name_of(poddefault));
    if (strlen(strchr(key, '/') + 1) <= ANNOTATION_NAME_MAX)
        json_set_text(json_object_in(json_object_in(pod, "metadata"), "annotations"), key,
                      json_text_or("", poddefault, "metadata", "resourceVersion", NULL));
}

static bool is_left_alone(const cJSON *pod)
{
    const cJSON *annotations = json_at(pod, "metadata", "annotations", NULL);
    return json_text(annotations, "kubernetes.io/config.mirror", NULL) ||
           strcmp(json_text_or("", annotations, PODDEFAULT_EXCLUDE, NULL), "true") == 0;
}

static int apply(const struct chosen *chosen, cJSON *pod, struct error *error)
{
    int status = 0;
    for (size_t i = 0; i < chosen->count && status == 0; i++)
        status = merge_pod(&(struct merge){.poddefault = chosen->at[i], .error = error}, pod);
    for (size_t i = 0; i < chosen->count && status == 0; i++) {
        status = merge_own_containers(&(struct merge){.poddefault = chosen->at[i], .error = error},
                                      json_object_in(pod, "spec"));
        leave_note(chosen->at[i], pod);
    }
    return status;
}

int poddefaults_apply(const cJSON *poddefaults, const cJSON *pod, cJSON *warnings, cJSON **ret, struct error *error)
{
    struct chosen chosen = {0};
    AUTO_JSON cJSON *changed = NULL;
    int status = 0;
    *ret = NULL;
    if (!poddefaults || !poddefaults->child || is_left_alone(pod))
        return 0;
    choose(poddefaults, pod, warnings, &chosen);
    if (chosen.count > 0) {
        changed = json_copy(pod);
        status = apply(&chosen, changed, error);
    }
    free(chosen.at);
    if (status == 0) {
        *ret = changed;
        changed = NULL;
    }
    return status;
}
