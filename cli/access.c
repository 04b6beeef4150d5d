/* May I do this, and what may I do? (`can-i`, asked as kubectl asks) */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define REVIEWS "/apis/authorization.k8s.io/v1/"

/* "notebooks", "notebook/nb1", "pods.metrics.k8s.io": kinds that are unknown here are the service's to judge. */
struct subject {
    char *group, *plural;
    const char *name; /* or NULL */
    bool namespaced;
};

static void subject_free(struct subject *subject)
{
    free(subject->group);
    free(subject->plural);
}

static void read_subject(const char *word, struct subject *ret)
{
    struct slice name, group, kind = slice_split(slice_of(word), '/', &name);
    AUTO_FREE char *text = memory_text_n(kind.p, kind.n);
    const struct resource *resource = resource_by_word(text);
    ret->name = strchr(word, '/') ? strchr(word, '/') + 1 : NULL;
    ret->namespaced = !resource || resource->namespaced;
    if (resource) {
        ret->plural = memory_text(resource->plural);
        ret->group = memory_text(resource->group);
        return;
    }
    struct slice plural = slice_split(kind, '.', &group);
    ret->plural = memory_text_n(plural.p, plural.n);
    ret->group = memory_text_n(group.n ? group.p : "", group.n);
}

static int ask(struct call *call, const char *review, cJSON *spec, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    AUTO_FREE char *kind = memory_format("Self%sReview", review);
    AUTO_FREE char *path = memory_format(
        REVIEWS "%s", strcmp(review, "SubjectAccess") == 0 ? "selfsubjectaccessreviews" : "selfsubjectrulesreviews");
    json_set_text(body, "apiVersion", "authorization.k8s.io/v1");
    json_set_text(body, "kind", kind);
    json_set(body, "spec", spec);
    return client_json(call, "POST", path, body, ret, error);
}

/* The profile to ask about: none with -A, which asks about all of them. */
static int namespace_of(struct call *call, bool namespaced, const char **ret, struct error *error)
{
    *ret = "";
    return namespaced && !call_flag(call, "all-namespaces") ? call_namespace(call, ret, error) : 0;
}

/* --- everything --------------------------------------------------------------------------------------------------- */

static void add_texts(const cJSON *texts, struct table *table)
{
    AUTO_BUFFER struct buffer text = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, texts)
        buffer_add_format(&text, "%s%s", text.n ? " " : "", cJSON_IsString(item) ? item->valuestring : "?");
    table_add(table, text.p);
}

static void rule_row(const cJSON *rule, struct table *table)
{
    const char *resource = json_text_or("", cJSON_GetArrayItem(json_member(rule, "resources"), 0), NULL);
    const char *group = json_text_or("", cJSON_GetArrayItem(json_member(rule, "apiGroups"), 0), NULL);
    AUTO_FREE char *name = memory_format("%s%s%s", resource, *group ? "." : "", group);
    table_add(table, name);
    add_texts(json_member(rule, "verbs"), table);
}

static int list_rules(struct call *call, struct error *error)
{
    static const char *const headers[] = {"KIND", "VERBS", NULL};
    static const struct listing listing = {headers, rule_row, "resources", false};
    AUTO_JSON cJSON *review = NULL;
    AUTO_JSON cJSON *document = json_object();
    const char *namespace = NULL;
    if (call->argument_count)
        return call_usage(error, "--list shows everything; it takes no verb and no kind");
    int failed = namespace_of(call, true, &namespace, error);
    if (failed)
        return failed;
    cJSON *spec = json_object();
    json_set_text(spec, "namespace", namespace);
    failed = ask(call, "SubjectRules", spec, &review, error);
    if (failed)
        return failed;
    json_set(document, "items", json_copy(json_at(review, "status", "resourceRules", NULL)));
    if (json_true(review, "status", "incomplete", NULL))
        say("the cluster has kinds of its own that are not in this list");
    return print_items(call, document, &listing, error);
}

/* --- one question ------------------------------------------------------------------------------------------------- */

static int ask_one(struct call *call, const struct subject *subject, cJSON **ret, struct error *error)
{
    const char *namespace = NULL;
    int failed = namespace_of(call, subject->namespaced, &namespace, error);
    if (failed)
        return failed;
    cJSON *spec = json_object(), *attributes = json_object_in(spec, "resourceAttributes");
    json_set_text(attributes, "namespace", *namespace ? namespace : NULL);
    json_set_text(attributes, "verb", call->arguments[0]);
    json_set_text(attributes, "group", subject->group);
    json_set_text(attributes, "resource", subject->plural);
    json_set_text(attributes, "subresource", call_option(call, "subresource"));
    json_set_text(attributes, "name", subject->name);
    return ask(call, "SubjectAccess", spec, ret, error);
}

int verb_can_i(struct call *call, struct error *error)
{
    struct subject subject = {0};
    AUTO_JSON cJSON *review = NULL;
    if (call_flag(call, "list"))
        return list_rules(call, error);
    if (call->argument_count < 2)
        return call_usage(error, "can-i needs VERB KIND[/NAME], or --list");
    read_subject(call->arguments[1], &subject);
    int failed = ask_one(call, &subject, &review, error);
    subject_free(&subject);
    if (failed)
        return failed;
    bool allowed = json_true(review, "status", "allowed", NULL);
    const char *reason = json_text_or("", review, "status", "reason", NULL);
    AUTO_FREE char *raw = json_print(review);
    AUTO_FREE char *line = memory_format("%s%s%s", allowed ? "yes" : "no", *reason ? ": " : "", reason);
    failed = print_answer(call, &(struct buffer){.p = raw, .n = strlen(raw)}, line, error);
    return failed ? failed : allowed ? EXIT_OK : EXIT_FAILED;
}
