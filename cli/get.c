/* What is there now, and what changes? */
#include "base/clock.h"
#include "base/json.h"
#include "cli/address.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define WATCH_PAUSE_MS 1000                      /* before a watch that ended at once is begun again */
#define WATCH_LINE_MAX ((size_t)4 * 1024 * 1024) /* one object with its event */

/* The collection asked for: one object, a namespace's, or (-A) everyone's. */
struct query {
    const struct resource *resource;
    const char *name, *namespace; /* NULL: all */
    enum output output;
    bool show_namespace;
    const char *fields; /* a field selector, or NULL */
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
    return output_table(query->output, headers);
}

static void add_row(const struct query *query, const cJSON *object, struct table *table)
{
    if (query->show_namespace)
        table_add(table, json_text_or("", object, "metadata", "namespace", NULL));
    query->resource->row(object, table);
}

static void print_name(const struct query *query, const cJSON *object, struct buffer *ret)
{
    AUTO_FREE char *name = resource_name(query->resource, json_text_or("", object, "metadata", "name", NULL));
    buffer_add_format(ret, "%s\n", name);
}

static int print_objects(struct call *call, const struct query *query, cJSON *document, struct table *table,
                         struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    const cJSON *items = query->name ? NULL : json_member(document, "items");
    cJSON *item = query->name ? document : NULL;
    if (items)
        item = items->child;
    for (; item; item = items ? item->next : NULL) {
        if (query->output == OUTPUT_NAME)
            print_name(query, item, &text);
        else {
            object_look_closer(call, query->resource, item);
            add_row(query, item, table);
        }
    }
    bool nothing = output_is_table(query->output) && table_rows(table) == 0;
    if (output_is_table(query->output) && !nothing)
        table_print(table, true, &text);
    if (nothing)
        say("no %s here", query->resource->plural);
    return print_text(text.p, error);
}

/* --- watch -------------------------------------------------------------------------------------------------------- */

struct watch {
    struct call *call;
    const struct query *query;
    struct table *table;
    struct buffer line;
    char *version; /* of the last event: where the next watch begins */
    struct error *error;
    int failed;
};

static int print_object(struct call *call, const struct query *query, const cJSON *object, struct error *error)
{
    if (query->output != OUTPUT_YAML)
        return print_tree(call, query->output, object, error);
    return print_manifest(call, object, error);
}

/* One document an object, now and later: a watch is a stream of objects. */
static int print_each(struct call *call, const struct query *query, const cJSON *document, struct error *error)
{
    const cJSON *item;
    int failed = 0;
    if (query->name)
        return print_object(call, query, document, error);
    cJSON_ArrayForEach(item, json_member(document, "items"))
    {
        if (!failed)
            failed = print_object(call, query, item, error);
    }
    return failed;
}

static int show_object(struct watch *watch, const cJSON *object)
{
    AUTO_BUFFER struct buffer text = {0};
    if (watch->query->output == OUTPUT_NAME) {
        print_name(watch->query, object, &text);
    } else if (output_is_table(watch->query->output)) {
        add_row(watch->query, object, watch->table);
        table_print(watch->table, false, &text);
    } else {
        return print_object(watch->call, watch->query, object, watch->error);
    }
    return print_text(text.p, watch->error);
}

/* What a wide row shows and the object itself does not know. */
static void complete_row(struct call *call, const struct query *query, cJSON *object)
{
    if (query->output == OUTPUT_WIDE && strcmp(query->resource->kind, "RayCluster") == 0)
        address_note(call, object);
}

static void complete_rows(struct call *call, const struct query *query, cJSON *document)
{
    cJSON *item;
    if (query->name)
        complete_row(call, query, document);
    cJSON_ArrayForEach(item, json_member(document, "items"))
    {
        complete_row(call, query, item);
    }
}

static int show_event(struct watch *watch, struct slice line)
{
    AUTO_JSON cJSON *event = NULL;
    int failed = json_parse(line, &output_limits, &event, watch->error);
    if (failed)
        return failed;
    const char *type = json_text_or("", event, "type", NULL);
    cJSON *object = json_member(event, "object");
    if (strcmp(type, "ERROR") == 0)
        return error_set(watch->error, ERROR_GONE, NULL, "%s",
                         json_text_or("the watch ended", object, "message", NULL));
    const char *version = json_text(object, "metadata", "resourceVersion", NULL);
    if (version) {
        free(watch->version);
        watch->version = memory_text(version);
    }
    if (strcmp(type, "BOOKMARK") == 0)
        return 0;
    complete_row(watch->call, watch->query, object);
    return show_object(watch, object);
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

static int watch_once(struct watch *watch)
{
    const struct query *query = watch->query;
    AUTO_BUFFER struct buffer path = {0};
    AUTO_FREE char *collection =
        resource_path(query->resource, query->name ? watch->call->namespace : query->namespace, NULL);
    AUTO_FREE char *field = query->name ? memory_format("metadata.name=%s", query->name) : NULL;
    buffer_add_text(&path, collection);
    add_query(&path, "watch", "1");
    add_query(&path, "allowWatchBookmarks", "true");
    add_query(&path, "resourceVersion", watch->version);
    add_query(&path, "labelSelector", call_option(watch->call, "selector"));
    add_query(&path, "fieldSelector", field ? field : query->fields);
    buffer_clear(&watch->line);
    int failed = client_stream(watch->call, path.p, take_watch, watch, watch->error);
    return watch->failed ? watch->failed : failed;
}

/* Follows from the version that was printed. The server ends a watch after at most an hour: the next one goes on. */
static int follow(struct call *call, const struct query *query, struct table *table, const cJSON *first,
                  struct error *error)
{
    struct watch watch = {.call = call, .query = query, .table = table, .error = error};
    watch.version = memory_text(json_text(first, "metadata", "resourceVersion", NULL));
    int failed = 0;
    while (!failed) {
        int64_t begun_ms = clock_monotonic_ms();
        failed = watch_once(&watch);
        if (!failed && clock_monotonic_ms() - begun_ms < WATCH_PAUSE_MS)
            clock_sleep_ms(WATCH_PAUSE_MS);
    }
    buffer_free(&watch.line);
    free(watch.version);
    return failed;
}

static int show(struct call *call, struct query *query, struct error *error)
{
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_BUFFER struct buffer path = {0};
    AUTO_JSON cJSON *document = NULL;
    const char *headers[TABLE_COLUMNS_MAX + 1];
    bool watching = call_flag(call, "watch");
    buffer_add_text(&path, query->path);
    add_query(&path, "labelSelector", call_option(call, "selector"));
    add_query(&path, "fieldSelector", query->fields);
    int failed = client_get(call, path.p, &raw, error);
    if (failed)
        return failed;
    if (query->output == OUTPUT_JSON && !watching)
        return print_document(call, query->output, buffer_slice(&raw), error);
    failed = json_parse(buffer_slice(&raw), &output_limits, &document, error);
    if (failed)
        return failed;
    struct table *table = table_for(query, headers);
    complete_rows(call, query, document);
    if (output_is_table(query->output) || query->output == OUTPUT_NAME)
        failed = print_objects(call, query, document, table, error);
    else if (watching)
        failed = print_each(call, query, document, error);
    else
        failed = print_tree(call, query->output, document, error);
    if (!failed && watching)
        failed = follow(call, query, table, document, error);
    table_free(table);
    return failed;
}

int get_matching(struct call *call, const struct resource *resource, const char *fields, struct error *error)
{
    struct query query = {.resource = resource, .fields = fields};
    int failed = output_of(call, &query.output, error);
    if (!failed)
        failed = call_namespace(call, &query.namespace, error);
    if (failed)
        return failed;
    AUTO_FREE char *path = resource_path(resource, query.namespace, NULL);
    query.path = path;
    return show(call, &query, error);
}

int verb_get(struct call *call, struct error *error)
{
    struct query query = {0};
    int failed = read_query(call, &query, error);
    if (!failed)
        failed = show(call, &query, error);
    free(query.path);
    return failed;
}
