/* Does asking what one may do give the answer that doing it would? (kubectl auth can-i) */
#include "tests/integration/api_harness.h"

#define ACCESS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define RULES "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

static bool may(enum person person, const char *verb, const char *group, const char *resource, const char *part,
                const char *name)
{
    AUTO_FREE char *body =
        memory_format("{\"spec\":{\"resourceAttributes\":{\"namespace\":\"alice\",\"verb\":\"%s\",\"group\":\"%s\","
                      "\"resource\":\"%s\",\"subresource\":\"%s\",\"name\":\"%s\"}}}",
                      verb, group, resource, part, name);
    AUTO_JSON cJSON *review = EXPECT(201, person, "POST", ACCESS, body);
    assert_string_equal(json_text(review, "kind", NULL), "SelfSubjectAccessReview");
    return json_true(review, "status", "allowed", NULL);
}

static void answers_are_what_requests_meet(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        const struct engine_kind_info *info = &engine_kinds[kind];
        if (!info->namespaced)
            continue;
        bool served = engine_has(api.server.engine, (enum engine_kind)kind);
        AUTO_FREE char *path = memory_format("/%s%s/%s/namespaces/alice/%s", *info->group ? "apis/" : "api",
                                             info->group, info->version, info->plural);
        for (enum person person = ADMIN; person < PERSON_COUNT; person++) {
            AUTO_ANSWER struct answer answer = ask(person, "GET", path, NULL);
            bool allowed = may(person, "list", info->group, info->plural, "", "");
            if (allowed != (answer.status == 200) || (allowed && !served))
                fail_msg("%s may %slist %s, and meets %s", person_names[person], allowed ? "" : "not ", info->plural,
                         answer.raw.p);
        }
    }
}

static void a_table_of_questions(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *group, *resource, *part, *name,
            *who; /* who may: a letter each, in the order of enum person */
    } cases[] = {
        {"create", "kubeflow.org", "notebooks", "", "", "ALME"},
        {"update", "kubeflow.org", "notebooks", "", "nb1", "ALME1"},
        {"patch", "kubeflow.org", "notebooks", "", "nb1", "ALME1"},
        {"patch", "kubeflow.org", "notebooks", "status", "nb1", ""},
        {"get", "kubeflow.org", "notebooks", "status", "nb1", "ALMEV1"},
        {"get", "kubeflow.org", "notebooks", "", "nb1", "ALMEV1"},
        {"get", "kubeflow.org", "notebooks", "", "nb2", "ALMEV"},
        {"get", "", "secrets", "", "", "ALME"},
        {"delete", "", "pods", "", "", "ALME"},
        {"create", "", "pods", "", "", ""}, /* on one machine pods are made by Atelier only */
        {"get", "", "pods", "log", "", "ALMEV"},
        {"create", "", "pods", "ephemeralcontainers", "", ""},
        {"create", "", "serviceaccounts", "token", "", ""},
        {"update", "", "resourcequotas", "", "", ""},
        {"get", "apps", "deployments", "", "", ""}, /* not there */
        {"*", "*", "*", "", "", ""},
        {"impersonate", "", "users", "", "", ""},
        {"deletecollection", "", "configmaps", "", "", ""},
        {"escalate", "rbac.authorization.k8s.io", "roles", "", "", ""},
        {"create", "kubeflow.org", "notebooks", "", "", "ALME"},
    };
    static const char letters[] = {'?', 'A', 'L', 'M', 'E', 'V', '1', 'B'};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (enum person person = ADMIN; person < PERSON_COUNT; person++) {
            bool expected = strchr(cases[i].who, letters[person]) != NULL;
            if (may(person, cases[i].verb, cases[i].group, cases[i].resource, cases[i].part, cases[i].name) != expected)
                fail_msg("%s: %s %s/%s %s: expected %s", person_names[person], cases[i].verb, cases[i].resource,
                         cases[i].part, cases[i].name, expected ? "yes" : "no");
        }
    }
}

static void questions_have_a_form(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
    } cases[] = {
        {"{}", 422},
        {"[]", 422},
        {"{\"spec\":{\"resourceAttributes\":{},\"nonResourceAttributes\":{}}}", 422},
        {"{\"spec\":{\"resourceAttributes\":5}}", 422},
        {"{\"spec\":{}}", 422},
        {"{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\"},\"nonResourceAttributes\":\"/api\"}}", 422},
        {"{\"spec\":{\"resourceAttributes\":null,\"nonResourceAttributes\":null}}", 422},
        {"{\"spec\":{\"resourceAttributes\":{\"namespace\":[\"alice\"],\"verb\":{}}}}", 201},
        {"{\"spec\":{\"nonResourceAttributes\":{\"path\":\"/apis\",\"verb\":\"get\"}}}", 201},
        {"", 400},
        {"{", 400},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ANSWER struct answer answer =
            ask_with(ED, "POST", ACCESS, "Content-Type: application/json\r\n", cases[i].body);
        if (answer.status != cases[i].status)
            fail_msg("%s: expected %d: %s", cases[i].body, cases[i].status, answer.raw.p);
    }
    DO(401, ANONYMOUS, "POST", ACCESS, "{\"spec\":{\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}");
    DO(401, ANONYMOUS, "POST", RULES, "{\"spec\":{\"namespace\":\"alice\"}}");
}

/* kubectl sends built-in kinds as protobuf. */
static struct answer ask_protobuf(enum person person, const char *path, const char *bytes, size_t count)
{
    AUTO_FREE char *credentials = bearer(person);
    AUTO_FREE char *head =
        memory_format("POST %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n%sContent-Type: "
                      "application/vnd.kubernetes.protobuf\r\nContent-Length: %zu\r\n\r\n",
                      path, api.port, credentials, count);
    struct answer answer = {0};
    char chunk[8192];
    int fd = api_connect(false);
    send_all(fd, head, strlen(head));
    send_all(fd, bytes, count);
    for (ssize_t got; (got = recv(fd, chunk, sizeof(chunk), 0)) > 0;)
        buffer_add(&answer.raw, chunk, (size_t)got);
    close(fd);
    parse_answer(&answer);
    return answer;
}

static void protobuf_is_understood(void **state)
{
    (void)state;
    static const char access[] = "k8s\0\x0a\x33\x0a\x18"
                                 "authorization.k8s.io/v1 \x12\x17"
                                 "SelfSubjectAccessReview\x12\x1f\x0a\x00\x12\x1b\x0a\x19\x0a\x05"
                                 "alice\x12\x03"
                                 "get\x1a\x00\x2a\x07"
                                 "secrets\x3a\x00\x1a\x00";
    static const char rules[] = "k8s\0\x0a\x32\x0a\x18"
                                "authorization.k8s.io/v1 \x12\x16"
                                "SelfSubjectRulesReview\x12\x0b\x0a\x00\x12\x07\x0a\x05"
                                "alice";
    static const char empty[] = "k8s\0\x0a\x33\x0a\x18"
                                "authorization.k8s.io/v1 \x12\x17"
                                "SelfSubjectAccessReview\x12\x06\x0a\x00\x12\x00\x1a\x00";
    AUTO_ANSWER struct answer yes = ask_protobuf(ED, ACCESS, access, sizeof(access) - 1);
    assert_int_equal(yes.status, 201);
    assert_non_null(strstr(yes.body, "\"allowed\":true"));
    AUTO_ANSWER struct answer no = ask_protobuf(VI, ACCESS, access, sizeof(access) - 1);
    assert_non_null(strstr(no.body, "\"allowed\":false"));
    AUTO_ANSWER struct answer wrong = ask_protobuf(ED, RULES, access, sizeof(access) - 1);
    assert_int_equal(wrong.status, 400);
    AUTO_ANSWER struct answer cut = ask_protobuf(ED, ACCESS, access, sizeof(access) - 12);
    assert_int_equal(cut.status, 400);
    AUTO_ANSWER struct answer nothing = ask_protobuf(ED, ACCESS, empty, sizeof(empty) - 1);
    assert_int_equal(nothing.status, 422);
    assert_non_null(strstr(nothing.body, "\"field\":\"spec\""));
    AUTO_ANSWER struct answer listed = ask_protobuf(VI, RULES, rules, sizeof(rules) - 1);
    assert_int_equal(listed.status, 201);
    assert_non_null(strstr(listed.body, "notebooks"));
}

static void rules_are_what_one_may(void **state)
{
    (void)state;
    static const struct {
        enum person person;
        const char *there, *not_there;
    } cases[] = {{ED, "secrets", "nothing"}, {VI, "notebooks", "secrets"}, {BOB, "/apis", "notebooks"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ANSWER struct answer answer = ask(cases[i].person, "POST", RULES, "{\"spec\":{\"namespace\":\"alice\"}}");
        assert_int_equal(answer.status, 201);
        assert_non_null(strstr(answer.body, cases[i].there));
        assert_null(strstr(answer.body, cases[i].not_there));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_what_requests_meet), cmocka_unit_test(a_table_of_questions),
        cmocka_unit_test(questions_have_a_form),          cmocka_unit_test(protobuf_is_understood),
        cmocka_unit_test(rules_are_what_one_may),
    };
    return cmocka_run_group_tests(tests, api_group_start, api_group_stop);
}
