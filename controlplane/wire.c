/* In which form do objects come and go? */
#include "controlplane/wire.h"

#include "controlplane/protobuf_object.h"

static struct slice essence_of(struct slice type)
{
    struct slice rest;
    return slice_trim(slice_split(type, ';', &rest));
}

int wire_type(const struct request *request, enum wire_type *ret, struct error *error)
{
    static const struct {
        const char *name;
        enum wire_type type;
        bool patch;
    } types[] = {
        {"application/json", WIRE_JSON, false},
        {"application/yaml", WIRE_YAML, false},
        {"application/vnd.kubernetes.protobuf", WIRE_PROTOBUF, false},
        {"application/merge-patch+json", WIRE_MERGE_PATCH, true},
        {"application/json-patch+json", WIRE_JSON_PATCH, true},
        {"application/strategic-merge-patch+json", WIRE_STRATEGIC_PATCH, true},
        {"application/apply-patch+yaml", WIRE_APPLY_PATCH, true},
    };
    bool patching = slice_is(request->method, "PATCH");
    struct slice essence = essence_of(request_header(request, "Content-Type"));
    if (essence.n == 0 && !patching) {
        *ret = WIRE_JSON;
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (types[i].patch == patching && slice_is_nocase(essence, types[i].name)) {
            *ret = types[i].type;
            return 0;
        }
    }
    return error_set(
        error, ERROR_MEDIA_TYPE, NULL, "the Content-Type must be %s",
        patching ? "application/merge-patch+json, application/json-patch+json or application/apply-patch+yaml"
                 : "application/json, application/yaml or, for some kinds, application/vnd.kubernetes.protobuf");
}

bool wire_names_version(enum wire_type type, const cJSON *patch)
{
    const cJSON *item;
    if (type != WIRE_JSON_PATCH)
        return json_at(patch, "metadata", "resourceVersion", NULL) != NULL;
    cJSON_ArrayForEach(item, patch)
    {
        if (strcmp(json_text_or("", item, "path", NULL), "/metadata/resourceVersion") == 0)
            return true;
    }
    return false;
}

int wire_read(const struct request *request, enum wire_type type, cJSON **ret, struct error *error)
{
    if (request->body.n == 0)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the body is empty");
    if (type == WIRE_PROTOBUF)
        return protobuf_object_read(request->body, ret, error);
    if (type == WIRE_YAML || type == WIRE_APPLY_PATCH)
        return yaml_parse(request->body, &json_limits_default, ret, error);
    return json_parse(request->body, &json_limits_default, ret, error);
}

/* JSON unless YAML stands before it. Weights are not read: nobody asks for YAML and prefers JSON. */
static bool accepts(const struct request *request, bool *ret_yaml)
{
    struct slice rest = request_header(request, "Accept"), item;
    *ret_yaml = false;
    if (slice_trim(rest).n == 0)
        return true;
    while (rest.n) {
        item = essence_of(slice_split(rest, ',', &rest));
        if (slice_is_nocase(item, "application/yaml")) {
            *ret_yaml = true;
            return true;
        }
        if (slice_is_nocase(item, "application/json") || slice_is_nocase(item, "application/*") ||
            slice_is(item, "*/*"))
            return true;
    }
    return false;
}

/* "application/json;as=Table;v=v1;g=meta.k8s.io" */
static bool is_table(struct slice item)
{
    struct slice name, value, essence = slice_trim(slice_split(item, ';', &item));
    bool table = false, version = false, group = false;
    while (item.n) {
        name = slice_split(slice_trim(slice_split(item, ';', &item)), '=', &value);
        table = table || (slice_is(name, "as") && slice_is(value, "Table"));
        version = version || (slice_is(name, "v") && slice_is(value, "v1"));
        group = group || (slice_is(name, "g") && slice_is(value, "meta.k8s.io"));
    }
    return slice_is_nocase(essence, "application/json") && table && version && group;
}

int wire_table(const struct request *request, bool *ret, enum table_include *ret_include, struct error *error)
{
    struct slice rest = request_header(request, "Accept"), first = slice_split(rest, ',', &rest);
    *ret = is_table(first);
    if (!table_include_parse(request_query(request, "includeObject"), ret_include) && *ret)
        return error_set(error, ERROR_BAD_REQUEST, "includeObject",
                         "includeObject must be \"None\", \"Metadata\" or \"Object\"");
    return 0;
}

int wire_check_accept(const struct request *request, struct error *error)
{
    bool yaml;
    if (accepts(request, &yaml))
        return 0;
    return error_set(error, ERROR_NOT_ACCEPTABLE, NULL, "objects come as application/json or application/yaml");
}

void wire_answer(const struct call *call, int status, const cJSON *object)
{
    bool yaml;
    accepts(call->request, &yaml);
    if (!yaml) {
        call_json(call, status, object);
        return;
    }
    AUTO_BUFFER struct buffer text = {0};
    yaml_print(object, &text);
    response_status(call->response, status);
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, "application/yaml", buffer_slice(&text));
}
