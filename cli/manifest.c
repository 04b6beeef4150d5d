/* Which objects does a file describe, and where do they belong? */
#include "cli/manifest.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"

static const struct json_limits manifest_limits = {MANIFEST_BYTES_MAX, 64, 200000, 4096};

static int read_stdin(struct buffer *ret, struct error *error)
{
    char bytes[65536];
    ssize_t count;
    while ((count = read(STDIN_FILENO, bytes, sizeof(bytes))) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(error, ERROR_INTERNAL, NULL, "stdin: %s", strerrordesc_np(errno));
        if ((size_t)count > MANIFEST_BYTES_MAX - ret->n)
            return error_set(error, ERROR_TOO_LARGE, NULL, "stdin holds more than %zu MiB", MANIFEST_BYTES_MAX >> 20);
        buffer_add(ret, bytes, (size_t)count);
    }
    buffer_add(ret, NULL, 0);
    return 0;
}

/* Lists (what `get -o json` prints) stand for their items. */
static void unfold(cJSON *document, cJSON *array)
{
    cJSON *items = json_member(document, "items");
    const char *kind = json_text_or("", document, "kind", NULL);
    if (cJSON_IsArray(items) && slice_ends(slice_of(kind), "List")) {
        while (items->child)
            json_push(array, cJSON_DetachItemViaPointer(items, items->child));
        cJSON_Delete(document);
        return;
    }
    json_push(array, document);
}

static int parse(struct slice text, cJSON **ret, struct error *error)
{
    struct slice start = text;
    while (start.n && (start.p[0] == ' ' || start.p[0] == '\n' || start.p[0] == '\t' || start.p[0] == '\r'))
        start = slice_skip(start, 1);
    if (!start.n || start.p[0] != '{')
        return yaml_parse_all(text, &manifest_limits, ret, error);
    cJSON *document = NULL;
    int failed = json_parse(text, &manifest_limits, &document, error);
    if (failed)
        return yaml_parse_all(text, &manifest_limits, ret, NULL) == 0 ? 0
                                                                      : failed; /* flow style, or several in a row */
    *ret = json_array();
    json_push(*ret, document);
    return 0;
}

int manifest_read_all(const char *path, cJSON **ret_array, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    cJSON *documents = NULL;
    int failed = strcmp(path, "-") == 0 ? read_stdin(&text, error) : file_read(path, MANIFEST_BYTES_MAX, &text, error);
    if (!failed)
        failed = parse(buffer_slice(&text), &documents, error);
    if (failed)
        return error_wrap(error, "%s", strcmp(path, "-") == 0 ? "stdin" : path);
    cJSON *array = json_array();
    while (documents->child) {
        cJSON *document = cJSON_DetachItemViaPointer(documents, documents->child);
        if (cJSON_IsNull(document)) /* an empty document between two "---" */
            cJSON_Delete(document);
        else
            unfold(document, array);
    }
    cJSON_Delete(documents);
    if (cJSON_GetArraySize(array) == 0) {
        cJSON_Delete(array);
        return error_set(error, ERROR_INVALID, NULL, "%s holds no object", path);
    }
    *ret_array = array;
    return 0;
}

int manifest_target(struct call *call, const cJSON *object, struct manifest *ret, struct error *error)
{
    const char *version = json_text(object, "apiVersion", NULL), *kind = json_text(object, "kind", NULL);
    const char *name = json_text(object, "metadata", "name", NULL);
    const char *namespace = json_text(object, "metadata", "namespace", NULL), *given = call_option(call, "namespace");
    if (!version || !kind)
        return error_set(error, ERROR_INVALID, version ? "kind" : "apiVersion", "a manifest needs apiVersion and kind");
    const struct resource *resource = resource_by_manifest(version, kind);
    if (!resource)
        return error_set(error, ERROR_INVALID, "kind", "%.60s %.60s is not served here", version, kind);
    if (!name || !name_is_subdomain(slice_of(name)))
        return error_set(error, ERROR_INVALID, "metadata.name",
                         "a manifest needs a name of lower-case letters, digits and '-'");
    *ret = (struct manifest){.resource = resource, .name = name};
    if (!resource->namespaced)
        return 0;
    if (given && namespace && strcmp(given, namespace) != 0)
        return error_set(error, ERROR_INVALID, "metadata.namespace",
                         "%s/%s says namespace \"%.63s\", -n says \"%.63s\"", resource->singular, name, namespace,
                         given);
    if (namespace) {
        ret->namespace = namespace;
        return 0;
    }
    return call_namespace(call, &ret->namespace, error);
}
