/*
 * Every row of the route table, asked by everybody; every kind and verb of the object API likewise. What is not allowed
 * is not allowed on any of them, and strangers learn nothing: their answers are the same bytes before and after the
 * thing exists.
 */
#include "tests/integration/api_harness.h"

#include "controlplane/kinds.h"
#include "controlplane/router.h"

static int start(void **state)
{
    (void)state;
    api_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_stop();
    return 0;
}

#define TOKEN_OF_RC                                                                                                    \
    "{\"application\":{\"namespace\":\"alice\",\"kind\":\"RayCluster\",\"name\":\"rc\",\"prefix\":\"/\"}}"

/* --- strangers learn nothing -------------------------------------------------------------------------------------- */
static const struct {
    const char *method, *path, *body;
} probes[] = {
    {"GET", "/apis/kubeflow.org/v1/profiles/alice", NULL},
    {"GET", "/apis/kubeflow.org/v1/profiles", NULL},
    {"DELETE", "/apis/kubeflow.org/v1/profiles/alice", NULL},
    {"PATCH", "/apis/kubeflow.org/v1/profiles/alice", "{}"},
    {"PUT", "/apis/kubeflow.org/v1/profiles/alice", PROFILE},
    {"GET", "/api/v1/namespaces/alice", NULL},
    {"GET", "/api/v1/namespaces", NULL},
    {"GET", NOTEBOOKS, NULL},
    {"GET", NOTEBOOKS "?watch=1", NULL},
    {"GET", NOTEBOOKS "/nb1", NULL},
    {"GET", NOTEBOOKS "/nb1/status", NULL},
    {"POST", NOTEBOOKS, NOTEBOOK},
    {"POST", NOTEBOOKS, "not even JSON"},
    {"PUT", NOTEBOOKS "/nb1", NOTEBOOK},
    {"PATCH", NOTEBOOKS "/nb1", "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":\"x\"}}}"},
    {"PATCH", NOTEBOOKS "/nb1/status", "{}"},
    {"DELETE", NOTEBOOKS "/nb1", NULL},
    {"GET", "/api/v1/namespaces/alice/pods", NULL},
    {"GET", "/api/v1/namespaces/alice/pods/nb1-0", NULL},
    {"DELETE", "/api/v1/namespaces/alice/pods/nb1-0", NULL},
    {"GET", "/api/v1/namespaces/alice/pods/nb1-0/log", NULL},
    {"GET", "/api/v1/namespaces/alice/pods/nb1-0/log?follow=true&container=nb1", NULL},
    {"GET", "/api/v1/namespaces/alice/services/nb1", NULL},
    {"GET", "/api/v1/namespaces/alice/events", NULL},
    {"GET", "/api/v1/namespaces/alice/persistentvolumeclaims/home", NULL},
    {"GET", "/api/v1/namespaces/alice/configmaps", NULL},
    {"GET", "/api/v1/namespaces/alice/secrets", NULL},
    {"GET", "/api/v1/namespaces/alice/secrets/ray-auth", NULL},
    {"GET", "/api/v1/namespaces/alice/resourcequotas/kf-resource-quota", NULL},
    {"GET", "/apis/apps/v1/namespaces/alice/statefulsets/nb1", NULL},
    {"GET", "/apis/ray.io/v1/namespaces/alice/rayclusters", NULL},
    {"GET", "/api/v1/pods", NULL},
    {"GET", "/api/v1/secrets", NULL},
    {"GET", "/apis/kubeflow.org/v1/notebooks", NULL},
    {"GET", "/apis/kubeflow.org/v1/notebooks?limit=1", NULL},
    {"GET", "/notebook/alice/nb1/api", NULL},
    {"POST", "/notebook/alice/nb1/api/kernels", "{}"},
    {"GET", "/ray/alice/rc/", NULL},
    {"GET", "/serve/alice/rc/", NULL},
    {"GET", "/api/v1/namespaces/alice/services/http:nb1:80/proxy/", NULL},
    {"DELETE", "/api/v1/namespaces/alice/services/http:nb1:80/proxy/", NULL},
    {"GET", MEMBERS, NULL},
    {"POST", MEMBERS, "{\"subject\":{\"kind\":\"User\",\"name\":\"bob@example.com\"},\"role\":\"admin\"}"},
    {"DELETE", MEMBERS "/1", NULL},
    {"PUT", "/api/atelier/v1/profiles/alice/owner", "{\"email\":\"bob@example.com\"}"},
    {"GET", "/api/atelier/v1/profiles/alice/audit", NULL},
    {"GET", "/api/atelier/v1/profiles/alice/tokens", NULL},
    {"DELETE", "/api/atelier/v1/profiles/alice/tokens/1", NULL},
    {"POST", "/api/atelier/v1/tokens", TOKEN_OF_RC},
    {"GET", "/api/atelier/v1/profiles/alice/jobs", NULL},
    {"GET", "/api/atelier/v1/profiles/alice/jobs/j1", NULL},
    {"GET", "/api/atelier/v1/profiles/alice/jobs/j1/log", NULL},
    {"GET", "/api/atelier/v1/open?kind=Notebook&namespace=alice&name=nb1", NULL},
};

/* What may differ between two equal requests: the request's id and the list's version. */
static char *without_ids(const char *raw)
{
    char *text = memory_text(raw);
    static const char *const marks[] = {"X-Request-Id: ", "\"requestId\":\"", "\"resourceVersion\":\""};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        char *at = strstr(text, marks[i]);
        for (at = at ? at + strlen(marks[i]) : NULL; at && *at && *at != '\r' && *at != '"'; at++)
            *at = '?';
    }
    char *version = strstr(text, "\"resourceVersion\":\"");
    char *length = strstr(text, "Content-Length: ");
    if (version && length) { /* its digits are not the stranger's business, their number is harmless */
        char *end = strchr(version + 19, '"');
        memmove(version + 19, end, strlen(end) + 1);
        memmove(length, strchr(length, '\r'), strlen(strchr(length, '\r')) + 1);
    }
    return text;
}

static void strangers_learn_nothing(void **state)
{
    (void)state;
    static char *before[2][COUNT_OF(probes)];
    static const enum person strangers[] = {BOB, ANONYMOUS};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < COUNT_OF(probes); i++) {
            AUTO_ANSWER struct answer answer = ask(strangers[s], probes[i].method, probes[i].path, probes[i].body);
            before[s][i] = without_ids(answer.raw.p);
        }
    }
    api_populate();
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < COUNT_OF(probes); i++) {
            AUTO_ANSWER struct answer answer = ask(strangers[s], probes[i].method, probes[i].path, probes[i].body);
            AUTO_FREE char *after = without_ids(answer.raw.p);
            if (strcmp(before[s][i], after) != 0)
                fail_msg("%s: %s %s tells that it exists:\n%s\n%s", person_names[strangers[s]], probes[i].method,
                         probes[i].path, before[s][i], after);
            bool list = strstr(after, "List\"") != NULL;
            if (answer.status != (strangers[s] == ANONYMOUS ? 401 : list ? 200 : 404))
                fail_msg("%s: %s %s: %s", person_names[strangers[s]], probes[i].method, probes[i].path, after);
            assert_null(strstr(answer.body, "\"uid\""));
            free(before[s][i]);
        }
    }
}

/* --- the people half, row by row ---------------------------------------------------------------------------------- */
static bool is_admin(enum person person)
{
    return person == ADMIN;
}

/* What the row's `who` means for each: 401, 403, 404, or 0 for "let in". */
static int expected_status(enum who who, enum person person)
{
    bool manages = person == ALICE || person == MAX || is_admin(person);
    if (who == WHO_ANYONE)
        return 0;
    if (person == ANONYMOUS)
        return 401;
    switch (who) {
    case WHO_ADMIN:
        return is_admin(person) ? 0 : 403;
    case WHO_PARTS:
        return person == BOB ? 404 : 0;
    case WHO_MEMBERS_READ:
        return person == BOB || person == ONE ? 404 : 0;
    case WHO_MEMBERS_WRITE:
        return manages ? 0 : person == BOB || person == ONE ? 404 : 403;
    case WHO_JOBS_READ:
        return person == BOB ? 404 : 0;
    case WHO_TRANSFER:
        return person == ALICE || is_admin(person) ? 0 : person == BOB || person == ONE ? 404 : 403;
    default:
        return 0;
    }
}

/* {p} is the profile; every other parameter names nothing that exists. */
static char *fill(const char *pattern)
{
    struct buffer path = {0};
    for (const char *at = pattern; *at; at++) {
        if (*at != '{') {
            buffer_add(&path, at, 1);
            continue;
        }
        const char *end = strchr(at, '}');
        size_t length = (size_t)(end - at - 1);
        bool profile = length == 1 && at[1] == 'p', email = length == 5 && strncmp(at + 1, "email", 5) == 0;
        buffer_add_text(&path, profile       ? "alice"
                               : email       ? "nobody@example.com"
                               : length == 2 ? "999999999"
                                             : "nothing");
        at = end;
    }
    return buffer_take(&path);
}

static void everyone_on_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_entry_count; i++) {
        const struct route_entry *row = &route_entries[i];
        if (row->who == WHO_OBJECT)
            continue;
        for (enum person person = ANONYMOUS; person < PERSON_COUNT; person++) {
            if (person != ANONYMOUS && strstr(row->pattern, "logout-everywhere"))
                continue; /* it would end the tokens' sessions of everybody below */
            bool writes = strcmp(row->method, "GET") != 0;
            AUTO_FREE char *path = fill(row->pattern);
            /* A body that no handler takes: what is let in fails on it, and changes nothing. */
            AUTO_ANSWER struct answer answer = ask(person, row->method, path, writes ? "{\"nobody\":1}" : NULL);
            int expected = expected_status(row->who, person);
            bool named = strstr(row->pattern, "{id}") || strstr(row->pattern, "{email}") ||
                         strstr(row->pattern, "{code}") || strstr(row->pattern, "/jobs/{name}") ||
                         strstr(row->pattern, "{group}") ||
                         strstr(row->pattern, "/openapi/") || /* a cluster's documents, and there is none */
                         strstr(row->pattern, "/ca");         /* https is off in this harness */
            bool refused = answer.status == 401 || answer.status == 403 || (answer.status == 404 && !named);
            if (expected ? answer.status != expected : refused)
                fail_msg("%s: %s %s: expected %d: %s", person_names[person], row->method, path, expected, answer.raw.p);
            if (expected == 0 && answer.status >= 500)
                fail_msg("%s: %s %s: %s", person_names[person], row->method, path, answer.raw.p);
        }
    }
}

/* Of an admin of the platform, for everything that one cluster serves: no row takes it but those that take anybody. */
static void a_token_of_an_application_is_refused_on_every_row(void **state)
{
    (void)state;
    static const char *const forms[][2] = {{"token", "Bearer "}, {"named", "Bearer "}};
    DO(201, ALICE, "POST", RAY_CLUSTERS, RAY_CLUSTER);
    AUTO_JSON cJSON *made = EXPECT(201, ADMIN, "POST", "/api/atelier/v1/tokens", TOKEN_OF_RC);
    for (size_t f = 0; f < COUNT_OF(forms); f++) {
        AUTO_FREE char *header =
            memory_format("Authorization: %s%s\r\n", forms[f][1], json_text(made, forms[f][0], NULL));
        for (size_t i = 0; i < route_entry_count; i++) {
            const struct route_entry *row = &route_entries[i];
            AUTO_FREE char *path = fill(row->pattern);
            if (row->who == WHO_ANYONE)
                continue;
            AUTO_ANSWER struct answer answer =
                ask_with(ANONYMOUS, row->method, path, header, strcmp(row->method, "GET") != 0 ? "{}" : NULL);
            if (answer.status != 403 || !strstr(answer.body, "opens one application of Ray Serve"))
                fail_msg("%s %s: %s", row->method, path, answer.raw.p);
        }
        static const char *const paths[] = {"/notebook/alice/nb1/api", "/ray/alice/rc/", "/serve/alice/none/",
                                            "/api/v1/namespaces/alice/services/http:nb1:80/proxy/"};
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
            AUTO_ANSWER struct answer answer = ask_with(ANONYMOUS, "GET", paths[i], header, NULL);
            if (answer.status != 404)
                fail_msg("%s: %s", paths[i], answer.raw.p);
        }
        AUTO_ANSWER struct answer opened = ask_with(ANONYMOUS, "GET", "/serve/alice/rc/x", header, NULL);
        assert_int_equal(opened.status, 503); /* it may, and the cluster sleeps */
    }
    DO(200, ALICE, "DELETE", RAY_CLUSTERS "/rc", NULL);
}

static void unlisted_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/api/atelier/v1/settings", 404},
        {"GET", "/api/atelier/v1/", 404},
        {"POST", "/api/atelier/v1/whoami", 405},
        {"DELETE", NOTEBOOKS, 405},
        {"GET", "/apis/apps/v2/namespaces/alice/statefulsets", 404},
        {"GET", "/apis/none/v1/things", 404},
        {"GET", "/api/v2/pods", 404},
        {"GET", "/openapi/v9", 404},
        {"GET", "/api/v1/namespaces/alice/pods/nb1-0/exec", 400} /* not a WebSocket */,
        {"POST", "/api/v1/namespaces/alice/pods/nb1-0/exec", 400},
        {"GET", "/api/v1/pods/nb1-0", 404},
        {"GET", "/apis/kubeflow.org/v1/namespaces/alice/profiles", 404},
        {"GET", "/auth/handoff?code=x&next=/", 404},
        {"PUT", "/nothing", 404},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ANSWER struct answer answer = ask(ADMIN, cases[i].method, cases[i].path, NULL);
        if (answer.status != cases[i].status)
            fail_msg("%s %s: expected %d: %s", cases[i].method, cases[i].path, cases[i].status, answer.raw.p);
    }
}

/* --- the workload half: kind by verb by person -------------------------------------------------------------------- */
enum verb_row { ROW_LIST, ROW_GET, ROW_CREATE, ROW_CHANGE, ROW_DELETE, ROW_COUNT };

/* The name of something that is there. */
static const char *existing(enum engine_kind kind)
{
    switch (kind) {
    case KIND_NAMESPACE:
    case KIND_PROFILE:
        return "alice";
    case KIND_POD:
        return "nb1-0";
    case KIND_CLAIM:
        return "home";
    case KIND_CONFIGMAP:
        return "cm1";
    case KIND_SECRET:
        return "s1";
    case KIND_PODDEFAULT:
        return "pd1";
    case KIND_RESOURCEQUOTA:
        return "kf-resource-quota";
    case KIND_EVENT:
    case KIND_CONTROLLERREVISION:
    case KIND_RAYCLUSTER:
    case KIND_RAYJOB:
    case KIND_RAYSERVICE:
        return "";
    default:
        return "nb1";
    }
}

/* Belongs to the notebook nb1, so that its editor may see it. */
static bool of_notebook(enum engine_kind kind)
{
    return kind == KIND_NOTEBOOK || kind == KIND_POD || kind == KIND_SERVICE || kind == KIND_STATEFULSET;
}

static bool may(enum engine_kind kind, enum verb_row row, enum person person)
{
    bool tenant_writes = kind == KIND_CLAIM || kind == KIND_CONFIGMAP || kind == KIND_SECRET || kind == KIND_NOTEBOOK ||
                         kind == KIND_RAYCLUSTER || kind == KIND_RAYJOB || kind == KIND_RAYSERVICE ||
                         kind == KIND_POD || kind == KIND_SERVICE || kind == KIND_PODDEFAULT ||
                         (kind == KIND_STATEFULSET && row == ROW_CHANGE); /* its notebook's restart */
    if (person == ADMIN)
        return true;
    if (person == BOB || person == ANONYMOUS)
        return false;
    if (person == ONE)
        return of_notebook(kind) && (row == ROW_GET || row == ROW_CHANGE);
    if (row == ROW_LIST || row == ROW_GET)
        return kind != KIND_SECRET || person != VI;
    if (kind == KIND_PROFILE)
        return row != ROW_CREATE && (person == ALICE || person == MAX);
    return tenant_writes && person != VI;
}

static char *object_path(enum engine_kind kind, const char *name)
{
    const struct engine_kind_info *info = &engine_kinds[kind];
    return memory_format("%s%s%s/%s/%s%s%s%s%s?dryRun=All", *info->group ? "/apis/" : "/api", info->group, "",
                         info->version, info->namespaced ? "namespaces/alice/" : "", info->plural, *name ? "/" : "",
                         name, "");
}

/* Whether this engine has the kind, as discovery says. */
static bool is_served(enum engine_kind kind)
{
    const struct engine_kind_info *info = &engine_kinds[kind];
    AUTO_FREE char *group = memory_format("%s%s/%s", *info->group ? "/apis/" : "/api", info->group, info->version);
    AUTO_FREE char *entry = memory_format("\"name\":\"%s\"", info->plural);
    AUTO_ANSWER struct answer answer = ask(ADMIN, "GET", group, NULL);
    return answer.status == 200 && strstr(answer.raw.p, entry);
}

/* Of a kind that this engine lacks nobody gets anything, whatever is asked. */
static void check_absent(enum engine_kind kind, enum person person)
{
    AUTO_FREE char *path = object_path(kind, "x");
    AUTO_ANSWER struct answer answer = ask(person, "GET", path, NULL);
    if (answer.status != (person == ANONYMOUS ? 401 : 404))
        fail_msg("%s: GET %s: %s", person_names[person], path, answer.raw.p);
}

static void check_object(enum engine_kind kind, enum verb_row row, enum person person)
{
    static const char *const methods[] = {"GET", "GET", "POST", "PATCH", "DELETE"};
    bool named = row == ROW_GET || row == ROW_CHANGE || row == ROW_DELETE;
    if ((named && !*existing(kind)) || (row == ROW_LIST && !engine_kinds[kind].namespaced) ||
        (row == ROW_CREATE && !engine_kinds[kind].namespaced))
        return;
    AUTO_FREE char *path = object_path(kind, named ? existing(kind) : "");
    bool writes = row == ROW_CREATE || row == ROW_CHANGE;
    AUTO_ANSWER struct answer answer = ask(person, methods[row], path, writes ? "{\"metadata\":[]}" : NULL);
    bool allowed = may(kind, row, person);
    unsigned flag = row == ROW_CREATE ? KIND_CREATE : row == ROW_CHANGE ? KIND_CHANGE : KIND_DELETE;
    bool served = row < ROW_CREATE || (kind_rules[kind].writes & flag);
    bool reserved = kind == KIND_CLAIM && row == ROW_DELETE; /* "home" stays */
    bool right;
    if (person == ANONYMOUS)
        right = answer.status == 401;
    else if (row == ROW_LIST && person == ONE)
        right = answer.status == 200; /* filtered; what is in it is another test's */
    else if (!served && person != BOB && (allowed || answer.status == 405))
        right = answer.status == 405;
    else if (!allowed)
        right = answer.status == 404 || (answer.status == 403 && person != BOB);
    else if (reserved)
        right = answer.status == 403;
    else
        right = writes ? answer.status == 422 : answer.status == 200;
    if (!right)
        fail_msg("%s (%s): %s %s: %s", person_names[person], allowed ? "may" : "may not", methods[row], path,
                 answer.raw.p);
}

static void everyone_on_every_kind(void **state)
{
    (void)state;
    DO(201, ALICE, "POST", "/api/v1/namespaces/alice/configmaps",
       "{\"metadata\":{\"name\":\"cm1\"},\"data\":{\"a\":\"b\"}}");
    DO(201, ED, "POST", "/api/v1/namespaces/alice/secrets",
       "{\"metadata\":{\"name\":\"s1\"},\"stringData\":{\"a\":\"b\"}}");
    DO(201, ED, "POST", "/apis/kubeflow.org/v1alpha1/namespaces/alice/poddefaults",
       "{\"metadata\":{\"name\":\"pd1\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}}}}");
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
        if (!is_served(kind)) {
            assert_true(kind > KIND_PODDEFAULT); /* the local engine has all up to there */
            for (enum person person = ANONYMOUS; person < PERSON_COUNT; person++)
                check_absent(kind, person);
            continue;
        }
        for (enum verb_row row = 0; row < ROW_COUNT; row++) {
            for (enum person person = ANONYMOUS; person < PERSON_COUNT; person++)
                check_object(kind, row, person);
        }
    }
}

/* A list is exactly what asking for each gives (attacks 47), also for who sees a part. */
static void lists_are_what_reading_gives(void **state)
{
    (void)state;
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
        if (!engine_kinds[kind].namespaced || !is_served(kind))
            continue;
        AUTO_FREE char *collection = object_path(kind, "");
        AUTO_JSON cJSON *all = EXPECT(200, ADMIN, "GET", collection, NULL);
        for (enum person person = ALICE; person < BOB; person++) {
            AUTO_ANSWER struct answer answer = ask(person, "GET", collection, NULL);
            const cJSON *item;
            cJSON_ArrayForEach(item, json_member(all, "items"))
            {
                const char *name = json_text(item, "metadata", "name", NULL);
                AUTO_FREE char *path = object_path(kind, name);
                AUTO_FREE char *mark = memory_format("\"uid\":\"%s\"", json_text(item, "metadata", "uid", NULL));
                AUTO_ANSWER struct answer one = ask(person, "GET", path, NULL);
                bool listed = answer.status == 200 && strstr(answer.body, mark);
                if (listed != (one.status == 200))
                    fail_msg("%s: %s is %slisted, but reading it gives %d", person_names[person], path,
                             listed ? "" : "not ", one.status);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_learn_nothing),
        cmocka_unit_test(everyone_on_every_row),
        cmocka_unit_test(a_token_of_an_application_is_refused_on_every_row),
        cmocka_unit_test(unlisted_is_refused),
        cmocka_unit_test(everyone_on_every_kind),
        cmocka_unit_test(lists_are_what_reading_gives),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
