/* Can a pod be given what this PodDefault says? */
#include "engine/poddefault.h"

#include "engine/selector.h"

#define DESCRIPTION_MAX 4096 /* a sentence that a form shows */
#define ITEMS_MAX 64         /* of each list: a pod with more of anything is no pod that somebody reads */

enum shape { TEXT, TRUTH, TEXTS, MAP, ITEMS };
static const struct rule {
    const char *field;
    enum shape shape;
    const char *key; /* ITEMS: the text that tells one from another, or NULL */
} rules[] = {
    {"desc", TEXT, NULL},
    {"serviceAccountName", TEXT, NULL},
    {"automountServiceAccountToken", TRUTH, NULL},
    {"command", TEXTS, NULL},
    {"args", TEXTS, NULL},
    {"annotations", MAP, NULL},
    {"labels", MAP, NULL},
    {"env", ITEMS, "name"},
    {"envFrom", ITEMS, NULL},
    {"volumes", ITEMS, "name"},
    {"volumeMounts", ITEMS, "name"},
    {"tolerations", ITEMS, NULL},
    {"imagePullSecrets", ITEMS, "name"},
    {"initContainers", ITEMS, "name"},
    {"sidecars", ITEMS, "name"},
};

static int refuse(const char *field, const char *expected, struct error *error)
{
    char path[96];
    snprintf(path, sizeof(path), "spec.%s", field);
    return error_set(error, ERROR_INVALID, path, "%s must be %s", path, expected);
}

static bool are_texts(const cJSON *value)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
    {
        if (!cJSON_IsString(item))
            return false;
    }
    return true;
}

static bool is_map(const char *field, const cJSON *value)
{
    const cJSON *item;
    bool labels = strcmp(field, "labels") == 0;
    if (!cJSON_IsObject(value) || !are_texts(value))
        return false;
    cJSON_ArrayForEach(item, value)
    {
        if (!label_key_valid(slice_of(item->string)) || (labels && !label_value_valid(slice_of(item->valuestring))))
            return false;
    }
    return true;
}

static int check_items(const struct rule *rule, const cJSON *list, struct error *error)
{
    const cJSON *item;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > ITEMS_MAX)
        return refuse(rule->field, "a list of at most 64 objects", error);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsObject(item))
            return refuse(rule->field, "a list of at most 64 objects", error);
        if (rule->key && !json_text_or("", item, rule->key, NULL)[0])
            return refuse(rule->field, "a list of objects that each have a name", error);
    }
    return 0;
}

static int check_field(const struct rule *rule, const cJSON *value, struct error *error)
{
    switch (rule->shape) {
    case TEXT:
        if (cJSON_IsString(value) && strlen(value->valuestring) <= DESCRIPTION_MAX)
            return 0;
        return refuse(rule->field, "a text of at most 4096 bytes", error);
    case TRUTH:
        return cJSON_IsBool(value) ? 0 : refuse(rule->field, "true or false", error);
    case TEXTS:
        if (cJSON_IsArray(value) && are_texts(value) && cJSON_GetArraySize(value) <= ITEMS_MAX)
            return 0;
        return refuse(rule->field, "a list of at most 64 texts", error);
    case MAP:
        return is_map(rule->field, value) ? 0 : refuse(rule->field, "a map of texts with valid keys", error);
    default:
        return check_items(rule, value, error);
    }
}

static int check_requirement(const cJSON *requirement, struct error *error)
{
    static const char field[] = "selector.matchExpressions";
    const char *how = json_text_or("", requirement, "operator", NULL);
    const cJSON *values = json_member(requirement, "values");
    bool set = strcmp(how, "In") == 0 || strcmp(how, "NotIn") == 0;
    if (!set && strcmp(how, "Exists") != 0 && strcmp(how, "DoesNotExist") != 0)
        return refuse(field, "a list of {key, operator: In, NotIn, Exists or DoesNotExist, values}", error);
    if (!label_key_valid(slice_of(json_text(requirement, "key", NULL))))
        return refuse(field, "a list in which each key is that of a label", error);
    if (set && !(cJSON_IsArray(values) && values->child && are_texts(values)))
        return refuse(field, "a list in which In and NotIn have values", error);
    if (!set && values && values->child)
        return refuse(field, "a list in which Exists and DoesNotExist have no values", error);
    return 0;
}

static int check_selector(const cJSON *selector, struct error *error)
{
    const cJSON *labels = json_member(selector, "matchLabels"), *list = json_member(selector, "matchExpressions"),
                *item;
    if (!cJSON_IsObject(selector))
        return refuse("selector", "an object with matchLabels or matchExpressions", error);
    if (labels && !cJSON_IsNull(labels) && !is_map("labels", labels))
        return refuse("selector.matchLabels", "a map of labels", error);
    if (list && !cJSON_IsNull(list) && (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > ITEMS_MAX))
        return refuse("selector.matchExpressions", "a list of at most 64", error);
    cJSON_ArrayForEach(item, list)
    {
        int status = check_requirement(item, error);
        if (status < 0)
            return status;
    }
    return 0;
}

int poddefault_check(const cJSON *poddefault, struct error *error)
{
    const cJSON *spec = json_member(poddefault, "spec"), *item;
    if (!cJSON_IsObject(spec))
        return error_set(error, ERROR_INVALID, "spec", "spec is missing; expected an object with a selector");
    int status = check_selector(json_member(spec, "selector"), error);
    cJSON_ArrayForEach(item, spec)
    {
        const struct rule *rule = NULL;
        if (strcmp(item->string, "selector") == 0)
            continue;
        for (size_t i = 0; i < COUNT_OF(rules) && !rule; i++)
            rule = strcmp(rules[i].field, item->string) == 0 ? &rules[i] : NULL;
        if (status == 0 && !rule)
            status = error_set(error, ERROR_INVALID, "spec", "spec.%.60s is not known", item->string);
        if (status == 0 && rule && !cJSON_IsNull(item))
            status = check_field(rule, item, error);
    }
    return status;
}
