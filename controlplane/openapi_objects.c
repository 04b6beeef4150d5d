/* What does the object API look like, to clients that ask for OpenAPI v3 before they validate or explain? */
#include "controlplane/handlers.h"
#include "controlplane/computed.h"
#include "controlplane/kinds.h"
#include "controlplane/schema.h"

#define PROTOBUF_V2 "application/com.github.proto-openapi.spec.v2"
#define META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

static bool is_served(struct engine *engine, size_t kind, const char *group, const char *version)
{
    const struct engine_kind_info *info = &engine_kinds[kind];
    return strcmp(info->group, group) == 0 && strcmp(info->version, version) == 0 &&
           engine_has(engine, (enum engine_kind)kind);
}

/* --- schemas ------------------------------------------------------------------------------------------------------ */
static cJSON *reference_to(const char *name)
{
    AUTO_FREE char *text = memory_format("#/components/schemas/%s", name);
    cJSON *reference = json_object();
    json_set_text(reference, "$ref", text);
    return reference;
}

/* Tools print a description only where the reference is not alone. */
static cJSON *described_reference(const char *name, const char *description)
{
    cJSON *value = json_object();
    json_push(json_set(value, "allOf", json_array()), reference_to(name));
    json_set_text(value, "description", description);
    return value;
}

static cJSON *plain(const char *type, const char *format)
{
    cJSON *value = json_object();
    json_set_text(value, "type", type);
    json_set_text(value, "format", format);
    return value;
}

static cJSON *quantity(void)
{
    cJSON *value = json_object(), *either = json_set(value, "oneOf", json_array());
    json_push(either, plain("string", NULL));
    json_push(either, plain("number", NULL));
    return value;
}

static void add_properties(cJSON *schema, const struct schema_field *fields);

static cJSON *object_of(const struct schema_field *fields, bool open)
{
    cJSON *value = plain("object", NULL);
    if (open)
        json_set_bool(value, "x-kubernetes-preserve-unknown-fields", true);
    if (fields)
        add_properties(json_object_in(value, "properties"), fields);
    return value;
}

static cJSON *holding(const char *type, const char *member, cJSON *inner)
{
    cJSON *value = plain(type, NULL);
    json_set(value, member, inner);
    return value;
}

static cJSON *schema_of_field(const struct schema_field *field)
{
    switch (field->type) {
    case SCHEMA_TEXT:
        return plain("string", NULL);
    case SCHEMA_TIME:
        return plain("string", "date-time");
    case SCHEMA_WHOLE:
        return plain("integer", "int64");
    case SCHEMA_NUMBER:
        return plain("number", NULL);
    case SCHEMA_TRUTH:
        return plain("boolean", NULL);
    case SCHEMA_QUANTITY:
        return quantity();
    case SCHEMA_MAP:
        return holding("object", "additionalProperties", plain("string", NULL));
    case SCHEMA_AMOUNTS:
        return holding("object", "additionalProperties", quantity());
    case SCHEMA_TEXTS:
        return holding("array", "items", plain("string", NULL));
    case SCHEMA_LIST:
        return holding("array", "items", object_of(field->fields, true));
    case SCHEMA_OBJECT:
    case SCHEMA_OPEN:
        break;
    }
    return object_of(field->fields, field->type == SCHEMA_OPEN);
}

static void add_properties(cJSON *properties, const struct schema_field *fields)
{
    for (; fields->name; fields++) {
        cJSON *value = json_set(properties, fields->name, schema_of_field(fields));
        json_set_text(value, "description", fields->description);
    }
}

static cJSON *type_of(const struct engine_kind_info *info)
{
    cJSON *type = json_object();
    json_set_text(type, "group", info->group);
    json_set_text(type, "version", info->version);
    json_set_text(type, "kind", info->kind);
    return type;
}

static char *schema_name(const struct engine_kind_info *info)
{
    return memory_format("%s.%s.%s", *info->group ? info->group : "core", info->version, info->kind);
}

static void add_schema(cJSON *schemas, const struct engine_kind_info *info, const struct schema *schema)
{
    AUTO_FREE char *name = schema_name(info);
    cJSON *value = json_set(schemas, name, plain("object", NULL)), *properties = json_object_in(value, "properties");
    json_set_text(value, "description", schema->description);
    json_set_text(json_set(properties, "apiVersion", plain("string", NULL)), "description",
                  "Group and version of the kind.");
    json_set_text(json_set(properties, "kind", plain("string", NULL)), "description", "What the object is.");
    json_set(properties, "metadata", described_reference(META, "Name, labels and annotations."));
    add_properties(properties, schema->fields);
    json_push(json_set(value, "x-kubernetes-group-version-kind", json_array()), type_of(info));
}

static const struct schema_field metadata_fields[] = {
    {"name", SCHEMA_TEXT, "Unique within a namespace, and never changes.", NULL},
    {"generateName", SCHEMA_TEXT, "What a name that the server makes begins with.", NULL},
    {"namespace", SCHEMA_TEXT, "Where it is.", NULL},
    {"labels", SCHEMA_MAP, "What it can be selected by.", NULL},
    {"annotations", SCHEMA_MAP, "What tools keep with it.", NULL},
    {"resourceVersion", SCHEMA_TEXT, "Which state this is; a change that names another is refused.", NULL},
    {"uid", SCHEMA_TEXT, "Tells it from others of its name before and after.", NULL},
    {"generation", SCHEMA_WHOLE, "How often what is wanted changed.", NULL},
    {"creationTimestamp", SCHEMA_TIME, "When it was made.", NULL},
    {"deletionTimestamp", SCHEMA_TIME, "When its deletion began.", NULL},
    {"finalizers", SCHEMA_TEXTS, "Who has something to do before it is gone.", NULL},
    {"ownerReferences", SCHEMA_LIST, "With what it goes.", NULL},
    {NULL, SCHEMA_TEXT, NULL, NULL}};

/* --- paths -------------------------------------------------------------------------------------------------------- */
static void add_parameter(cJSON *parameters, const char *name, const char *in)
{
    cJSON *parameter = json_push(parameters, json_object());
    json_set_text(parameter, "name", name);
    json_set_text(parameter, "in", in);
    if (strcmp(in, "path") == 0)
        json_set_bool(parameter, "required", true);
    json_set(parameter, "schema", plain("string", NULL));
}

static void add_content(cJSON *parent, const char *type, const char *name)
{
    json_set(json_object_in(json_object_in(parent, "content"), type), "schema", reference_to(name));
}

static const struct operation {
    const char *method, *action;
    unsigned write; /* the flag of kinds.h that allows it; 0: reading */
    bool item;      /* of one object, not of all */
} operations[] = {
    {"get", "list", 0, false},         {"post", "post", KIND_CREATE, false},  {"get", "get", 0, true},
    {"put", "put", KIND_CHANGE, true}, {"patch", "patch", KIND_CHANGE, true}, {"delete", "delete", KIND_DELETE, true},
};

static cJSON *new_operation(const struct engine_kind_info *info, const struct operation *operation, const char *name)
{
    static const char *const patches[] = {"application/merge-patch+json", "application/json-patch+json",
                                          "application/strategic-merge-patch+json"};
    AUTO_FREE char *id = memory_format("%s.%s", operation->action, name);
    cJSON *value = json_object();
    json_set_text(value, "operationId", id);
    json_set_text(value, "x-kubernetes-action", operation->action);
    json_set(value, "x-kubernetes-group-version-kind", type_of(info));
    if (operation->write) {
        cJSON *parameters = json_set(value, "parameters", json_array());
        add_parameter(parameters, "dryRun", "query");
        if (operation->write != KIND_DELETE)
            add_parameter(parameters, "fieldValidation", "query");
    }
    if (operation->write & (KIND_CREATE | KIND_CHANGE)) {
        bool patch = strcmp(operation->method, "patch") == 0;
        cJSON *body = json_object_in(value, "requestBody");
        for (size_t i = 0; patch && i < COUNT_OF(patches) - (*info->group != '\0'); i++)
            add_content(body, patches[i], name);
        if (!patch)
            add_content(body, "application/json", name);
    }
    cJSON *done = json_object_in(json_object_in(value, "responses"), operation->write == KIND_CREATE ? "201" : "200");
    json_set_text(done, "description", "done");
    if (operation->item && operation->write != KIND_DELETE)
        add_content(done, "application/json", name);
    return value;
}

/* <writes>: KIND_… flags. */
static void add_paths(cJSON *paths, const struct engine_kind_info *info, unsigned writes)
{
    AUTO_FREE char *name = schema_name(info);
    AUTO_FREE char *all =
        memory_format("/%s/%s%s%s%s/%s", *info->group ? "apis" : "api", info->group, *info->group ? "/" : "",
                      info->version, info->namespaced ? "/namespaces/{namespace}" : "", info->plural);
    AUTO_FREE char *one = memory_format("%s/{name}", all);
    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        const struct operation *operation = &operations[i];
        if (operation->write && !(writes & operation->write))
            continue;
        cJSON *path = json_object_in(paths, operation->item ? one : all);
        if (!json_member(path, "parameters")) {
            cJSON *parameters = json_set(path, "parameters", json_array());
            if (info->namespaced)
                add_parameter(parameters, "namespace", "path");
            if (operation->item)
                add_parameter(parameters, "name", "path");
        }
        json_set(path, operation->method, new_operation(info, operation, name));
    }
}

/* --- documents ---------------------------------------------------------------------------------------------------- */
cJSON *schema_openapi(struct engine *engine, const char *group, const char *version)
{
    AUTO_JSON cJSON *document = json_object();
    bool any = false;
    json_set_text(document, "openapi", "3.0.0");
    cJSON *info = json_object_in(document, "info"), *paths = json_object_in(document, "paths");
    json_set_text(info, "title", "Atelier");
    json_set_text(info, "version", ATELIER_VERSION);
    cJSON *schemas = json_object_in(json_object_in(document, "components"), "schemas");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (!is_served(engine, i, group, version))
            continue;
        any = true;
        add_schema(schemas, &engine_kinds[i], schema_of((enum engine_kind)i));
        add_paths(paths, &engine_kinds[i], kind_rules[i].writes);
    }
    for (size_t i = 0; i < computed_kind_count; i++) {
        const struct engine_kind_info *its = &computed_kinds[i].info;
        if (strcmp(its->group, group) != 0 || strcmp(its->version, version) != 0)
            continue;
        any = true;
        add_schema(schemas, its, &computed_kinds[i].schema);
        add_paths(paths, its, 0);
    }
    json_set_text(json_set(schemas, META, object_of(metadata_fields, false)), "description",
                  "What every object has besides what is its kind's own.");
    return any ? TAKE_POINTER(document) : NULL;
}

static void add_document(cJSON *paths, const struct engine_kind_info *info)
{
    AUTO_FREE char *key =
        memory_format("%s%s%s/%s", *info->group ? "apis" : "api", *info->group ? "/" : "", info->group, info->version);
    AUTO_FREE char *url = memory_format("/openapi/v3/%s", key);
    json_set_text(json_object_in(paths, key), "serverRelativeURL", url);
}

/* What kubectl asks of a kind that the third version does not know, to be told the same: then it says which kind there
 * is none of. To it, who wants protobuf only, a document of nothing is no bytes. */
int openapi_second(struct call *call, struct error *error)
{
    struct slice accept = request_header(call->request, "Accept");
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    if (slice_starts(accept, PROTOBUF_V2)) {
        response_status(call->response, 200);
        response_header(call->response, "Cache-Control", "no-store");
        response_body(call->response, PROTOBUF_V2, SLICE(""));
        return 0;
    }
    AUTO_JSON cJSON *document = json_object();
    json_set_text(document, "swagger", "2.0");
    json_set_text(json_object_in(document, "info"), "title", "Atelier: see /openapi/v3");
    json_set_text(json_member(document, "info"), "version", ATELIER_VERSION);
    json_set(document, "paths", json_object());
    json_set(document, "definitions", json_object());
    call_json(call, 200, document);
    return 0;
}

int openapi_index(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    AUTO_JSON cJSON *index = json_object();
    cJSON *paths = json_object_in(index, "paths");
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (engine_has(call->server->engine, (enum engine_kind)i))
            add_document(paths, &engine_kinds[i]);
    for (size_t i = 0; i < computed_kind_count; i++)
        add_document(paths, &computed_kinds[i].info);
    call_json(call, 200, index);
    return 0;
}

int openapi_document(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    const char *group = call_parameter(call, "group");
    AUTO_JSON cJSON *document = NULL;
    if (strcmp(call_parameter(call, "root"), *group ? "apis" : "api") == 0)
        document = schema_openapi(call->server->engine, group, call_parameter(call, "version"));
    if (!document)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    call_json(call, 200, document);
    return 0;
}
