/* What is there to know about one object, for a person? */
#include <ctype.h>

#include "cli/address.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define WIDTH 20
#define DEPTH_MAX 24
#define VALUE_MAX 2000
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration" /* the whole object once more, as one line */

static const char *const quiet[] = {"managedFields", "uid", "resourceVersion", "selfLink", "kind", "apiVersion", NULL};

static bool is_quiet(const char *key)
{
    for (size_t i = 0; quiet[i]; i++)
        if (strcmp(quiet[i], key) == 0)
            return true;
    return strncmp(key, "f:", 2) == 0;
}

/* "readyReplicas" -> "Ready Replicas", as kubectl shows members; keys of maps (labels) stay as they are. */
static void add_label(struct buffer *ret, const char *key, bool as_is)
{
    if (as_is || strpbrk(key, "./-")) {
        buffer_add_text(ret, key);
        return;
    }
    for (const char *c = key; *c; c++) {
        char upper = (char)toupper((unsigned char)*c);
        bool begins = c > key && isupper((unsigned char)*c) && !isupper((unsigned char)c[-1]);
        buffer_add_text(ret, begins ? " " : "");
        buffer_add(ret, c == key ? &upper : c, 1);
    }
}

static void add_line(struct buffer *ret, int indent, const char *label, const char *value)
{
    char printable[VALUE_MAX], head[128];
    text_printable(slice_of(value), printable, sizeof(printable));
    snprintf(head, sizeof(head), "%*s%s:", indent, "", label);
    buffer_add_format(ret, printable[0] ? "%-*s %s\n" : "%.*s\n", printable[0] ? WIDTH : (int)strlen(head), head,
                      printable);
}

static void add_value(struct buffer *ret, int depth, const char *label, const cJSON *value);

static void add_members(struct buffer *ret, int depth, const cJSON *value)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, value)
    {
        AUTO_BUFFER struct buffer label = {0};
        if (cJSON_IsObject(value) && is_quiet(member->string))
            continue;
        if (cJSON_IsObject(value))
            add_label(&label, member->string, false);
        add_value(ret, depth, label.n ? label.p : "-", member);
    }
}

static void add_value(struct buffer *ret, int depth, const char *label, const cJSON *value)
{
    int indent = 2 * depth;
    if (cJSON_IsString(value)) {
        add_line(ret, indent, label, value->valuestring);
    } else if (cJSON_IsObject(value) || cJSON_IsArray(value)) {
        if (!value->child)
            add_line(ret, indent, label, "<none>");
        else if (depth >= DEPTH_MAX)
            add_line(ret, indent, label, "...");
        else {
            add_line(ret, indent, label, "");
            add_members(ret, depth + 1, value);
        }
    } else {
        AUTO_FREE char *text = json_print(value);
        add_line(ret, indent, label, text);
    }
}

/* Secrets say which keys they hold and how long the values are, never more. */
static void hide_values(cJSON *secret)
{
    cJSON *data = json_member(secret, "data"), *item;
    cJSON *sizes = json_object();
    cJSON_ArrayForEach(item, data)
    {
        AUTO_BUFFER struct buffer plain = {0};
        AUTO_FREE char *size = NULL;
        if (cJSON_IsString(item) && text_unbase64(slice_of(item->valuestring), &plain))
            size = memory_format("%zu bytes", plain.n);
        json_set_text(sizes, item->string, size ? size : "?");
        memory_wipe(plain.p, plain.n);
    }
    json_set(secret, "data", sizes);
    json_remove(json_object_in(json_member(secret, "metadata"), "annotations"), LAST_APPLIED);
}

static void add_address(struct buffer *ret, const char *label, const char *member, cJSON *object)
{
    const char *address = json_text(object, member, NULL);
    if (address)
        add_line(ret, 0, label, address);
    json_remove(object, member);
}

static char *about(const struct resource *resource, const char *name)
{
    return memory_format("involvedObject.kind=%s,involvedObject.name=%s", resource->kind, name);
}

static int add_events(struct call *call, const struct resource *resource, const cJSON *object, struct buffer *ret,
                      struct error *error)
{
    const struct resource *events = resource_by_word("events");
    AUTO_JSON cJSON *list = NULL;
    AUTO_BUFFER struct buffer path = {0};
    const cJSON *item;
    const char *namespace = json_text(object, "metadata", "namespace", NULL);
    if (!namespace) /* events about cluster kinds are nobody's here */
        return 0;
    AUTO_FREE char *collection = resource_path(events, namespace, NULL);
    AUTO_FREE char *fields = about(resource, json_text_or("", object, "metadata", "name", NULL));
    buffer_add_format(&path, "%s?fieldSelector=", collection);
    text_percent(slice_of(fields), &path);
    int failed = client_json(call, "GET", path.p, NULL, &list, error);
    if (failed)
        return failed;
    struct table *table = output_table(OUTPUT_TABLE, events->headers);
    cJSON_ArrayForEach(item, json_member(list, "items")) events->row(item, table);
    buffer_add_text(ret, table_rows(table) ? "Events:\n" : "Events:              <none>\n");
    if (table_rows(table))
        table_print(table, true, ret);
    table_free(table);
    return 0;
}

static int describe(struct call *call, const struct resource *resource, const char *name, struct error *error)
{
    const char *reason = "";
    AUTO_JSON cJSON *object = NULL;
    AUTO_BUFFER struct buffer text = {0};
    enum output output;
    int failed = output_of(call, &output, error);
    if (!failed)
        failed = object_get(call, resource, name, &object, error);
    if (failed)
        return failed;
    if (strcmp(resource->kind, "Secret") == 0)
        hide_values(object);
    if (!output_is_table(output))
        return print_tree(call, output == OUTPUT_NAME ? OUTPUT_YAML : output, object, error);
    object_look_closer(call, resource, object);
    json_remove(json_at(object, "metadata", "annotations", NULL), LAST_APPLIED);
    const char *state = resource_state(resource, object, &reason);
    add_line(&text, 0, "Name", json_text_or("", object, "metadata", "name", NULL));
    if (resource->namespaced)
        add_line(&text, 0, "Namespace", json_text_or("", object, "metadata", "namespace", NULL));
    if (state[0])
        add_line(&text, 0, "State", state);
    if (reason[0])
        add_line(&text, 0, "Reason", reason);
    if (strcmp(resource->kind, "RayCluster") == 0) {
        if (!json_at(object, "spec", "gcsFaultToleranceOptions", NULL))
            add_line(&text, 0, "Fault Tolerance", "off: a head that ends starts afresh, and its workers with it");
        address_note(call, object);
        add_address(&text, "Ray Client", ADDRESS_RAY_CLIENT, object);
        add_address(&text, "Serve gRPC", ADDRESS_SERVE_GRPC, object);
    }
    add_members(&text, 0, object);
    failed = add_events(call, resource, object, &text, error);
    return failed ? failed : print_text(text.p, error);
}

int verb_describe(struct call *call, struct error *error)
{
    const struct resource *resource = NULL;
    const char *name = NULL;
    int failed = object_kind(call->arguments[0], &resource, &name, error);
    if (!failed && call->argument_count > 1 && name)
        failed = call_usage(error, "give the name once: %s/NAME or %s NAME", resource->singular, resource->singular);
    if (!failed && call->argument_count > 1)
        name = call->arguments[1];
    if (!failed && !name)
        failed = call_usage(error, "describe needs: KIND NAME");
    return failed ? failed : describe(call, resource, name, error);
}

int verb_ray_describe(struct call *call, struct error *error)
{
    return describe(call, resource_by_word("rayclusters"), call->arguments[0], error);
}

int verb_events(struct call *call, struct error *error)
{
    if (call->argument_count == 0)
        return list_objects(call, "events", error);
    const struct resource *resource = NULL;
    const char *name = NULL;
    AUTO_JSON cJSON *object = NULL;
    int failed = object_kind(call->arguments[0], &resource, &name, error);
    if (!failed && (!name || !resource->namespaced))
        failed = call_usage(error, "expected KIND/NAME of something in a profile, such as notebook/nb1");
    if (!failed && call_flag(call, "all-namespaces"))
        failed = call_usage(error, "a name and --all-namespaces exclude each other");
    if (!failed) /* what is absent is said to be, rather than to have had no events */
        failed = object_get(call, resource, name, &object, error);
    if (failed)
        return failed;
    AUTO_FREE char *fields = about(resource, name);
    return get_matching(call, resource_by_word("events"), fields, error);
}
