/* Who am I? May I do this? What may I do here? (kubectl auth, on either engine) */
#include "base/protobuf.h"
#include "controlplane/computed.h"
#include "base/envelope.h"
#include "controlplane/handlers.h"
#include "controlplane/kinds.h"
#include "controlplane/wire.h"

/* What is asked about; texts are never NULL. Field numbers: k8s.io/api/authorization/v1 generated.proto. */
struct question {
    const char *namespace, *verb, *group, *resource, *part, *name, *path;
    bool about_path; /* nonResourceAttributes */
};

/* --- reading ------------------------------------------------------------------------------------------------------ */
static bool is_protobuf(const struct request *request)
{
    return slice_starts(request_header(request, "Content-Type"), "application/vnd.kubernetes.protobuf");
}

static int malformed(struct error *error)
{
    return error_set(error, ERROR_BAD_REQUEST, NULL, "the protobuf body is malformed, or of another kind");
}

/* False if the message is malformed or the field is no text. */
static bool text_field(const struct call *call, struct slice message, unsigned number, const char **ret)
{
    struct slice value;
    if (!protobuf_bytes(message, number, &value) || !text_is_utf8(value) || (value.n && memchr(value.p, 0, value.n)))
        return false;
    *ret = arena_text_n(call->request->arena, value.p, value.n);
    return true;
}

static int not_one_question(struct error *error)
{
    return error_set(error, ERROR_INVALID, "spec",
                     "expected either resourceAttributes or nonResourceAttributes, an object");
}

static int read_protobuf_access(const struct call *call, struct question *ret, struct error *error)
{
    struct slice raw, spec, resource, other;
    if (!envelope_open(call->request->body, "SelfSubjectAccessReview", &raw) || !protobuf_bytes(raw, 2, &spec) ||
        !protobuf_bytes(spec, 1, &resource) || !protobuf_bytes(spec, 2, &other))
        return malformed(error);
    if ((resource.n > 0) == (other.n > 0))
        return not_one_question(error);
    ret->about_path = other.n > 0;
    bool good = other.n > 0
                    ? text_field(call, other, 1, &ret->path) && text_field(call, other, 2, &ret->verb)
                    : text_field(call, resource, 1, &ret->namespace) && text_field(call, resource, 2, &ret->verb) &&
                          text_field(call, resource, 3, &ret->group) && text_field(call, resource, 5, &ret->resource) &&
                          text_field(call, resource, 6, &ret->part) && text_field(call, resource, 7, &ret->name);
    return good ? 0 : malformed(error);
}

static const char *member_text(const struct call *call, const cJSON *object, const char *member)
{
    return arena_text(call->request->arena, json_text_or("", object, member, NULL));
}

static int read_document(const struct call *call, cJSON **ret, struct error *error)
{
    enum wire_type type;
    int status = wire_type(call->request, &type, error);
    return status < 0 ? status : wire_read(call->request, type, ret, error);
}

static int read_access(const struct call *call, struct question *ret, struct error *error)
{
    AUTO_JSON cJSON *review = NULL;
    *ret = (struct question){"", "", "", "", "", "", "", false};
    if (is_protobuf(call->request))
        return read_protobuf_access(call, ret, error);
    int status = read_document(call, &review, error);
    if (status < 0)
        return status;
    const cJSON *resource = json_at(review, "spec", "resourceAttributes", NULL);
    const cJSON *other = json_at(review, "spec", "nonResourceAttributes", NULL);
    ret->about_path = other && !cJSON_IsNull(other);
    if (ret->about_path == (resource && !cJSON_IsNull(resource)) || !cJSON_IsObject(ret->about_path ? other : resource))
        return not_one_question(error);
    ret->path = member_text(call, other, "path");
    ret->verb = member_text(call, ret->about_path ? other : resource, "verb");
    ret->namespace = member_text(call, resource, "namespace");
    ret->group = member_text(call, resource, "group");
    ret->resource = member_text(call, resource, "resource");
    ret->part = member_text(call, resource, "subresource");
    ret->name = member_text(call, resource, "name");
    return 0;
}

/* --- deciding ----------------------------------------------------------------------------------------------------- */
static const struct verb_name {
    const char *name;
    enum verb verb;
    unsigned write; /* KIND_… flag that it needs */
} verbs[] = {{"get", VERB_GET, 0},
             {"list", VERB_LIST, 0},
             {"watch", VERB_WATCH, 0},
             {"create", VERB_CREATE, KIND_CREATE},
             {"update", VERB_UPDATE, KIND_CHANGE},
             {"patch", VERB_UPDATE, KIND_CHANGE},
             {"delete", VERB_DELETE, KIND_DELETE}};

static const struct verb_name *find_verb(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static struct decision no(const char *reason)
{
    return (struct decision){.reason = reason};
}

/* Subresources that are decided otherwise than their object. *ret_writes: what the kind would have to allow. */
static bool part_verb(const char *part, enum verb *verb, unsigned *writes)
{
    static const char *const connecting[] = {"exec", "attach", "portforward", "proxy"};
    if (!*part || strcmp(part, "scale") == 0)
        return true;
    if (strcmp(part, "status") == 0)
        return *writes == 0;
    if (strcmp(part, "log") == 0) {
        *verb = VERB_LOG;
        return *writes == 0;
    }
    for (size_t i = 0; i < COUNT_OF(connecting); i++) {
        if (strcmp(part, connecting[i]) != 0)
            continue;
        *verb = VERB_CONNECT;
        *writes = 0;
        return true;
    }
    return false;
}

static struct decision decide_resource(const struct call *call, const struct question *question)
{
    enum engine_kind kind;
    struct engine *engine = call->server->engine;
    const struct verb_name *named = find_verb(question->verb);
    if (!named)
        return no("this verb is none that Atelier allows");
    const struct computed_kind *computed = computed_find(engine, question->group, question->resource);
    if (computed && (*question->part || (named->verb != VERB_GET && named->verb != VERB_LIST)))
        return no("this kind is read only, one at a time or as a list");
    if (computed)
        return computed_decide(call, computed, *question->namespace ? question->namespace : NULL,
                               *question->name ? question->name : NULL, named->verb);
    enum verb verb = named->verb;
    unsigned writes = named->write;
    bool known = engine_kind_by_plural(slice_of(question->group), slice_of(question->resource), &kind) &&
                 engine_has(engine, kind);
    if (!part_verb(question->part, &verb, &writes))
        return no("this subresource is written by Atelier only");
    if (!known && (!engine_forwards(engine) || !*question->namespace || strcmp(question->resource, "*") == 0))
        return no("no such kind is served here");
    if (known && (kind_rules[kind].writes & writes) != writes &&
        !(engine_forwards(engine) && (kind == KIND_POD || kind == KIND_STATEFULSET)))
        return no("objects of this kind are written by Atelier only");
    bool namespaced = !known || engine_kinds[kind].namespaced;
    bool foreign = !known || kind == KIND_STATEFULSET; /* decided as controlplane/cluster.h says */
    const char *name = *question->name && !foreign ? question->name : NULL;
    return call_decide(call,
                       !namespaced            ? name
                       : *question->namespace ? question->namespace
                                              : NULL,
                       foreign ? "Pod" : engine_kinds[kind].kind, name, verb);
}

static struct decision decide_path(const struct question *question)
{
    static const char *const open[] = {"/version", "/api", "/apis", "/openapi", "/healthz", "/livez", "/readyz"};
    for (size_t i = 0; i < COUNT_OF(open) && strcmp(question->verb, "get") == 0; i++) {
        size_t length = strlen(open[i]);
        if (strncmp(question->path, open[i], length) == 0 &&
            (question->path[length] == '\0' || question->path[length] == '/'))
            return (struct decision){.allowed = true, .reason = "whoever is signed in may look around"};
    }
    return no("no such path is served here");
}

/* An empty review of the kind; its spec is not told back. */
static cJSON *review_new(const char *kind, const char *version)
{
    cJSON *review = json_object();
    json_set_text(review, "kind", kind);
    json_set_text(review, "apiVersion", version);
    json_set(review, "metadata", json_object());
    return review;
}

int review_access(struct call *call, struct error *error)
{
    struct question question;
    int status = read_access(call, &question, error);
    if (status < 0)
        return status;
    struct decision decision = question.about_path ? decide_path(&question) : decide_resource(call, &question);
    AUTO_JSON cJSON *review = review_new("SelfSubjectAccessReview", "authorization.k8s.io/v1");
    json_set(review, "spec", json_object());
    cJSON *answer = json_object_in(review, "status");
    json_set_bool(answer, "allowed", decision.allowed);
    json_set_text(answer, "reason", decision.reason);
    call_json(call, 201, review);
    return 0;
}

/* --- everything in one namespace ---------------------------------------------------------------------------------- */
static int read_namespace(const struct call *call, const char **ret, struct error *error)
{
    AUTO_JSON cJSON *review = NULL;
    struct slice raw, spec;
    if (is_protobuf(call->request)) {
        bool good = envelope_open(call->request->body, "SelfSubjectRulesReview", &raw) &&
                    protobuf_bytes(raw, 2, &spec) && text_field(call, spec, 1, ret);
        return good ? 0 : malformed(error);
    }
    int status = read_document(call, &review, error);
    if (status == 0)
        *ret = member_text(call, json_member(review, "spec"), "namespace");
    return status;
}

static void add_rule(const struct call *call, cJSON *rules, const char *namespace, const struct engine_kind_info *info,
                     const char *part, const char *const *part_verbs)
{
    AUTO_JSON cJSON *allowed = json_array();
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        bool fits = !part_verbs;
        for (size_t j = 0; part_verbs && part_verbs[j]; j++)
            fits = fits || strcmp(part_verbs[j], verbs[i].name) == 0;
        struct question question = {namespace, verbs[i].name, info->group, info->plural, part, "", "", false};
        if (fits && decide_resource(call, &question).allowed)
            json_push_text(allowed, verbs[i].name);
    }
    if (!allowed->child)
        return;
    AUTO_FREE char *resource = memory_format("%s%s%s", info->plural, *part ? "/" : "", part);
    cJSON *rule = json_push(rules, json_object());
    json_set(rule, "verbs", TAKE_POINTER(allowed));
    json_push_text(json_set(rule, "apiGroups", json_array()), info->group);
    json_push_text(json_set(rule, "resources", json_array()), resource);
}

int review_rules(struct call *call, struct error *error)
{
    static const char *const paths[] = {"/version", "/api", "/api/*", "/apis", "/apis/*", "/openapi/*"};
    static const char *const get[] = {"get", NULL}, *const create[] = {"create", NULL};
    const char *namespace = "";
    int status = read_namespace(call, &namespace, error);
    if (status < 0)
        return status;
    AUTO_JSON cJSON *review = review_new("SelfSubjectRulesReview", "authorization.k8s.io/v1");
    json_set(review, "spec", json_object());
    cJSON *answer = json_object_in(review, "status");
    cJSON *rules = json_set(answer, "resourceRules", json_array());
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (engine_has(call->server->engine, (enum engine_kind)i))
            add_rule(call, rules, namespace, &engine_kinds[i], "", NULL);
    }
    for (size_t i = 0; i < computed_kind_count && !engine_forwards(call->server->engine); i++)
        add_rule(call, rules, namespace, &computed_kinds[i].info, "", NULL);
    add_rule(call, rules, namespace, &engine_kinds[KIND_POD], "log", get);
    add_rule(call, rules, namespace, &engine_kinds[KIND_POD], "exec", create);
    add_rule(call, rules, namespace, &engine_kinds[KIND_POD], "attach", create);
    add_rule(call, rules, namespace, &engine_kinds[KIND_POD], "portforward", create);
    cJSON *looking = json_push(json_set(answer, "nonResourceRules", json_array()), json_object());
    json_push_text(json_set(looking, "verbs", json_array()), "get");
    cJSON *urls = json_set(looking, "nonResourceURLs", json_array());
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        json_push_text(urls, paths[i]);
    json_set_bool(answer, "incomplete", engine_forwards(call->server->engine)); /* the cluster has kinds of its own */
    call_json(call, 201, review);
    return 0;
}

/* --- who is asking ------------------------------------------------------------------------------------------------ */
int review_self(struct call *call, struct error *error)
{
    (void)error;
    AUTO_JSON cJSON *review = review_new("SelfSubjectReview", "authentication.k8s.io/v1");
    cJSON *user = json_object_in(json_object_in(review, "status"), "userInfo");
    json_set_text(user, "username", call->request->identity->email);
    json_push_text(json_set(user, "groups", json_array()), "system:authenticated");
    call_json(call, 201, review);
    return 0;
}
