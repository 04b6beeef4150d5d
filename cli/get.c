/* What is there now, and what changes? */
#include "base/json.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define WATCH_LINE_MAX ((size_t)4 * 1024 * 1024) /* one object with its event */
static const struct json_limits list_limits = {CLIENT_BODY_MAX, 64, 4000000, 65536};

/* The collection asked for: one object, a namespace's, or (-A) everyone's. */
struct query {
    const struct resource *resource;
    const char *name, *namespace; /* NULL: all */
    enum output output;
    bool show_namespace;
    char *path;
};

static int read_query(struct call *call, struct query *ret, struct error *error)
{
    const char *name = NULL;
    int failed = object_kind(call->arguments[0], &ret->resource, &name, error);
    if (!failed)
        failed = output_of(call, &ret->output, error);
    if (failed)
        return failed;
    if (call->argument_count > 1 && name)
        return call_usage(error, "give the name once: %s/NAME or %s NAME", ret->resource->singular,
                          ret->resource->singular);
    ret->name = call->argument_count > 1 ? call->arguments[1] : name;
    bool all = call_flag(call, "all-namespaces");
    if (all && ret->name)
        return call_usage(error, "a name and --all-namespaces exclude each other");
    ret->show_namespace = all && ret->resource->namespaced;
    if (ret->name)
        return object_path(call, ret->resource, ret->name, &ret->path, error);
    if (ret->resource->namespaced && !all)
        failed = call_namespace(call, &ret->namespace, error);
    if (!failed)
        ret->path = resource_path(ret->resource, ret->namespace, NULL);
    return failed;
}

static void add_query(struct buffer *path, const char *key, const char *value)
{
    if (!value)
        return;
    buffer_add_text(path, strchr(path->p, '?') ? "&" : "?");
    buffer_add_format(path, "%s=", key);
    text_percent(slice_of(value), path);
}

static struct table *table_for(const struct query *query, const char **headers)
{
    size_t count = 0;
    if (query->show_namespace)
        headers[count++] = "NAMESPACE";
    for (const char *const *header = query->resource->headers; *header; header++)
        headers[count++] = *header;
    headers[count] = NULL;
    return table_new(headers);
}

static void add_row(const struct query *query, const cJSON *object, struct table *table)
{
    if (query->show_namespace)
        table_add(table, json_text_or("", object, "metadata", "namespace", NULL));
    query->resource->row(object, table);
}

static void print_name(const struct query *query, const cJSON *object, struct buffer *ret)
{
    char name[TABLE_CELL_MAX];
    text_printable(slice_of(json_text_or("", object, "metadata", "name", NULL)), name, sizeof(name));
    buffer_add_format(ret, "%s%s%s/%s\n", query->resource->singular, query->resource->group[0] ? "." : "",
                      query->resource->group, name);
}

static int print_objects(const struct query *query, const struct buffer *raw, struct table *table, cJSON **ret,
                         struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    int failed = json_parse(buffer_slice(raw), &list_limits, ret, error);
    if (failed)
        return failed;
    const cJSON *items = query->name ? NULL : json_member(*ret, "items"), *item = query->name ? *ret : NULL;
    if (items)
        item = items->child;
    for (; item; item = items ? item->next : NULL) {
        if (query->output == OUTPUT_NAME)
            print_name(query, item, &text);
        else
            add_row(query, item, table);
    }
    bool nothing = query->output == OUTPUT_TABLE && table_rows(table) == 0;
    if (query->output == OUTPUT_TABLE && !nothing)
        table_print(table, true, &text);
    if (nothing)
        say("no %s here", query->resource->plural);
    return print_text(text.p, error);
}

/* --- watch -------------------------------------------------------------------------------------------------------- */

struct watch {
    const struct query *query;
    struct table *table;
    struct buffer line;
    struct error *error;
    int failed;
};

static int show_event(struct watch *watch, struct slice line)
{
    AUTO_JSON cJSON *event = NULL;
    AUTO_BUFFER struct buffer text = {0};
    int failed = json_parse(line, &list_limits, &event, watch->error);
    if (failed)
        return failed;
    const char *type = json_text_or("", event, "type", NULL);
    const cJSON *object = json_member(event, "object");
    if (strcmp(type, "BOOKMARK") == 0)
        return 0;
    if (strcmp(type, "ERROR") == 0)
        return error_set(watch->error, ERROR_GONE, NULL, "%s",
                         json_text_or("the watch ended", object, "message", NULL));
    if (watch->query->output == OUTPUT_JSON) {
        AUTO_FREE char *json = json_print(object);
        buffer_add_format(&text, "%s\n", json);
    } else if (watch->query->output == OUTPUT_YAML) {
        buffer_add_text(&text, "---\n");
        yaml_print(object, &text);
    } else if (watch->query->output == OUTPUT_NAME) {
        print_name(watch->query, object, &text);
    } else {
        add_row(watch->query, object, watch->table);
        table_print(watch->table, false, &text);
    }
    return print_text(text.p, watch->error);
}

static bool take_watch(void *context, struct slice part)
{
    struct watch *watch = context;
    buffer_add_slice(&watch->line, part);
    const char *end;
    while (!watch->failed && (end = memchr(watch->line.p, '\n', watch->line.n))) {
        size_t length = (size_t)(end - watch->line.p);
        if (length)
            watch->failed = show_event(watch, (struct slice){watch->line.p, length});
        buffer_drop(&watch->line, length + 1);
    }
    if (!watch->failed && watch->line.n > WATCH_LINE_MAX)
        watch->failed =
            error_set(watch->error, ERROR_TOO_LARGE, NULL, "an event is larger than %zu MiB", WATCH_LINE_MAX >> 20);
    return !watch->failed;
}

/* Follows from the version that was printed. The server may end a watch at any time: the next one resumes. */
static int follow(struct call *call, const struct query *query, struct table *table, const cJSON *first,
                  struct error *error)
{
    struct watch watch = {.query = query, .table = table, .error = error};
    AUTO_FREE char *collection = resource_path(query->resource, query->name ? call->namespace : query->namespace, NULL);
    AUTO_BUFFER struct buffer path = {0};
    AUTO_FREE char *field = query->name ? memory_format("metadata.name=%s", query->name) : NULL;
    buffer_add_text(&path, collection);
    add_query(&path, "watch", "1");
    add_query(&path, "resourceVersion", json_text(first, "metadata", "resourceVersion", NULL));
    add_query(&path, "labelSelector", call_option(call, "selector"));
    add_query(&path, "fieldSelector", field);
    int failed = client_stream(call, path.p, take_watch, &watch, error);
    buffer_free(&watch.line);
    return watch.failed ? watch.failed : failed;
}

int verb_get(struct call *call, struct error *error)
{
    struct query query = {0};
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_BUFFER struct buffer path = {0};
    AUTO_JSON cJSON *document = NULL;
    const char *headers[TABLE_COLUMNS_MAX + 1];
    int failed = read_query(call, &query, error);
    if (failed)
        return failed;
    AUTO_FREE char *base = query.path;
    bool watching = call_flag(call, "watch");
    buffer_add_text(&path, base);
    add_query(&path, "labelSelector", call_option(call, "selector"));
    failed = client_send(call, &(struct client_request){.method = "GET", .path = path.p}, &raw, error);
    if (!failed && !watching && (query.output == OUTPUT_JSON || query.output == OUTPUT_YAML))
        return print_answer(call, &raw, "", error);
    struct table *table = table_for(&query, headers);
    if (!failed && (query.output == OUTPUT_TABLE || query.output == OUTPUT_NAME))
        failed = print_objects(&query, &raw, table, &document, error);
    else if (!failed)
        failed = print_answer(call, &raw, "", error);
    if (!failed && watching && !document)
        failed = json_parse(buffer_slice(&raw), &list_limits, &document, error);
    if (!failed && watching)
        failed = follow(call, &query, table, document, error);
    table_free(table);
    return failed;
}
