/* How is one object created, changed, listed, deleted or opened by a command that knows its kind? */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

int create_object(struct call *call, const struct resource *resource, const cJSON *object, struct error *error)
{
    const char *namespace = NULL, *name = json_text_or("", object, "metadata", "name", NULL);
    AUTO_BUFFER struct buffer raw = {0};
    int failed = resource->namespaced ? call_namespace(call, &namespace, error) : 0;
    if (failed)
        return failed;
    AUTO_FREE char *path = resource_path(resource, namespace, NULL);
    AUTO_FREE char *body = json_print(object);
    failed = client_send(
        call,
        &(struct client_request){.method = "POST", .path = path, .type = "application/json", .body = slice_of(body)},
        &raw, error);
    AUTO_FREE char *shown = resource_name(resource, name);
    AUTO_FREE char *line = memory_format("%s created", shown);
    if (!failed)
        failed = print_answer(call, &raw, line, error);
    return failed ? failed : object_wait_if_asked(call, resource, name, error);
}

int patch_object(struct call *call, const struct resource *resource, const char *name, const cJSON *patch,
                 const char *done, struct error *error)
{
    char *path = NULL;
    AUTO_BUFFER struct buffer raw = {0};
    int failed = object_path(call, resource, name, &path, error);
    if (failed)
        return failed;
    AUTO_FREE char *owned = path;
    AUTO_FREE char *body = json_print(patch);
    failed = client_send(call,
                         &(struct client_request){.method = "PATCH",
                                                  .path = owned,
                                                  .type = cJSON_IsArray(patch) ? "application/json-patch+json"
                                                                               : "application/merge-patch+json",
                                                  .body = slice_of(body)},
                         &raw, error);
    AUTO_FREE char *shown = resource_name(resource, name);
    AUTO_FREE char *line = memory_format("%s %s", shown, done);
    return failed ? failed : print_answer(call, &raw, line, error);
}

int list_objects(struct call *call, const char *word, struct error *error)
{
    call->arguments[0] = word;
    call->argument_count = 1;
    return verb_get(call, error);
}

int delete_objects(struct call *call, const char *word, struct error *error)
{
    if (call->argument_count >= CALL_ARGUMENTS_MAX)
        return call_usage(error, "too many names");
    memmove(call->arguments + 1, call->arguments, call->argument_count * sizeof(call->arguments[0]));
    call->arguments[0] = word;
    call->argument_count++;
    return verb_delete(call, error);
}

int print_open_url(struct call *call, const char *kind, struct error *error)
{
    const char *namespace = NULL;
    AUTO_BUFFER struct buffer path = {0};
    AUTO_JSON cJSON *answer = NULL;
    int failed = call_namespace(call, &namespace, error);
    if (failed)
        return failed;
    buffer_add_format(&path, "/api/atelier/v1/open?kind=%s&namespace=", kind);
    text_percent(slice_of(namespace), &path);
    buffer_add_text(&path, "&name=");
    text_percent(slice_of(call->arguments[0]), &path);
    failed = client_json(call, "GET", path.p, NULL, &answer, error);
    const char *url = json_text(answer, "url", NULL);
    if (!failed && !url)
        failed = error_set(error, ERROR_UPSTREAM, NULL, "the service's answer names no url");
    if (failed)
        return failed;
    char printable[2048];
    text_printable(slice_of(url), printable, sizeof(printable) - 1);
    AUTO_FREE char *line = memory_format("%s\n", printable);
    return print_text(line, error);
}
