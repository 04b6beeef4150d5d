/* Objects through the API: what is stored, what is refused and with which words, and who wins when two write at once.
 */
#include "tests/integration/api_harness.h"

#define CONFIGMAPS "/api/v1/namespaces/alice/configmaps"
#define SECRETS "/api/v1/namespaces/alice/secrets"
#define CLAIMS "/api/v1/namespaces/alice/persistentvolumeclaims"
#define CLUSTERS "/apis/ray.io/v1/namespaces/alice/rayclusters"
#define JSON "Content-Type: application/json\r\n"
#define MERGE "Content-Type: application/merge-patch+json\r\n"
#define JSON_PATCH "Content-Type: application/json-patch+json\r\n"
#define STRATEGIC "Content-Type: application/strategic-merge-patch+json\r\n"
#define YAML "Content-Type: application/yaml\r\n"

static void refused(const char *method, const char *path, const char *headers, const char *body, int status,
                    const char *words)
{
    AUTO_ANSWER struct answer answer = ask_with(ALICE, method, path, headers, body);
    if (answer.status != status || !strstr(answer.body, words))
        fail_msg("%s %s %s: expected %d with \"%s\":\n%s", method, path, body ? body : "", status, words, answer.raw.p);
    assert_non_null(strstr(answer.body, status == 404 ? "\"kind\":\"Status\"" : "\"status\":\"Failure\""));
}

static void discovery_lists_what_is_served(void **state)
{
    (void)state;
    AUTO_JSON cJSON *core = EXPECT(200, BOB, "GET", "/api", NULL);
    assert_string_equal(json_text(core, "kind", NULL), "APIVersions");
    AUTO_JSON cJSON *groups = EXPECT(200, BOB, "GET", "/apis", NULL);
    assert_int_equal(cJSON_GetArraySize(json_member(groups, "groups")), 4);
    AUTO_JSON cJSON *metrics = EXPECT(200, BOB, "GET", "/apis/metrics.k8s.io/v1beta1", NULL);
    assert_int_equal(cJSON_GetArraySize(json_member(metrics, "resources")), 2);
    AUTO_JSON cJSON *ray = EXPECT(200, BOB, "GET", "/apis/ray.io", NULL);
    assert_string_equal(json_text(ray, "preferredVersion", "groupVersion", NULL), "ray.io/v1");
    AUTO_JSON cJSON *kinds = EXPECT(200, BOB, "GET", "/apis/kubeflow.org/v1", NULL);
    assert_string_equal(json_text(kinds, "groupVersion", NULL), "kubeflow.org/v1");
    AUTO_FREE char *text = json_print(kinds);
    assert_non_null(strstr(text, "\"name\":\"notebooks\""));
    assert_non_null(strstr(text, "\"name\":\"notebooks/status\""));
    AUTO_JSON cJSON *version = EXPECT(200, ANONYMOUS, "GET", "/version", NULL);
    assert_string_equal(json_text(version, "major", NULL), "1");
    DO(404, BOB, "GET", "/apis/ray.io/v9", NULL);
}

static void a_configmap_lives(void **state)
{
    (void)state;
    AUTO_JSON cJSON *made =
        EXPECT(201, ED, "POST", CONFIGMAPS "?fieldManager=test&fieldValidation=Strict",
               "{\"metadata\":{\"name\":\"life\",\"labels\":{\"a\":\"b\"}},\"data\":{\"k\":\"1\"}}");
    assert_string_equal(json_text(made, "metadata", "namespace", NULL), "alice");
    assert_non_null(json_text(made, "metadata", "uid", NULL));
    AUTO_JSON cJSON *patched = EXPECT(200, ED, "PATCH", CONFIGMAPS "/life", "{\"data\":{\"k\":null,\"j\":\"2\"}}");
    assert_null(json_at(patched, "data", "k", NULL));
    assert_string_equal(json_text(patched, "data", "j", NULL), "2");
    AUTO_ANSWER struct answer listed =
        ask(VI, "GET", CONFIGMAPS "?labelSelector=a%3Db&fieldSelector=metadata.name%3Dlife", NULL);
    assert_non_null(strstr(listed.body, "\"name\":\"life\""));
    AUTO_ANSWER struct answer unlisted = ask(VI, "GET", CONFIGMAPS "?labelSelector=a%3Dc", NULL);
    assert_null(strstr(unlisted.body, "\"name\":\"life\""));
    /* A write with the version of before loses. */
    json_set_text(json_object_in(made, "data"), "k", "late");
    AUTO_FREE char *late = json_print(made);
    DO(409, ED, "PUT", CONFIGMAPS "/life", late);
    json_remove(json_member(made, "metadata"), "resourceVersion");
    AUTO_FREE char *unguarded = json_print(made);
    DO(200, ED, "PUT", CONFIGMAPS "/life", unguarded);
    AUTO_JSON cJSON *gone = EXPECT(200, ED, "DELETE", CONFIGMAPS "/life", NULL);
    assert_string_equal(json_text(gone, "status", NULL), "Success");
    DO(404, ED, "GET", CONFIGMAPS "/life", NULL);
    DO(404, ED, "DELETE", CONFIGMAPS "/life", NULL);
}

static void dry_runs_store_nothing(void **state)
{
    (void)state;
    static const char body[] = "{\"metadata\":{\"name\":\"dry\"},\"data\":{}}";
    DO(201, ED, "POST", CONFIGMAPS "?dryRun=All", body);
    DO(404, ED, "GET", CONFIGMAPS "/dry", NULL);
    DO(201, ED, "POST", CONFIGMAPS, body);
    DO(200, ED, "PATCH", CONFIGMAPS "/dry?dryRun=All", "{\"data\":{\"a\":\"b\"}}");
    DO(200, ED, "DELETE", CONFIGMAPS "/dry?dryRun=All", NULL);
    DO(200, ED, "DELETE", CONFIGMAPS "/dry", "{\"dryRun\":[\"All\"]}");
    AUTO_JSON cJSON *object = EXPECT(200, ED, "GET", CONFIGMAPS "/dry", NULL);
    assert_null(json_at(object, "data", "a", NULL));
    refused("POST", CONFIGMAPS "?dryRun=some", JSON, body, 400, "dryRun");
    refused("DELETE", CONFIGMAPS "/dry", JSON, "{\"preconditions\":{\"uid\":\"other\"}}", 409, "another uid");
    DO(200, ED, "DELETE", CONFIGMAPS "/dry", NULL);
    DO(201, ALICE, "POST", "/apis/kubeflow.org/v1/profiles?dryRun=All", "{\"metadata\":{\"name\":\"alice-2\"}}");
    DO(404, ALICE, "GET", "/apis/kubeflow.org/v1/profiles/alice-2", NULL);
}

static void yaml_goes_in_and_out(void **state)
{
    (void)state;
    AUTO_ANSWER struct answer made =
        ask_with(ALICE, "POST", CONFIGMAPS, YAML "Accept: application/yaml\r\n",
                 "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  answer: \"no\"\n");
    assert_int_equal(made.status, 201);
    AUTO_FREE char *type = answer_header(&made, "Content-Type");
    assert_string_equal(type, "application/yaml");
    assert_non_null(strstr(made.body, "name: from-yaml"));
    refused("POST", CONFIGMAPS, YAML, "a: &x 1\nb: *x\n", 400, "");
    refused("POST", CONFIGMAPS, "Content-Type: text/plain\r\n", "{}", 415, "application/json, application/yaml");
    refused("POST", CONFIGMAPS, "Content-Type: application/x-www-form-urlencoded\r\n", "a=b", 415, "");
    refused("POST", CONFIGMAPS, JSON "Accept: application/vnd.kubernetes.protobuf\r\n", "{}", 406, "application/json");
    refused("PATCH", CONFIGMAPS "/from-yaml", JSON, "{}", 415, "merge-patch");
    refused("PATCH", CONFIGMAPS "/from-yaml", STRATEGIC, "{\"data\":{\"$patch\":\"replace\"}}", 400, "$patch");
    refused("PATCH", "/apis/kubeflow.org/v1/profiles/alice", STRATEGIC, "{}", 415, "merge-patch");
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        int status;
        const char *words;
    } cases[] = {
        {CONFIGMAPS, "", 400, "empty"},
        {CONFIGMAPS, "{", 400, ""},
        {CONFIGMAPS, "null", 400, "an object of kind ConfigMap"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\"},\"metadata\":{}}", 400, "metadata"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\",\"namespace\":\"bob\"}}", 400, "namespace"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\"},\"owner\":\"bob\"}", 422, "owner"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":1}}", 422, "data.a must be a text"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"../a\":\"\"}}", 422, "letters, digits"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\"},\"binaryData\":{\"a\":\"%%\"}}", 422, "base64"},
        {CONFIGMAPS, "{\"metadata\":{\"name\":\"x\",\"labels\":{\"atelier.dev/notebook\":\"nb1\"}}}", 422,
         "set by Atelier"},
        {SECRETS, "{\"metadata\":{\"name\":\"ray-auth\"}}", 403, "managed by Atelier"},
        {SECRETS, "{\"metadata\":{\"name\":\"notebook-nb9\"}}", 403, "managed by Atelier"},
        {SECRETS, "{\"metadata\":{\"name\":\"x\"},\"type\":\"a b\"}", 422, "Opaque"},
        {CLAIMS, "{\"metadata\":{\"name\":\"x\"}}", 422, "spec"},
        {CLAIMS, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"resources\":{\"requests\":{\"storage\":\"-1Gi\"}}}}", 422,
         "storage"},
        {CLAIMS, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"resources\":{\"requests\":{\"storage\":\"32Ti\"}}}}", 422,
         "16Ti"},
        {CLAIMS, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"accessModes\":[\"All\"]}}", 422, "accessModes"},
        {CLAIMS, "{\"metadata\":{\"name\":\"home\"},\"spec\":{}}", 403, "managed by Atelier"},
        {NOTEBOOKS,
         "{\"metadata\":{\"name\":\"a--b\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}}}",
         422, "metadata.name"},
        {NOTEBOOKS, NOTEBOOK, 409, "AlreadyExists"},
        {CLUSTERS, "{\"metadata\":{\"name\":\"rc\"},\"spec\":{\"authOptions\":{\"mode\":\"disabled\"}}}", 422,
         "authOptions"},
        {"/apis/kubeflow.org/v1/profiles", "{\"metadata\":{\"name\":\"kube-x\"}}", 422, "reserved"},
        {"/apis/kubeflow.org/v1/profiles", "{\"metadata\":{\"name\":\"alice\"}}", 409, "AlreadyExists"},
        {"/apis/kubeflow.org/v1/profiles",
         "{\"metadata\":{\"name\":\"mine\"},\"spec\":{\"owner\":{\"kind\":\"User\",\"name\":\"bob@example.com\"}}}",
         403, ""},
        {"/api/v1/namespaces/alice/pods", "{\"metadata\":{\"name\":\"x\"}}", 405, "written by Atelier"},
        {"/apis/kubeflow.org/v1/notebooks", NOTEBOOK, 405, "in a namespace"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused("POST", cases[i].path, JSON, cases[i].body, cases[i].status, cases[i].words);
    refused("DELETE", CLAIMS "/home", NULL, NULL, 403, "managed by Atelier");
    refused("DELETE", SECRETS "/ray-auth", NULL, NULL, 403, "managed by Atelier");
    refused("PATCH", SECRETS "/notebook-nb1", MERGE, "{\"data\":{\"token\":\"eA==\"}}", 403, "managed by Atelier");
    refused("PATCH", NOTEBOOKS "/nb1/status", MERGE, "{\"status\":{\"phase\":\"Failed\"}}", 403, "written by Atelier");
    refused("GET", CONFIGMAPS "?limit=few", NULL, NULL, 400, "limit");
    refused("GET", CONFIGMAPS "?labelSelector=%3D%3D%3D", NULL, NULL, 400, "");
    refused("GET", CONFIGMAPS "?fieldSelector=spec.x%3D1", NULL, NULL, 400, "");
    refused("GET", CONFIGMAPS "?continue=forged", NULL, NULL, 400, "");
}

static void claims_only_grow(void **state)
{
    (void)state;
    DO(201, ED, "POST", CLAIMS,
       "{\"metadata\":{\"name\":\"data\"},\"spec\":{\"resources\":{\"requests\":{\"storage\":\"64Mi\"}}}}");
    DO(200, ED, "PATCH", CLAIMS "/data", "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"128Mi\"}}}}");
    DO(422, ED, "PATCH", CLAIMS "/data", "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"32Mi\"}}}}");
    DO(200, ED, "DELETE", CLAIMS "/data", NULL);
}

static void secrets_keep_to_themselves(void **state)
{
    (void)state;
    AUTO_JSON cJSON *made =
        EXPECT(201, ED, "POST", SECRETS, "{\"metadata\":{\"name\":\"mine\"},\"stringData\":{\"a\":\"hidden value\"}}");
    assert_string_equal(json_text(made, "data", "a", NULL), "aGlkZGVuIHZhbHVl");
    assert_null(json_at(made, "stringData", NULL));
    assert_string_equal(json_text(made, "type", NULL), "Opaque");
    DO(403, VI, "GET", SECRETS, NULL);
    DO(403, VI, "GET", SECRETS "/mine", NULL);
    DO(403, VI, "GET", SECRETS "/absent", NULL);
    DO(404, ONE, "GET", SECRETS "/notebook-nb1", NULL); /* the notebook is shared, its token is not */
    DO(404, ONE, "GET", SECRETS "/ray-auth", NULL);
    AUTO_ANSWER struct answer all = ask(VI, "GET", "/api/v1/secrets", NULL);
    assert_int_equal(all.status, 200);
    assert_non_null(strstr(all.body, "\"items\":[]"));
    AUTO_ANSWER struct answer part = ask(ONE, "GET", SECRETS, NULL);
    assert_non_null(strstr(part.body, "\"items\":[]"));
    DO(200, ED, "DELETE", SECRETS "/mine", NULL);
    AUTO_JSON cJSON *lines = /* as `base64` prints it */
        EXPECT(201, ED, "POST", SECRETS "?dryRun=All",
               "{\"metadata\":{\"name\":\"lines\"},\"data\":{\"a\":\"aGlkZGVu\\r\\nIHZhbHVl\\n\"}}");
    assert_string_equal(json_text(lines, "data", "a", NULL), "aGlkZGVuIHZhbHVl");
}

static void json_patches_apply(void **state)
{
    (void)state;
    DO(201, ED, "POST", CONFIGMAPS, "{\"metadata\":{\"name\":\"jp\"},\"data\":{\"a\":\"1\"}}");
    AUTO_ANSWER struct answer good = ask_with(ED, "PATCH", CONFIGMAPS "/jp", JSON_PATCH,
                                              "[{\"op\":\"test\",\"path\":\"/data/a\",\"value\":\"1\"},"
                                              "{\"op\":\"add\",\"path\":\"/data/b\",\"value\":\"2\"}]");
    assert_int_equal(good.status, 200);
    assert_non_null(strstr(good.body, "\"b\":\"2\""));
    refused("PATCH", CONFIGMAPS "/jp", JSON_PATCH, "[{\"op\":\"test\",\"path\":\"/data/a\",\"value\":\"x\"}]", 422, "");
    refused("PATCH", CONFIGMAPS "/jp", JSON_PATCH, "{}", 400, "");
    refused("PATCH", CONFIGMAPS "/jp", JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"/metadata/name\",\"value\":\"x\"}]",
            400, "name");
    refused("PATCH", CONFIGMAPS "/jp", JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]", 400, "");
    refused("PATCH", CONFIGMAPS "/jp", JSON_PATCH,
            "[{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"1\"}]", 409, "Conflict");
    refused("PATCH", CONFIGMAPS "/jp", MERGE, "[]", 400, "");
    refused("PATCH", CONFIGMAPS "/jp", MERGE, "null", 400, "");
    refused("PATCH", CONFIGMAPS "/jp", MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"a\":\"9\"}}", 409,
            "Conflict");
    DO(200, ED, "DELETE", CONFIGMAPS "/jp", NULL);
}

/* --- two writers at once: every patch without a version lands
 * --------------------------------------------------------- */
#define WRITERS 4
#define PATCHES 10

static void *write_patches(void *context)
{
    intptr_t writer = (intptr_t)context, failed = 0;
    for (int i = 0; i < PATCHES; i++) {
        AUTO_FREE char *body = memory_format("{\"data\":{\"w%d-%d\":\"x\"}}", (int)writer, i);
        AUTO_ANSWER struct answer answer = ask(ED, "PATCH", CONFIGMAPS "/many", body);
        failed += answer.status != 200;
    }
    return (void *)failed;
}

static void no_patch_is_lost(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    intptr_t failed = 0;
    DO(201, ED, "POST", CONFIGMAPS, "{\"metadata\":{\"name\":\"many\"},\"data\":{}}");
    for (intptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, write_patches, (void *)i);
    for (size_t i = 0; i < WRITERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed += (intptr_t)result;
    }
    AUTO_JSON cJSON *object = EXPECT(200, ED, "GET", CONFIGMAPS "/many", NULL);
    assert_int_equal(cJSON_GetArraySize(json_member(object, "data")), WRITERS * PATCHES - failed);
    assert_true(failed <= WRITERS); /* five tries are enough for four writers, but for bad luck */
}

static void pages_are_the_whole_list(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        AUTO_FREE char *body = memory_format("{\"metadata\":{\"name\":\"page-%d\",\"labels\":{\"page\":\"yes\"}}}", i);
        DO(201, ED, "POST", CONFIGMAPS, body);
    }
    int count = 0, pages = 0;
    AUTO_FREE char *token = memory_text("");
    do {
        AUTO_BUFFER struct buffer escaped = {0};
        text_percent(slice_of(token), &escaped);
        AUTO_FREE char *path = memory_format(CONFIGMAPS "?labelSelector=page&limit=3%s%s", *token ? "&continue=" : "",
                                             escaped.n ? escaped.p : "");
        AUTO_JSON cJSON *page = EXPECT(200, VI, "GET", path, NULL);
        count += cJSON_GetArraySize(json_member(page, "items"));
        pages++;
        free(token);
        token = memory_text(json_text_or("", page, "metadata", "continue", NULL));
    } while (*token && pages < 10);
    assert_int_equal(count, 7);
    assert_int_equal(pages, 3);
}

static void notebooks_stop_and_forget(void **state)
{
    (void)state;
    static const char other[] =
        "{\"metadata\":{\"name\":\"nb2\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"nb2\"}]}}}}";
    DO(201, ALICE, "POST", NOTEBOOKS, other);
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"bob@example.com\"},\"role\":\"editor\","
       "\"resource\":{\"kind\":\"Notebook\",\"name\":\"nb2\"}}");
    DO(200, BOB, "GET", NOTEBOOKS "/nb2", NULL);
    DO(404, BOB, "GET", NOTEBOOKS "/nb1", NULL);
    DO(200, BOB, "PATCH", NOTEBOOKS "/nb2", "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":\"now\"}}}");
    wait_until(BOB, NOTEBOOKS "/nb2", "\"phase\":\"Stopped\"");
    DO(403, BOB, "DELETE", NOTEBOOKS "/nb2", NULL);
    DO(200, ALICE, "DELETE", NOTEBOOKS "/nb2", NULL);
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS;; clock_sleep_ms(25)) { /* until the name is free again */
        AUTO_ANSWER struct answer answer = ask(ALICE, "POST", NOTEBOOKS, other);
        if (answer.status == 201)
            break;
        assert_int_equal(answer.status, 409);
        assert_true(clock_monotonic_ms() < until);
    }
    DO(404, BOB, "GET", NOTEBOOKS "/nb2", NULL); /* the next one of that name is another notebook */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discovery_lists_what_is_served),
        cmocka_unit_test(a_configmap_lives),
        cmocka_unit_test(dry_runs_store_nothing),
        cmocka_unit_test(yaml_goes_in_and_out),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(claims_only_grow),
        cmocka_unit_test(secrets_keep_to_themselves),
        cmocka_unit_test(json_patches_apply),
        cmocka_unit_test(no_patch_is_lost),
        cmocka_unit_test(pages_are_the_whole_list),
        cmocka_unit_test(notebooks_stop_and_forget),
    };
    return cmocka_run_group_tests(tests, api_group_start, api_group_stop);
}
