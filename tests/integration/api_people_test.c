/* People through the API: signing in and out, accounts, tokens, sessions, members, the hand-over to a resource's host.
 */
#include "tests/integration/api_harness.h"

#define PEOPLE "/api/atelier/v1"

/* --- a browser: one cookie, its CSRF value, an Origin --------------------------------------------------------------
 */
struct browser {
    char cookie[400], csrf[64];
};

static void keep_cookie(struct browser *browser, const struct answer *answer)
{
    AUTO_FREE char *set = answer_header(answer, "Set-Cookie");
    assert_non_null(set);
    assert_non_null(strstr(set, "; HttpOnly; SameSite=Lax"));
    assert_non_null(strstr(set, "; Path=/;"));
    assert_null(strstr(set, "Domain"));
    snprintf(browser->cookie, sizeof(browser->cookie), "%.*s", (int)strcspn(set, ";"), set);
}

static struct answer browse_to(const struct browser *browser, const char *host, const char *method, const char *path,
                               const char *more, const char *body)
{
    AUTO_FREE char *text = memory_format("%s %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\nCookie: %s\r\n%s"
                                         "Content-Length: %zu\r\n\r\n%s",
                                         method, path, host, api.port, browser->cookie, more, strlen(body), body);
    return exchange(false, text);
}

static struct answer browse(const struct browser *browser, const char *method, const char *path, const char *body)
{
    AUTO_FREE char *guard =
        memory_format("Origin: http://localhost:%s\r\nX-Atelier-CSRF: %s\r\nContent-Type: application/json\r\n",
                      api.port, browser->csrf);
    return browse_to(browser, "localhost", method, path, guard, body);
}

static cJSON *whoami(struct browser *browser, int status)
{
    AUTO_ANSWER struct answer answer = browse_to(browser, "localhost", "GET", PEOPLE "/whoami", "", "");
    if (answer.status != status)
        fail_msg("whoami: expected %d: %s", status, answer.raw.p);
    cJSON *value = answer_json(&answer);
    if (status == 200)
        snprintf(browser->csrf, sizeof(browser->csrf), "%s", json_text(value, "csrf", NULL));
    return value;
}

static void follow_link(struct browser *browser, const char *path)
{
    AUTO_ANSWER struct answer answer = ask_with(ANONYMOUS, "GET", path, "Accept: text/html\r\n", NULL);
    if (answer.status != 302)
        fail_msg("%s: %s", path, answer.raw.p);
    AUTO_FREE char *location = answer_header(&answer, "Location");
    assert_string_equal(location, "/");
    keep_cookie(browser, &answer);
    cJSON_Delete(whoami(browser, 200));
}

/* Makes an account and signs it in by its invitation. */
static struct browser new_person(const char *email)
{
    struct browser browser = {0};
    AUTO_FREE char *body = memory_format("{\"email\":\"%s\"}", email);
    AUTO_JSON cJSON *user = EXPECT(201, ADMIN, "POST", PEOPLE "/users", body);
    const char *url = json_text(user, "invitationUrl", NULL);
    assert_non_null(url);
    assert_int_equal(strncmp(url, "http://localhost:", 17), 0);
    follow_link(&browser, strstr(url, "/auth/link/"));
    return browser;
}

static void set_password(struct browser *browser, const char *old, const char *password, int status)
{
    AUTO_FREE char *body = old ? memory_format("{\"oldPassword\":\"%s\",\"password\":\"%s\"}", old, password)
                               : memory_format("{\"password\":\"%s\"}", password);
    AUTO_ANSWER struct answer answer = browse(browser, "POST", PEOPLE "/password", body);
    if (answer.status != status)
        fail_msg("password: expected %d: %s", status, answer.raw.p);
}

static struct answer log_in(const char *email, const char *password)
{
    AUTO_FREE char *body = memory_format("{\"email\":\"%s\",\"password\":\"%s\"}", email, password);
    return ask(ANONYMOUS, "POST", "/auth/login", body);
}

/* --- signing in ----------------------------------------------------------------------------------------------------
 */
static void the_first_link_signs_in_once(void **state)
{
    (void)state;
    struct browser browser = {0};
    AUTO_FREE char *path = memory_format("/auth/link/%s", api.first_link);
    AUTO_ANSWER struct answer head = ask(ANONYMOUS, "HEAD", path, NULL);
    assert_int_equal(head.status, 200); /* a preview does not use it up */
    follow_link(&browser, path);
    AUTO_JSON cJSON *me = whoami(&browser, 200);
    assert_string_equal(json_text(me, "email", NULL), "admin@localhost");
    assert_true(json_true(me, "platformAdmin", NULL));
    assert_true(json_true(me, "mustSetPassword", NULL));
    AUTO_ANSWER struct answer again = ask_with(ANONYMOUS, "GET", path, "Accept: text/html\r\n", NULL);
    assert_int_equal(again.status, 410);
    assert_non_null(strstr(again.body, "<html"));
    assert_null(answer_header(&again, "Set-Cookie"));
    AUTO_ANSWER struct answer forged =
        ask(ANONYMOUS, "GET", "/auth/link/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL);
    assert_int_equal(forged.status, 410);
}

static void a_person_signs_in_and_out(void **state)
{
    (void)state;
    struct browser first = new_person("pat@example.com"), second = {0};
    set_password(&first, NULL, "short", 422);
    set_password(&first, NULL, "correct horse battery", 204);
    AUTO_ANSWER struct answer right = log_in("PAT@example.com", "correct horse battery");
    assert_int_equal(right.status, 204);
    keep_cookie(&second, &right);
    cJSON_Delete(whoami(&second, 200));
    assert_string_not_equal(first.cookie, second.cookie);
    AUTO_ANSWER struct answer wrong = log_in("pat@example.com", "incorrect horse");
    AUTO_ANSWER struct answer unknown = log_in("nobody@example.com", "incorrect horse");
    assert_int_equal(wrong.status, 401);
    assert_int_equal(unknown.status, 401);
    AUTO_JSON cJSON *a = answer_json(&wrong), *b = answer_json(&unknown);
    assert_string_equal(json_text(a, "detail", NULL), json_text(b, "detail", NULL));
    /* A new password ends every other session. */
    set_password(&second, "wrong one entirely", "another long password", 403);
    set_password(&second, "correct horse battery", "another long password", 204);
    cJSON_Delete(whoami(&first, 401));
    cJSON_Delete(whoami(&second, 200));
    AUTO_ANSWER struct answer out = browse(&second, "POST", "/auth/logout", "");
    assert_int_equal(out.status, 204);
    cJSON_Delete(whoami(&second, 401));
}

static void signing_out_everywhere_does(void **state)
{
    (void)state;
    struct browser here = new_person("eve@example.com"), there = {0};
    set_password(&here, NULL, "correct horse battery", 204);
    AUTO_ANSWER struct answer in = log_in("eve@example.com", "correct horse battery");
    keep_cookie(&there, &in);
    cJSON_Delete(whoami(&there, 200));
    AUTO_ANSWER struct answer sessions = browse(&here, "GET", PEOPLE "/sessions", "");
    AUTO_JSON cJSON *list = answer_json(&sessions);
    assert_int_equal(cJSON_GetArraySize(json_member(list, "items")), 2);
    assert_non_null(strstr(sessions.body, "\"current\":true"));
    AUTO_ANSWER struct answer out = browse(&here, "POST", "/auth/logout-everywhere", "");
    assert_int_equal(out.status, 204);
    cJSON_Delete(whoami(&here, 401));
    cJSON_Delete(whoami(&there, 401));
}

static void guessing_is_slowed_down(void **state)
{
    (void)state;
    bool limited = false;
    for (int i = 0; i < 30 && !limited; i++) {
        AUTO_ANSWER struct answer answer = log_in("victim@example.com", "guess after guess");
        limited = answer.status == 429;
        AUTO_FREE char *after = answer_header(&answer, "Retry-After");
        assert_true(limited == (after != NULL));
    }
    assert_true(limited);
}

/* A cookie alone is not intent: without our Origin and the token of the session, nothing is written (attacks 38). */
static void cross_site_writes_are_refused(void **state)
{
    (void)state;
    struct browser browser = new_person("csrf@example.com");
    static const char body[] = "{\"name\":\"stolen\"}";
    AUTO_FREE char *own = memory_format("Origin: http://localhost:%s\r\nContent-Type: application/json\r\n", api.port);
    AUTO_FREE char *foreign = memory_format("Origin: http://evil.example\r\nX-Atelier-CSRF: %s\r\n"
                                            "Content-Type: application/json\r\n",
                                            browser.csrf);
    const char *const headers[] = {own, foreign, "Content-Type: text/plain\r\n",
                                   "Origin: null\r\nContent-Type: application/json\r\n"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        AUTO_ANSWER struct answer answer = browse_to(&browser, "localhost", "POST", PEOPLE "/tokens", headers[i], body);
        if (answer.status != 403)
            fail_msg("%s: %s", headers[i], answer.raw.p);
    }
    AUTO_ANSWER struct answer good = browse(&browser, "POST", PEOPLE "/tokens", body);
    assert_int_equal(good.status, 201);
}

/* --- accounts and tokens -------------------------------------------------------------------------------------------
 */
static void mistakes_are_problems(void **state)
{
    (void)state;
    static const struct {
        enum person person;
        const char *method, *path, *body;
        int status;
        const char *field;
    } cases[] = {
        {ADMIN, "POST", PEOPLE "/users", "{}", 422, "email"},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":7}", 422, "email"},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":\"a@b@c\"}", 422, "email"},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":\"x@example.com\",\"id\":1}", 422, "id"},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":\"x@example.com\",\"platformAdmin\":\"yes\"}", 422,
         "platformAdmin"},
        {ADMIN, "POST", PEOPLE "/users", "[]", 400, NULL},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":\"x@example.com\"", 400, NULL},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":\"x\\u0000@example.com\"}", 400, NULL},
        {ADMIN, "POST", PEOPLE "/users", "{\"email\":\"alice@example.com\"}", 409, NULL},
        {ADMIN, "PATCH", PEOPLE "/users/alice@example.com", "{}", 422, "disabled"},
        {ADMIN, "PATCH", PEOPLE "/users/alice@example.com", "{\"disabled\":null}", 422, "disabled"},
        {ADMIN, "PATCH", PEOPLE "/users/admin@localhost", "{\"disabled\":true}", 422, "disabled"},
        {ADMIN, "DELETE", PEOPLE "/users/admin@localhost", NULL, 422, "email"},
        {ADMIN, "DELETE", PEOPLE "/users/nobody@example.com", NULL, 404, NULL},
        {BOB, "POST", PEOPLE "/tokens", "{\"user\":\"alice@example.com\"}", 403, "user"},
        {BOB, "POST", PEOPLE "/tokens", "{\"ttlSeconds\":0}", 422, "ttlSeconds"},
        {BOB, "POST", PEOPLE "/tokens", "{\"ttlSeconds\":\"1\"}", 422, "ttlSeconds"},
        {BOB, "DELETE", PEOPLE "/tokens/0x1", NULL, 404, NULL},
        {BOB, "POST", "/auth/logout", "", 400, NULL},
        {BOB, "GET", PEOPLE "/open?kind=Pod&namespace=alice&name=x", NULL, 400, "kind"},
        {BOB, "GET", PEOPLE "/open?kind=Notebook&namespace=..&name=x", NULL, 400, "namespace"},
        {ADMIN, "GET", PEOPLE "/audit?limit=0", NULL, 400, "limit"},
        {ALICE, "POST", MEMBERS, "{\"subject\":{\"kind\":\"User\",\"name\":\"x\"},\"role\":\"editor\"}", 422,
         "subject.name"},
        {ALICE, "POST", MEMBERS, "{\"subject\":{\"kind\":\"User\",\"name\":\"x@example.com\"},\"role\":\"owner\"}", 422,
         "role"},
        {ALICE, "POST", MEMBERS,
         "{\"subject\":{\"kind\":\"User\",\"name\":\"x@example.com\"},\"role\":\"viewer\",\"id\":1}", 422, "id"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ANSWER struct answer answer = ask(cases[i].person, cases[i].method, cases[i].path, cases[i].body);
        AUTO_FREE char *type = answer_header(&answer, "Content-Type");
        if (answer.status != cases[i].status || !type || strcmp(type, "application/problem+json") != 0)
            fail_msg("row %zu: %s %s: expected %d: %s", i, cases[i].method, cases[i].path, cases[i].status,
                     answer.raw.p);
        AUTO_JSON cJSON *problem = answer_json(&answer);
        const char *field = json_text(problem, "field", NULL);
        if (cases[i].field && (!field || strcmp(field, cases[i].field) != 0))
            fail_msg("row %zu: field: %s", i, answer.body);
        assert_non_null(json_text(problem, "requestId", NULL));
    }
    AUTO_ANSWER struct answer form =
        ask_with(ADMIN, "POST", PEOPLE "/users", "Content-Type: application/x-www-form-urlencoded\r\n", "{}");
    assert_int_equal(form.status, 415);
}

static void accounts_come_and_go(void **state)
{
    (void)state;
    struct browser browser = new_person("temp@example.com");
    AUTO_ANSWER struct answer list = ask(ADMIN, "GET", PEOPLE "/users", NULL);
    assert_non_null(strstr(list.body, "\"email\":\"temp@example.com\""));
    DO(204, ADMIN, "PATCH", PEOPLE "/users/temp%40example.com", "{\"disabled\":true}");
    cJSON_Delete(whoami(&browser, 401));
    DO(204, ADMIN, "PATCH", PEOPLE "/users/temp@example.com", "{\"disabled\":false}");
    AUTO_JSON cJSON *reset = EXPECT(201, ADMIN, "POST", PEOPLE "/users/temp@example.com/reset-link", NULL);
    struct browser again = {0};
    follow_link(&again, strstr(json_text(reset, "url", NULL), "/auth/link/"));
    DO(204, ADMIN, "DELETE", PEOPLE "/users/temp@example.com", NULL);
    cJSON_Delete(whoami(&again, 401));
}

static void tokens_are_shown_once(void **state)
{
    (void)state;
    AUTO_JSON cJSON *made = EXPECT(201, BOB, "POST", PEOPLE "/tokens", "{\"name\":\"laptop\",\"ttlSeconds\":3600}");
    const char *token = json_text(made, "token", NULL);
    int64_t id = 0;
    assert_true(json_i64(json_member(made, "id"), &id));
    AUTO_FREE char *header = memory_format("Authorization: Bearer %s\r\n", token);
    AUTO_ANSWER struct answer works = ask_with(ANONYMOUS, "GET", PEOPLE "/whoami", header, NULL);
    assert_int_equal(works.status, 200);
    assert_non_null(strstr(works.body, "bob@example.com"));
    AUTO_ANSWER struct answer list = ask(BOB, "GET", PEOPLE "/tokens", NULL);
    assert_non_null(strstr(list.body, "laptop"));
    assert_null(strstr(list.body, token));
    AUTO_ANSWER struct answer others = ask(ALICE, "GET", PEOPLE "/tokens", NULL);
    assert_null(strstr(others.body, "laptop"));
    AUTO_FREE char *path = memory_format(PEOPLE "/tokens/%lld", (long long)id);
    DO(404, ALICE, "DELETE", path, NULL);
    DO(204, BOB, "DELETE", path, NULL);
    AUTO_ANSWER struct answer dead = ask_with(ANONYMOUS, "GET", PEOPLE "/whoami", header, NULL);
    assert_int_equal(dead.status, 401);
}

static int status_with(const char *scheme, const char *credentials, const char *more)
{
    AUTO_FREE char *header = memory_format("Authorization: %s %s\r\n%s", scheme, credentials, more);
    AUTO_ANSWER struct answer answer = ask_with(ANONYMOUS, "GET", PEOPLE "/whoami", header, NULL);
    return answer.status;
}

static int basic_status(const char *text, const char *more)
{
    AUTO_FREE char *encoded = text_base64(text, strlen(text));
    return status_with("Basic", encoded, more);
}

static char *pair_of(const char *named, const char *secret)
{
    return memory_format("%.*s:%s", (int)(strchr(named, ':') - named), named, secret);
}

/* A name opens nothing by itself, and a secret nothing under another's name. */
static void tokens_have_a_name(void **state)
{
    (void)state;
    AUTO_JSON cJSON *made = EXPECT(201, BOB, "POST", PEOPLE "/tokens", "{\"name\":\"a: b\"}");
    AUTO_JSON cJSON *other = EXPECT(201, ALICE, "POST", PEOPLE "/tokens", "{}");
    const char *token = json_text(made, "token", NULL), *named = json_text(made, "named", NULL);
    const char *others = json_text(other, "named", NULL), *secret = strchr(named, ':') + 1;
    AUTO_FREE char *as_other = pair_of(others, secret);
    AUTO_FREE char *other_secret = pair_of(named, strchr(others, ':') + 1);
    AUTO_FREE char *name_only = pair_of(named, "");
    AUTO_FREE char *longer = memory_format("x%s", named);
    AUTO_FREE char *twice = memory_format("%s:%s", named, secret);
    AUTO_FREE char *unnamed = memory_format(":%s", secret);
    const char *const wrong[] = {as_other, other_secret, name_only, longer, twice, unnamed};
    assert_int_equal(status_with("Bearer", token, ""), 200);
    assert_int_equal(status_with("Bearer", named, ""), 200);
    assert_int_equal(basic_status(named, ""), 200);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(status_with("Bearer", wrong[i], ""), 401);
        assert_int_equal(basic_status(wrong[i], ""), 401);
    }
    assert_int_equal(basic_status(token, ""), 401);
    assert_int_equal(status_with("Basic", named, ""), 401); /* not base64 */
    assert_int_equal(basic_status(named, "Sec-Fetch-Site: cross-site\r\n"), 401);
    assert_int_equal(basic_status(named, "Origin: http://evil.example\r\n"), 401);
    AUTO_ANSWER struct answer list = ask(BOB, "GET", PEOPLE "/tokens", NULL);
    assert_null(strstr(list.body, secret));
}

#define TOKEN_FOR(kind, name, prefix)                                                                                  \
    "{\"name\":\"billing\",\"application\":{\"namespace\":\"alice\",\"kind\":\"" kind "\",\"name\":\"" name            \
    "\",\"prefix\":\"" prefix "\"}}"

static int64_t id_of(const cJSON *made)
{
    int64_t id = -1;
    assert_true(json_i64(json_member(made, "id"), &id));
    return id;
}

/* Who lets people in makes one, for what is there. */
static void tokens_of_applications_are_the_admins(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum person person;
        const char *body, *says;
    } refused[] = {
        {403, ED, TOKEN_FOR("RayService", "shop", "/app"), "only the profile's owner and its admins"},
        {403, VI, TOKEN_FOR("RayService", "shop", "/app"), "only the profile's owner and its admins"},
        {404, ONE, TOKEN_FOR("RayService", "shop", "/app"), ""},
        {404, BOB, TOKEN_FOR("RayService", "shop", "/app"), ""},
        {401, ANONYMOUS, TOKEN_FOR("RayService", "shop", "/app"), ""},
        {404, ALICE, TOKEN_FOR("RayService", "rc", "/app"), "application.name"},
        {404, ALICE, TOKEN_FOR("RayCluster", "shop", "/app"), "application.name"},
        {422, ALICE, TOKEN_FOR("RayService", "shop", "/app/"), "application.prefix"},
        {422, ALICE, TOKEN_FOR("Notebook", "nb1", "/"), "application.kind"},
        {422, ALICE, "{\"application\":\"shop\"}", "\"application\""},
        {422, ALICE, "{\"application\":null}", "\"application\""},
        {422, ALICE, "{\"application\":{}}", "application.namespace"},
        {422, ALICE, "{\"application\":{\"namespace\":\"alice\",\"kind\":\"RayService\",\"name\":\"shop\"}}",
         "application.prefix"},
        {422, ALICE,
         "{\"application\":{\"namespace\":\"alice\",\"kind\":\"RayService\",\"name\":\"shop\",\"prefix\":\"/"
         "\",\"x\":1}}",
         "application.x"},
    };
    DO(201, ALICE, "POST", RAY_CLUSTERS, RAY_CLUSTER);
    DO(201, ALICE, "POST", RAY_SERVICES, RAY_SERVICE);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        AUTO_ANSWER struct answer answer = ask(refused[i].person, "POST", PEOPLE "/tokens", refused[i].body);
        if (answer.status != refused[i].status || !strstr(answer.body, refused[i].says))
            fail_msg("row %zu: %s", i, answer.raw.p);
    }
    AUTO_JSON cJSON *made = EXPECT(201, MAX, "POST", PEOPLE "/tokens", TOKEN_FOR("RayService", "shop", "/app"));
    AUTO_JSON cJSON *second = EXPECT(201, ALICE, "POST", PEOPLE "/tokens", TOKEN_FOR("RayCluster", "rc", "/"));
    assert_string_equal(json_text(made, "application", "prefix", NULL), "/app");
    assert_string_equal(json_text(made, "email", NULL), "max@example.com");
    /* Members see it, and admins take it back, whoever made it. */
    AUTO_FREE char *path = memory_format(PEOPLE "/profiles/alice/tokens/%lld", (long long)id_of(made));
    AUTO_FREE char *own = memory_format(PEOPLE "/tokens/%lld", (long long)id_of(made));
    AUTO_ANSWER struct answer list = ask(VI, "GET", PEOPLE "/profiles/alice/tokens", NULL);
    assert_int_equal(list.status, 200);
    assert_non_null(strstr(list.body, "\"prefix\":\"/app\""));
    assert_non_null(strstr(list.body, "\"name\":\"rc\""));
    assert_null(strstr(list.body, json_text(made, "token", NULL)));
    AUTO_ANSWER struct answer others = ask(ALICE, "GET", PEOPLE "/tokens", NULL);
    assert_null(strstr(others.body, "\"prefix\":\"/app\""));
    DO(403, ED, "DELETE", path, NULL);
    DO(404, BOB, "DELETE", path, NULL);
    DO(404, ALICE, "DELETE", own, NULL); /* not one of hers */
    AUTO_JSON cJSON *whole = EXPECT(201, MAX, "POST", PEOPLE "/tokens", "{\"name\":\"laptop\"}");
    AUTO_FREE char *whole_path = memory_format(PEOPLE "/profiles/alice/tokens/%lld", (long long)id_of(whole));
    DO(404, ALICE, "DELETE", whole_path, NULL); /* it is not the profile's */
    DO(204, ALICE, "DELETE", path, NULL);
    DO(404, ALICE, "DELETE", path, NULL);
    /* With what it opens it goes. */
    AUTO_JSON cJSON *third = EXPECT(201, ALICE, "POST", PEOPLE "/tokens", TOKEN_FOR("RayService", "shop", "/"));
    DO(200, ALICE, "DELETE", RAY_SERVICES "/shop", NULL);
    AUTO_ANSWER struct answer left = ask(ALICE, "GET", PEOPLE "/profiles/alice/tokens", NULL);
    assert_null(strstr(left.body, "RayService"));
    assert_non_null(strstr(left.body, "RayCluster"));
    DO(200, ALICE, "DELETE", RAY_CLUSTERS "/rc", NULL);
    AUTO_ANSWER struct answer none = ask(ALICE, "GET", PEOPLE "/profiles/alice/tokens", NULL);
    assert_non_null(strstr(none.body, "\"items\":[]"));
    AUTO_FREE char *header = memory_format("Authorization: Bearer %s\r\n", json_text(third, "token", NULL));
    AUTO_ANSWER struct answer dead = ask_with(ANONYMOUS, "GET", PEOPLE "/whoami", header, NULL);
    assert_int_equal(dead.status, 401);
}

/* The browser of a signed-in person approves, with Origin and CSRF value; nothing else can. */
static void a_command_line_is_let_in_by_a_browser(void **state)
{
    (void)state;
    static const char body[] = "{\"challenge\":\"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\",\"host\":\"box\"}";
    struct browser browser = new_person("shell@example.com");
    AUTO_ANSWER struct answer early = browse(&browser, "POST", PEOPLE "/cli-approvals", body);
    assert_int_equal(early.status, 403); /* no password yet */
    set_password(&browser, NULL, "correct horse battery", 204);
    AUTO_FREE char *own = memory_format("Origin: http://localhost:%s\r\nContent-Type: application/json\r\n", api.port);
    AUTO_ANSWER struct answer forged = browse_to(&browser, "localhost", "POST", PEOPLE "/cli-approvals", own, body);
    assert_int_equal(forged.status, 403); /* no X-Atelier-CSRF */
    AUTO_ANSWER struct answer by_token = ask(BOB, "POST", PEOPLE "/cli-approvals", body);
    assert_int_equal(by_token.status, 403);
    AUTO_ANSWER struct answer approved = browse(&browser, "POST", PEOPLE "/cli-approvals", body);
    assert_int_equal(approved.status, 201);
    AUTO_JSON cJSON *approval = answer_json(&approved);
    AUTO_FREE char *shown =
        memory_format("{\"code\":\"%s\",\"verifier\":\"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\"}",
                      json_text(approval, "code", NULL));
    AUTO_JSON cJSON *made = EXPECT(201, ANONYMOUS, "POST", "/auth/cli", shown);
    assert_string_equal(json_text(made, "name", NULL), "atelier CLI on box");
    assert_string_equal(json_text(made, "email", NULL), "shell@example.com");
    assert_non_null(json_text(made, "expiresAt", NULL));
    AUTO_FREE char *header = memory_format("Authorization: Bearer %s\r\n", json_text(made, "token", NULL));
    AUTO_ANSWER struct answer works = ask_with(ANONYMOUS, "GET", PEOPLE "/whoami", header, NULL);
    assert_int_equal(works.status, 200);
    AUTO_ANSWER struct answer again = ask(ANONYMOUS, "POST", "/auth/cli", shown);
    assert_int_equal(again.status, 410);
}

static void the_admin_socket_is_an_admin(void **state)
{
    (void)state;
    AUTO_FREE char *text = request_text("", "GET", PEOPLE "/whoami", NULL, NULL);
    AUTO_ANSWER struct answer answer = exchange(true, text);
    AUTO_JSON cJSON *me = answer_json(&answer);
    assert_string_equal(json_text(me, "kind", NULL), "local");
    assert_true(json_true(me, "platformAdmin", NULL));
    AUTO_FREE char *nobody = request_text("", "POST", PEOPLE "/tokens", "Content-Type: application/json\r\n", "{}");
    AUTO_ANSWER struct answer refused = exchange(true, nobody);
    assert_int_equal(refused.status, 422);
    AUTO_FREE char *list = request_text("", "GET", PEOPLE "/sessions", NULL, NULL);
    AUTO_ANSWER struct answer sessions = exchange(true, list);
    assert_int_equal(sessions.status, 403);
}

/* --- members -------------------------------------------------------------------------------------------------------
 */
static void members_come_and_go(void **state)
{
    (void)state;
    AUTO_JSON cJSON *pending =
        EXPECT(201, MAX, "POST", MEMBERS,
               "{\"subject\":{\"kind\":\"User\",\"name\":\"Later@example.com\"},\"role\":\"viewer\"}");
    assert_string_equal(json_text(pending, "state", NULL), "pending");
    AUTO_JSON cJSON *made =
        EXPECT(201, MAX, "POST", MEMBERS,
               "{\"subject\":{\"kind\":\"User\",\"name\":\"bob@example.com\"},\"role\":\"viewer\"}");
    int64_t id = 0;
    assert_true(json_i64(json_member(made, "id"), &id));
    AUTO_FREE char *path = memory_format(MEMBERS "/%lld", (long long)id);
    DO(200, BOB, "GET", NOTEBOOKS "/nb1", NULL);
    DO(403, BOB, "PATCH", NOTEBOOKS "/nb1", "{}");
    DO(403, BOB, "PATCH", path, "{\"role\":\"admin\"}");
    DO(200, MAX, "PATCH", path, "{\"role\":\"editor\"}");
    DO(200, BOB, "PATCH", NOTEBOOKS "/nb1", "{}");
    DO(422, MAX, "PATCH", path, "{\"role\":\"owner\"}");
    DO(403, MAX, "PUT", PEOPLE "/profiles/alice/owner", "{\"email\":\"max@example.com\"}");
    DO(204, MAX, "DELETE", path, NULL);
    DO(404, BOB, "GET", NOTEBOOKS "/nb1", NULL);
    AUTO_JSON cJSON *list = EXPECT(200, VI, "GET", MEMBERS, NULL);
    assert_string_equal(json_text(cJSON_GetArrayItem(json_member(list, "items"), 0), "subject", "name", NULL),
                        "alice@example.com");
    struct browser later = new_person("later@example.com");
    AUTO_JSON cJSON *me = whoami(&later, 200);
    assert_string_equal(json_text(cJSON_GetArrayItem(json_member(me, "profiles"), 0), "name", NULL), "alice");
}

static void ownership_is_handed_on(void **state)
{
    (void)state;
    DO(201, ALICE, "POST", "/apis/kubeflow.org/v1/profiles", "{\"metadata\":{\"name\":\"passed-on\"}}");
    DO(404, BOB, "PUT", PEOPLE "/profiles/passed-on/owner", "{\"email\":\"bob@example.com\"}");
    DO(200, ALICE, "PUT", PEOPLE "/profiles/passed-on/owner", "{\"email\":\"bob@example.com\"}");
    AUTO_JSON cJSON *profile = EXPECT(200, BOB, "GET", "/apis/kubeflow.org/v1/profiles/passed-on", NULL);
    assert_string_equal(json_text(profile, "spec", "owner", "name", NULL), "bob@example.com");
    DO(422, ALICE, "PATCH", "/apis/kubeflow.org/v1/profiles/alice",
       "{\"spec\":{\"owner\":{\"kind\":\"User\",\"name\":\"bob@example.com\"}}}");
}

static void what_was_done_is_written_down(void **state)
{
    (void)state;
    DO(403, VI, "DELETE", NOTEBOOKS "/nb1", NULL);
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS;;) { /* entries are written in batches */
        AUTO_ANSWER struct answer audit = ask(ALICE, "GET", PEOPLE "/profiles/alice/audit?limit=500", NULL);
        assert_int_equal(audit.status, 200);
        if (strstr(audit.body, "\"actor\":\"vi@example.com\",\"action\":\"delete\"") &&
            strstr(audit.body, "\"outcome\":\"denied\"") && strstr(audit.body, "\"action\":\"member add\"") &&
            strstr(audit.body, "ed@example.com as editor"))
            break;
        if (clock_monotonic_ms() > until)
            fail_msg("%s", audit.raw.p);
        clock_sleep_ms(25);
    }
    DO(403, VI, "GET", PEOPLE "/profiles/alice/audit", NULL);
    AUTO_ANSWER struct answer all = ask(ADMIN, "GET", PEOPLE "/audit?limit=500", NULL);
    assert_non_null(strstr(all.body, "sign-in"));
    for (enum person person = ADMIN; person < PERSON_COUNT; person++)
        assert_null(strstr(all.body, api.tokens[person]));
}

static void health_names_every_part(void **state)
{
    (void)state;
    bool looked = false; /* at the disk: a moment after the start */
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; !looked && clock_monotonic_ms() < until;) {
        AUTO_ANSWER struct answer usage = ask(ADMIN, "GET", PEOPLE "/usage", NULL);
        looked = strstr(usage.body, "\"disk\"") != NULL;
        if (!looked)
            clock_sleep_ms(25);
    }
    AUTO_ANSWER struct answer told = ask(ADMIN, "GET", PEOPLE "/health", NULL);
    assert_int_equal(told.status, 200);
    assert_string_equal(told.body, "{\"checks\":[{\"name\":\"policy\",\"ok\":true},{\"name\":\"database\",\"ok\":true},"
                                   "{\"name\":\"engine\",\"ok\":true},{\"name\":\"disk\",\"ok\":true}]}");
    AUTO_ANSWER struct answer refused = ask(ALICE, "GET", PEOPLE "/health", NULL);
    assert_int_equal(refused.status, 403);
}

static void usage_is_ones_own(void **state)
{
    (void)state;
    AUTO_ANSWER struct answer own = ask(ALICE, "GET", PEOPLE "/usage", NULL);
    assert_int_equal(own.status, 200);
    assert_non_null(strstr(own.body, "\"alice\""));
    AUTO_ANSWER struct answer others = ask(BOB, "GET", PEOPLE "/usage", NULL);
    assert_non_null(strstr(others.body, "\"allocatable\""));
    assert_null(strstr(others.body, "\"alice\""));
    AUTO_ANSWER struct answer images = ask(BOB, "GET", PEOPLE "/images", NULL);
    assert_non_null(strstr(images.body, "\"name\":\"ray-2.60\""));
}

#define SAMPLES PEOPLE "/profiles/alice/samples"

static void use_over_time_is_told(void **state)
{
    (void)state;
    wait_until(VI, SAMPLES, "\"name\":\"nb1\"");
    wait_until(VI, SAMPLES "?kind=Notebook&name=nb1", "\"cpu\":0.2");
    AUTO_JSON cJSON *samples = EXPECT(200, ONE, "GET", SAMPLES, NULL);
    const cJSON *items = json_member(samples, "items"), *item = items->child;
    int64_t number = 0, age_ms = 0;
    assert_true(json_i64(json_member(samples, "step"), &number) && number == 60);
    assert_null(json_member(samples, "trouble"));
    assert_string_equal(json_text(item, "kind", NULL), "Notebook");
    assert_true(json_i64(json_member(item, "memory"), &number) && number == 100 << 20);
    assert_true(json_i64(json_member(item, "memoryLimit"), &number) && number == 1 << 30);
    assert_true(json_i64(json_member(item, "nodes"), &number) && number == 1);
    assert_true(cJSON_GetNumberValue(json_member(item, "cpuLimit")) == 0.5);
    assert_true(clock_parse(slice_of(json_text(item, "at", NULL)), &age_ms));
    assert_true(clock_wall_ms() - age_ms < 180000);
    /* Of what is not shared with one there is nothing; strangers learn nothing. */
    AUTO_JSON cJSON *other = EXPECT(200, ONE, "GET", SAMPLES "?kind=RayCluster&name=rc", NULL);
    assert_int_equal(cJSON_GetArraySize(json_member(other, "items")), 0);
    DO(404, BOB, "GET", SAMPLES, NULL);
    DO(401, ANONYMOUS, "GET", SAMPLES, NULL);
    DO(400, VI, "GET", SAMPLES "?name=nb1", NULL);
    DO(400, VI, "GET", SAMPLES "?kind=Pod", NULL);
    DO(400, VI, "GET", SAMPLES "?since=yesterday", NULL);
    DO(400, VI, "GET", SAMPLES "?step=0", NULL);
    AUTO_JSON cJSON *month = EXPECT(200, VI, "GET", SAMPLES "?since=2020-01-01T00:00:00Z", NULL);
    assert_true(json_i64(json_member(month, "step"), &number) && number % 900 == 0 && number >= 1800);
}

/* --- the resource's own host ---------------------------------------------------------------------------------------
 */
static void a_browser_is_handed_over(void **state)
{
    (void)state;
    struct browser browser = {0}, there = {0};
    AUTO_JSON cJSON *reset = EXPECT(201, ADMIN, "POST", PEOPLE "/users/alice@example.com/reset-link", NULL);
    follow_link(&browser, strstr(json_text(reset, "url", NULL), "/auth/link/"));
    AUTO_JSON cJSON *open = EXPECT(200, ALICE, "GET", PEOPLE "/open?kind=Notebook&namespace=alice&name=nb1", NULL);
    const char *url = json_text(open, "url", NULL);
    AUTO_ANSWER struct answer redirect =
        browse_to(&browser, "localhost", "GET", strstr(url, "/notebook/"), "Accept: text/html\r\n", "");
    assert_int_equal(redirect.status, 302);
    AUTO_FREE char *location = answer_header(&redirect, "Location");
    AUTO_FREE char *origin = memory_format("http://notebook-nb1--alice.localhost:%s/auth/handoff?code=", api.port);
    assert_int_equal(strncmp(location, origin, strlen(origin)), 0);
    const char *path = strstr(location, "/auth/handoff");
    struct browser none = {.cookie = "a=b"};
    AUTO_ANSWER struct answer elsewhere = browse_to(&none, "notebook-nb2--alice.localhost", "GET", path, "", "");
    assert_int_equal(elsewhere.status, 400); /* next is not a path of that host */
    AUTO_ANSWER struct answer redeemed = browse_to(&none, "notebook-nb1--alice.localhost", "GET", path, "", "");
    assert_int_equal(redeemed.status, 302);
    AUTO_FREE char *next = answer_header(&redeemed, "Location");
    assert_string_equal(next, "/notebook/alice/nb1/");
    keep_cookie(&there, &redeemed);
    assert_int_equal(strncmp(there.cookie, "atelier_resource=", 17), 0);
    AUTO_ANSWER struct answer twice = browse_to(&none, "notebook-nb1--alice.localhost", "GET", path, "", "");
    assert_null(answer_header(&twice, "Set-Cookie"));
    AUTO_ANSWER struct answer inside =
        browse_to(&there, "notebook-nb1--alice.localhost", "GET", "/notebook/alice/nb1/api", "", "");
    assert_int_equal(inside.status, 200); /* the workload's own answer */
    assert_string_equal(inside.body, "{}");
    /* That cookie opens nothing else: not another resource, not the API, not the main host. */
    static const struct {
        const char *host, *path;
        bool main_name;
    } closed[] = {{"notebook-nb1--alice.localhost", "/api/atelier/v1/whoami", false},
                  {"notebook-nb1--alice.localhost", "/notebook/alice/nb2/api", false},
                  {"notebook-nb1--alice.localhost", "/api/v1/namespaces/alice/secrets", false},
                  {"localhost", "/api/atelier/v1/whoami", true},
                  {"localhost", "/notebook/alice/nb1/api", true}};
    for (size_t i = 0; i < COUNT_OF(closed); i++) {
        if (closed[i].main_name)
            snprintf(none.cookie, sizeof(none.cookie), "atelier_session=%.200s", there.cookie + 17);
        AUTO_ANSWER struct answer answer =
            browse_to(closed[i].main_name ? &none : &there, closed[i].host, "GET", closed[i].path, "", "");
        if (answer.status != 404 && answer.status != 401)
            fail_msg("%s%s: %s", closed[i].host, closed[i].path, answer.raw.p);
    }
}

static void cookies_do_not_reach_workloads_on_the_main_host(void **state)
{
    (void)state;
    struct browser browser = {0};
    AUTO_JSON cJSON *reset = EXPECT(201, ADMIN, "POST", PEOPLE "/users/alice@example.com/reset-link", NULL);
    follow_link(&browser, strstr(json_text(reset, "url", NULL), "/auth/link/"));
    AUTO_ANSWER struct answer write = browse(&browser, "POST", "/notebook/alice/nb1/api/kernels", "{}");
    assert_int_equal(write.status, 403);
    AUTO_ANSWER struct answer proxy =
        browse_to(&browser, "localhost", "GET", "/api/v1/namespaces/alice/services/http:nb1:80/proxy/", "", "");
    assert_int_equal(proxy.status, 403);
    AUTO_ANSWER struct answer absent =
        browse_to(&browser, "localhost", "GET", "/notebook/alice/none/", "Accept: text/html\r\n", "");
    assert_int_equal(absent.status, 404);
    AUTO_ANSWER struct answer token = ask(ALICE, "GET", "/notebook/alice/nb1/api", NULL);
    assert_int_equal(token.status, 200);
}

static void anonymous_browsers_are_led_to_sign_in(void **state)
{
    (void)state;
    AUTO_ANSWER struct answer main =
        ask_with(ANONYMOUS, "GET", "/notebook/alice/nb1/lab?a=b", "Accept: text/html\r\n", NULL);
    AUTO_FREE char *to_sign_in = answer_header(&main, "Location");
    assert_string_equal(to_sign_in, "/signin?next=%2Fnotebook%2Falice%2Fnb1%2Flab%3Fa%3Db");
    struct browser none = {.cookie = "a=b"};
    AUTO_ANSWER struct answer own = browse_to(&none, "notebook-nb1--alice.localhost", "GET",
                                              "/notebook/alice/nb1/lab?a=b", "Accept: text/html\r\n", "");
    AUTO_FREE char *to_main = answer_header(&own, "Location");
    AUTO_FREE char *expected = memory_format("http://localhost:%s/notebook/alice/nb1/lab?a=b", api.port);
    assert_string_equal(to_main, expected);
    AUTO_ANSWER struct answer script = ask(ANONYMOUS, "GET", "/notebook/alice/nb1/lab", NULL);
    assert_int_equal(script.status, 401);
}

/* --- the console ----------------------------------------------------------------------------------------------------
 */
static void the_console_is_served(void **state)
{
    (void)state;
    static const char *const pages[] = {"/", "/signin?next=%2F", "/notebooks/alice"};
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        AUTO_ANSWER struct answer page = ask_with(ANONYMOUS, "GET", pages[i], "Accept: text/html\r\n", NULL);
        assert_int_equal(page.status, 200);
        assert_non_null(strstr(page.body, "<!doctype html>"));
        AUTO_FREE char *policy = answer_header(&page, "Content-Security-Policy");
        assert_non_null(strstr(policy, "default-src 'self'"));
        assert_null(strstr(policy, "unsafe"));
        AUTO_FREE char *cache = answer_header(&page, "Cache-Control");
        assert_string_equal(cache, "no-store");
    }
    AUTO_ANSWER struct answer packed =
        ask_with(ANONYMOUS, "GET", "/console.js", "Accept-Encoding: br, gzip;q=0.5\r\n", NULL);
    assert_int_equal(packed.status, 200);
    AUTO_FREE char *coding = answer_header(&packed, "Content-Encoding"), *tag = answer_header(&packed, "ETag");
    assert_string_equal(coding, "gzip");
    AUTO_FREE char *known = memory_format("Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", tag);
    AUTO_ANSWER struct answer same = ask_with(ANONYMOUS, "GET", "/console.js", known, NULL);
    assert_int_equal(same.status, 304);
    AUTO_ANSWER struct answer plain = ask_with(ANONYMOUS, "GET", "/console.js", "Accept-Encoding: gzip;q=0\r\n", NULL);
    assert_null(answer_header(&plain, "Content-Encoding"));
    AUTO_ANSWER struct answer absent = ask(ANONYMOUS, "GET", "/none.js", NULL);
    assert_int_equal(absent.status, 404);
    AUTO_ANSWER struct answer write = ask(ANONYMOUS, "POST", "/", "{}");
    assert_int_equal(write.status, 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_link_signs_in_once),
        cmocka_unit_test(a_person_signs_in_and_out),
        cmocka_unit_test(signing_out_everywhere_does),
        cmocka_unit_test(cross_site_writes_are_refused),
        cmocka_unit_test(mistakes_are_problems),
        cmocka_unit_test(accounts_come_and_go),
        cmocka_unit_test(tokens_are_shown_once),
        cmocka_unit_test(tokens_have_a_name),
        cmocka_unit_test(tokens_of_applications_are_the_admins),
        cmocka_unit_test(a_command_line_is_let_in_by_a_browser),
        cmocka_unit_test(the_admin_socket_is_an_admin),
        cmocka_unit_test(members_come_and_go),
        cmocka_unit_test(ownership_is_handed_on),
        cmocka_unit_test(what_was_done_is_written_down),
        cmocka_unit_test(health_names_every_part),
        cmocka_unit_test(usage_is_ones_own),
        cmocka_unit_test(use_over_time_is_told),
        cmocka_unit_test(a_browser_is_handed_over),
        cmocka_unit_test(cookies_do_not_reach_workloads_on_the_main_host),
        cmocka_unit_test(anonymous_browsers_are_led_to_sign_in),
        cmocka_unit_test(the_console_is_served),
        cmocka_unit_test(guessing_is_slowed_down),
    };
    return cmocka_run_group_tests(tests, api_group_start, api_group_stop);
}
