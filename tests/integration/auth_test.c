/* Do people sign in, hold sessions and tokens, share and lose what they were given, as auth.h promises? */
#include "tests/integration/people.h"

static struct people people;

#define PEER "127.0.0.1"

static int sign_in(const char *email, const char *password, struct auth_session *ret, struct error *error)
{
    return auth_sign_in_password(people.auth, slice_of(email), slice_of(password), PEER, ret, error);
}

static void the_first_link_works_once(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session session = {0}, second = {0};
    struct identity identity;
    char code[64], again[64];
    assert_int_equal(auth_first_link(people.auth, code, &error), 0);
    assert_int_equal(strlen(code), SECRET_LENGTH);
    auth_free(people.auth); /* a restart prints the same one */
    people_auth(&people, 300000);
    assert_int_equal(auth_first_link(people.auth, again, &error), 0);
    assert_string_equal(code, again);
    assert_int_equal(auth_sign_in_link(people.auth, SLICE("nonsense"), PEER, &session, &error), -ERROR_GONE);
    assert_int_equal(auth_sign_in_link(people.auth, slice_of(code), PEER, &session, &error), 0);
    assert_true(session.identity.platform_admin && session.identity.must_set_password);
    assert_int_equal(auth_sign_in_link(people.auth, slice_of(code), PEER, &second, &error), -ERROR_GONE);
    assert_int_equal(auth_first_link(people.auth, again, &error), 0);
    assert_string_equal(again, "");
    assert_true(people_identify(people.auth, session.secret, "", "", &identity));
    assert_memory_equal(&identity, &session.identity, sizeof(identity)); /* what was promised is what is found */

    assert_int_equal(auth_password_set(people.auth, &identity, SLICE(""), SLICE("short"), &error), -ERROR_INVALID);
    assert_int_equal(auth_password_set(people.auth, &identity, SLICE(""), SLICE("correct horse"), &error), 0);
    assert_true(people_identify(people.auth, session.secret, "", "", &identity));
    assert_false(identity.must_set_password);
    assert_int_equal(sign_in("ROOT@example.com", "correct horse", &second, &error), 0);
    assert_string_not_equal(second.secret, session.secret);
    assert_false(second.identity.must_set_password);
    assert_true(second.identity.platform_admin);
}

static void passwords_are_checked_alike(void **state)
{
    (void)state;
    struct error error = {0}, unknown = {0};
    struct auth_session session = {0};
    people_join(people.auth, "nopassword@example.com");
    assert_int_equal(sign_in("root@example.com", "wrong horse", &session, &error), -ERROR_UNAUTHENTICATED);
    static const char *const nobody[] = {"nobody@example.com", "nopassword@example.com", "not an address", "",
                                         "root@example.com\n", "root@example.com'--"};
    for (size_t i = 0; i < COUNT_OF(nobody); i++) {
        assert_int_equal(sign_in(nobody[i], "correct horse", &session, &unknown), -ERROR_UNAUTHENTICATED);
        assert_memory_equal(&error, &unknown, sizeof(error));
    }
    assert_string_equal(session.secret, "");
}

static void wrong_passwords_are_limited(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session session = {0};
    unsigned wrong = 0;
    int failed = 0;
    while (wrong < 30 &&
           (failed = sign_in("guessed@example.com", "wrong horse", &session, &error)) == -ERROR_UNAUTHENTICATED)
        wrong++;
    assert_int_equal(failed, -ERROR_LIMITED);
    assert_in_range(wrong, SIGN_IN_EMAIL_BURST, SIGN_IN_EMAIL_BURST + 2);
    assert_true(error.retry_after_s > 0);
    for (int i = 0; i < 3; i++) /* others are not, and being right costs nothing */
        assert_int_equal(sign_in("root@example.com", "correct horse", &session, &error), 0);
}

static void a_password_change_ends_the_others(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session first = people_join(people.auth, "changes@example.com"), second = {0}, third = {0};
    assert_int_equal(auth_password_set(people.auth, &first.identity, SLICE(""), SLICE("password one"), &error), 0);
    assert_int_equal(sign_in("changes@example.com", "password one", &second, &error), 0);
    assert_int_equal(
        auth_password_set(people.auth, &first.identity, SLICE("guess guess"), SLICE("password two"), &error),
        -ERROR_FORBIDDEN); /* the link is no excuse a second time */
    assert_true(people_cookie(people.auth, second.secret));
    assert_int_equal(
        auth_password_set(people.auth, &first.identity, SLICE("password one"), SLICE("password two"), &error), 0);
    assert_true(people_cookie(people.auth, first.secret));
    assert_false(people_cookie(people.auth, second.secret));
    assert_int_equal(sign_in("changes@example.com", "password one", &third, &error), -ERROR_UNAUTHENTICATED);
    assert_int_equal(sign_in("changes@example.com", "password two", &third, &error), 0);
    const struct identity token = {.kind = IDENTITY_TOKEN, .user_id = first.identity.user_id};
    assert_int_equal(auth_password_set(people.auth, &token, SLICE(""), SLICE("password xxx"), &error),
                     -ERROR_FORBIDDEN);
}

static void a_reset_locks_out_whoever_was_in(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session first = people_join(people.auth, "resets@example.com"), second = {0};
    char older[64], code[64];
    assert_int_equal(auth_password_set(people.auth, &first.identity, SLICE(""), SLICE("password one"), &error), 0);
    assert_int_equal(auth_user_reset_link(people.auth, "resets@example.com", older, &error), 0);
    assert_int_equal(auth_user_reset_link(people.auth, "Resets@example.com", code, &error), 0);
    assert_int_equal(auth_sign_in_link(people.auth, slice_of(older), PEER, &second, &error), -ERROR_GONE);
    assert_true(people_cookie(people.auth, first.secret)); /* asking for a link alone changes nothing */
    assert_int_equal(auth_sign_in_link(people.auth, slice_of(code), PEER, &second, &error), 0);
    assert_false(people_cookie(people.auth, first.secret));
    assert_true(second.identity.must_set_password);
    assert_int_equal(sign_in("resets@example.com", "password one", &first, &error), -ERROR_UNAUTHENTICATED);
    assert_int_equal(auth_password_set(people.auth, &second.identity, SLICE(""), SLICE("password two"), &error), 0);
    assert_int_equal(auth_user_reset_link(people.auth, "nobody@example.com", code, &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_user_reset_link(people.auth, "resets@example.com", code, &error), 0);
    people_sql(&people, "UPDATE links SET expires_ms = 1 WHERE used_ms IS NULL");
    assert_int_equal(auth_sign_in_link(people.auth, slice_of(code), PEER, &second, &error), -ERROR_GONE);
}

static void *use_link(void *argument)
{
    struct error error = {0};
    struct auth_session session;
    int failed = auth_sign_in_link(people.auth, slice_of(argument), PEER, &session, &error);
    return (void *)(intptr_t)-failed;
}

static void a_link_used_by_many_at_once_opens_once(void **state)
{
    (void)state;
    struct error error = {0};
    char code[64];
    pthread_t threads[8];
    unsigned opened = 0;
    assert_int_equal(auth_user_create(people.auth, "raced@example.com", false, code, NULL, &error), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, use_link, code);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        opened += result == NULL;
        assert_true(result == NULL || result == (void *)(intptr_t)ERROR_GONE);
    }
    assert_int_equal(opened, 1);
}

static void signing_out_is_at_once(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session one = people_join(people.auth, "leaves@example.com"), two = {0}, three = {0};
    assert_int_equal(auth_password_set(people.auth, &one.identity, SLICE(""), SLICE("password one"), &error), 0);
    assert_int_equal(sign_in("leaves@example.com", "password one", &two, &error), 0);
    assert_int_equal(sign_in("leaves@example.com", "password one", &three, &error), 0);
    assert_int_equal(auth_sign_out(people.auth, &two.identity, &error), 0);
    assert_false(people_cookie(people.auth, two.secret));
    assert_int_equal(auth_sign_out(people.auth, &two.identity, &error), 0); /* again, by a second tab */
    assert_true(people_cookie(people.auth, one.secret) && people_cookie(people.auth, three.secret));
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(auth_session_list(people.auth, one.identity.user_id, &list, &error), 0);
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_int_equal(auth_session_delete(people.auth, 999999, three.identity.credential_id, &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_session_delete(people.auth, one.identity.user_id, three.identity.credential_id, &error), 0);
    assert_false(people_cookie(people.auth, three.secret));
    assert_int_equal(auth_session_delete(people.auth, one.identity.user_id, 0, &error), -ERROR_NOT_FOUND);
    assert_true(people_cookie(people.auth, one.secret));
    assert_int_equal(auth_sign_out_everywhere(people.auth, &one.identity, &error), 0);
    assert_false(people_cookie(people.auth, one.secret));
}

static void a_handoff_opens_one_host_once(void **state)
{
    (void)state;
    static const char host[] = "notebook-nb1--team";
    struct error error = {0};
    struct auth_session main_session = people_join(people.auth, "browses@example.com"), there = {0}, more = {0};
    struct identity identity;
    char code[64];
    assert_int_equal(auth_profile_claim(people.auth, "team", "browses@example.com", false, &error), 0);
    assert_int_equal(
        auth_handoff_new(people.auth, &main_session.identity, host, "team", "Notebook", "nb1", code, &error), 0);
    assert_int_equal(auth_handoff_redeem(people.auth, slice_of(code), host, &there, &error), 0);
    assert_int_equal(auth_handoff_redeem(people.auth, slice_of(code), host, &more, &error), -ERROR_GONE);
    assert_true(people_identify(people.auth, there.secret, "", host, &identity));
    assert_memory_equal(&identity, &there.identity, sizeof(identity));
    assert_int_equal(identity.kind, IDENTITY_RESOURCE);
    assert_false(people_cookie(people.auth, there.secret));
    assert_false(people_identify(people.auth, there.secret, "", "notebook-nb2--team", &identity));
    assert_false(people_identify(people.auth, main_session.secret, "", host, &identity));
    assert_true(people_decide(people.auth, &there.identity, "team", "Notebook", "nb1", VERB_CONNECT).allowed);
    assert_false(people_decide(people.auth, &there.identity, "team", "Notebook", "nb2", VERB_CONNECT).allowed);
    assert_int_equal(auth_handoff_new(people.auth, &there.identity, host, "team", "Notebook", "nb1", code, &error),
                     -ERROR_FORBIDDEN);
    /* At the wrong host it is refused, and spent. */
    assert_int_equal(
        auth_handoff_new(people.auth, &main_session.identity, host, "team", "Notebook", "nb1", code, &error), 0);
    assert_int_equal(auth_handoff_redeem(people.auth, slice_of(code), "notebook-evil--mallory", &more, &error),
                     -ERROR_GONE);
    assert_int_equal(auth_handoff_redeem(people.auth, slice_of(code), host, &more, &error), -ERROR_GONE);
    /* Half a minute later it has expired. */
    assert_int_equal(
        auth_handoff_new(people.auth, &main_session.identity, host, "team", "Notebook", "nb1", code, &error), 0);
    people_sql(&people, "UPDATE handoffs SET expires_ms = expires_ms - 30001");
    assert_int_equal(auth_handoff_redeem(people.auth, slice_of(code), host, &more, &error), -ERROR_GONE);
    /* A code still open dies with the session, and so does what was opened. */
    assert_int_equal(
        auth_handoff_new(people.auth, &main_session.identity, host, "team", "Notebook", "nb1", code, &error), 0);
    assert_int_equal(auth_sign_out(people.auth, &main_session.identity, &error), 0);
    assert_false(people_identify(people.auth, there.secret, "", host, &identity));
    assert_false(people_decide(people.auth, &there.identity, "team", "Notebook", "nb1", VERB_CONNECT).allowed);
    assert_int_equal(auth_handoff_redeem(people.auth, slice_of(code), host, &more, &error), -ERROR_GONE);
    assert_int_equal(
        auth_handoff_new(people.auth, &main_session.identity, host, "team", "Notebook", "nb1", code, &error),
        -ERROR_UNAUTHENTICATED);
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM handoffs"), 0);
}

/* What `atelier login` does: RFC 7636's verifier stays with the command line, its SHA-256 goes through the browser. */
static void a_browser_lets_a_command_line_in_once(void **state)
{
    (void)state;
    static const char verifier[] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; /* RFC 7636, appendix B */
    const struct slice challenge = SLICE("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    struct error error = {0};
    struct auth_session session = people_join(people.auth, "shell@example.com");
    struct identity identity;
    AUTO_JSON cJSON *made = NULL, *list = NULL;
    char code[64], second[64], token[96] = "";
    assert_int_equal(auth_approval_new(people.auth, &session.identity, challenge, "cli", 60, code, &error),
                     -ERROR_FORBIDDEN); /* signed in by link: first a password */
    assert_int_equal(auth_password_set(people.auth, &session.identity, SLICE(""), SLICE("correct horse"), &error), 0);
    assert_true(people_identify(people.auth, session.secret, "", "", &identity));
    assert_int_equal(auth_approval_new(people.auth, &identity, SLICE("short"), "cli", 60, code, &error),
                     -ERROR_INVALID);
    assert_int_equal(auth_approval_new(people.auth, &identity, challenge, "a\nb", 60, code, &error), -ERROR_INVALID);
    assert_int_equal(auth_approval_new(people.auth, &identity, challenge, "cli", 0, code, &error), -ERROR_INVALID);
    assert_int_equal(auth_approval_new(people.auth, &identity, challenge, "cli on box", 60, code, &error), 0);
    assert_int_equal(
        auth_approval_redeem(people.auth, slice_of(code), slice_of(verifier), "192.0.2.7", token, &made, &error), 0);
    assert_string_equal(json_text(made, "name", NULL), "cli on box");
    struct identity by_token;
    assert_true(people_identify(people.auth, "", token, "", &by_token));
    assert_string_equal(by_token.email, "shell@example.com");
    assert_int_equal(auth_approval_new(people.auth, &by_token, challenge, "cli", 60, code, &error), -ERROR_FORBIDDEN);
    assert_int_equal(
        auth_approval_redeem(people.auth, slice_of(code), slice_of(verifier), "192.0.2.7", token, NULL, &error),
        -ERROR_GONE);
    /* Shown with another verifier it is refused, and spent. */
    assert_int_equal(auth_approval_new(people.auth, &identity, challenge, "cli", 60, code, &error), 0);
    assert_int_equal(auth_approval_redeem(people.auth, slice_of(code),
                                          SLICE("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "192.0.2.7", token,
                                          NULL, &error),
                     -ERROR_GONE);
    assert_int_equal(
        auth_approval_redeem(people.auth, slice_of(code), slice_of(verifier), "192.0.2.7", token, NULL, &error),
        -ERROR_GONE);
    /* Two minutes later it has expired; and it ends with the session that approved it. */
    assert_int_equal(auth_approval_new(people.auth, &identity, challenge, "cli", 60, code, &error), 0);
    people_sql(&people, "UPDATE approvals SET expires_ms = expires_ms - 120001");
    assert_int_equal(
        auth_approval_redeem(people.auth, slice_of(code), slice_of(verifier), "192.0.2.7", token, NULL, &error),
        -ERROR_GONE);
    assert_int_equal(auth_approval_new(people.auth, &identity, challenge, "cli", 60, second, &error), 0);
    assert_int_equal(auth_sign_out(people.auth, &identity, &error), 0);
    assert_int_equal(
        auth_approval_redeem(people.auth, slice_of(second), slice_of(verifier), "192.0.2.7", token, NULL, &error),
        -ERROR_GONE);
    assert_int_equal(auth_token_list(people.auth, identity.user_id, &list, &error), 0);
    assert_int_equal(cJSON_GetArraySize(list), 1);
    /* Guessing is slowed down. */
    int failed = -ERROR_GONE;
    for (int i = 0; i < 200 && failed == -ERROR_GONE; i++)
        failed =
            auth_approval_redeem(people.auth, slice_of(second), slice_of(verifier), "192.0.2.8", token, NULL, &error);
    assert_int_equal(failed, -ERROR_LIMITED);
}

static void tokens_speak_until_they_end(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session owner = people_join(people.auth, "scripts@example.com");
    struct identity identity;
    char token[96], brief[96];
    int tokens = 1;
    AUTO_JSON cJSON *made = NULL;
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(auth_token_create(people.auth, "scripts@example.com", "laptop", 0, NULL, token, &made, &error), 0);
    assert_true(slice_starts(slice_of(token), "atl_"));
    assert_true(people_identify(people.auth, "", token, "", &identity));
    assert_int_equal(identity.kind, IDENTITY_TOKEN);
    assert_string_equal(identity.email, "scripts@example.com");
    assert_string_equal(identity.csrf, "");
    int64_t ends_ms = 0;
    for (int lasts_s = 1; !ends_ms;
         lasts_s *= 2, tokens++) { /* longer, where one second has gone by before it is used */
        int64_t begun_ms = clock_wall_ms();
        assert_int_equal(
            auth_token_create(people.auth, "scripts@example.com", "brief", lasts_s, NULL, brief, NULL, &error), 0);
        int64_t made_ms = clock_wall_ms();
        if (people_identify(people.auth, "", brief, "", &identity))
            ends_ms = made_ms + lasts_s * 1000;
        else
            assert_true(clock_wall_ms() >= begun_ms + lasts_s * 1000);
    }
    for (int64_t asked_ms = clock_wall_ms(); people_identify(people.auth, "", brief, "", &identity);
         asked_ms = clock_wall_ms()) {
        assert_true(asked_ms < ends_ms);
        clock_sleep_ms(5);
    }
    assert_int_equal(auth_token_list(people.auth, owner.identity.user_id, &list, &error), 0);
    assert_int_equal(cJSON_GetArraySize(list), tokens);
    AUTO_FREE char *text = json_print(list);
    assert_null(strstr(text, token + 4));
    int64_t id = 0;
    assert_true(json_i64(json_member(made, "id"), &id));
    assert_int_equal(auth_token_delete(people.auth, 999999, id, &error), -ERROR_NOT_FOUND);
    assert_true(people_identify(people.auth, "", token, "", &identity));
    assert_int_equal(auth_token_delete(people.auth, owner.identity.user_id, id, &error), 0);
    assert_false(people_identify(people.auth, "", token, "", &identity));
    assert_int_equal(auth_token_create(people.auth, "nobody@example.com", "x", 0, NULL, token, NULL, &error),
                     -ERROR_NOT_FOUND);
    assert_int_equal(auth_token_create(people.auth, "scripts@example.com", "", 0, NULL, token, NULL, &error),
                     -ERROR_INVALID);
    assert_int_equal(auth_token_create(people.auth, "scripts@example.com", "a\nb", 0, NULL, token, NULL, &error),
                     -ERROR_INVALID);
    assert_int_equal(auth_token_create(people.auth, "scripts@example.com", "x", -5, NULL, token, NULL, &error),
                     -ERROR_INVALID);
}

static bool opens(struct auth *auth, const char *token, const char *service, const char *path)
{
    struct identity identity;
    const struct access access = {.namespace = "served",
                                  .kind = "RayCluster",
                                  .name = "rc1",
                                  .verb = VERB_CONNECT,
                                  .uid = "uid-rc1",
                                  .service_uid = service,
                                  .path = path};
    if (!people_identify(auth, "", token, "", &identity))
        return false;
    assert_int_equal(identity.kind, IDENTITY_APPLICATION);
    const struct policy *policy = policy_take(auth);
    bool allowed = policy_decide(policy, &identity, &access).allowed;
    policy_release(policy);
    return allowed;
}

static void make_for(const char *kind, const char *name, char ret_token[96])
{
    struct error error = {0};
    AUTO_FREE char *uid = memory_format("uid-%s", name);
    const struct token_application application = {"served", kind, name, "/app", uid};
    if (auth_token_create(people.auth, "maker@example.com", name, 0, &application, ret_token, NULL, &error) != 0)
        fail_msg("%s: %s", name, error.message);
}

static void a_token_of_an_application_goes_with_what_it_opens(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth *auth = people.auth;
    char service[96], cluster[96], other[96];
    AUTO_JSON cJSON *grant = NULL, *list = NULL, *none = NULL;
    struct auth_session keeper = people_join(auth, "keeper@example.com"),
                        maker = people_join(auth, "maker@example.com");
    assert_int_equal(auth_profile_claim(auth, "served", "keeper@example.com", false, &error), 0);
    assert_int_equal(auth_grant_add(auth, "served", "User", "maker@example.com", ROLE_ADMIN, NULL, NULL, 0,
                                    &keeper.identity, &grant, &error),
                     0);
    make_for("RayService", "shop", service);
    make_for("RayCluster", "rc1", cluster);
    make_for("RayService", "other", other);
    assert_true(opens(auth, service, "uid-shop", "/app/x"));
    assert_false(opens(auth, service, "uid-shop", "/x"));
    assert_false(opens(auth, service, "uid-other", "/app"));
    assert_true(opens(auth, cluster, NULL, "/app"));
    assert_false(opens(auth, service, "shop", "/app")); /* another one of that name */
    assert_int_equal(auth_token_list_of(auth, "served", &list, &error), 0);
    assert_int_equal(cJSON_GetArraySize(list), 3);
    const cJSON *last = cJSON_GetArrayItem(list, 2);
    assert_string_equal(json_text(last, "application", "namespace", NULL), "served");
    assert_string_equal(json_text(last, "application", "kind", NULL), "RayService");
    assert_string_equal(json_text(last, "application", "name", NULL), "shop");
    assert_string_equal(json_text(last, "application", "prefix", NULL), "/app");
    assert_int_equal(auth_token_list_of(auth, "nowhere", &none, &error), -ERROR_NOT_FOUND);
    int64_t id = -1;
    assert_true(json_i64(json_member(cJSON_GetArrayItem(list, 0), "id"), &id));
    assert_int_equal(auth_token_delete_of(auth, "shared", id, &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_token_delete_of(auth, "served", id, &error), 0);
    assert_false(opens(auth, other, "uid-other", "/app"));
    /* As long as its maker may: a viewer does not change anything, and a stranger sees nothing. */
    assert_true(json_i64(json_member(grant, "id"), &id));
    assert_int_equal(auth_grant_update(auth, "served", id, ROLE_VIEWER, 0, NULL, &error), 0);
    assert_false(opens(auth, service, "uid-shop", "/app"));
    assert_int_equal(auth_grant_update(auth, "served", id, ROLE_EDITOR, 0, NULL, &error), 0);
    assert_true(opens(auth, service, "uid-shop", "/app"));
    /* What is made anew by that name is another thing. */
    assert_int_equal(auth_grant_forget(auth, "served", "RayCluster", "shop", &error), 0);
    assert_true(opens(auth, service, "uid-shop", "/app"));
    assert_int_equal(auth_grant_forget(auth, "served", "RayService", "shop", &error), 0);
    assert_false(opens(auth, service, "uid-shop", "/app"));
    assert_true(opens(auth, cluster, NULL, "/app"));
    assert_int_equal(auth_profile_release(auth, "served", &error), 0);
    assert_int_equal(auth_profile_claim(auth, "served", "maker@example.com", true, &error), 0);
    assert_false(opens(auth, cluster, NULL, "/app"));
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM tokens WHERE application_kind IS NOT NULL"), 0);
    assert_int_equal(auth_profile_release(auth, "served", &error), 0);
    (void)maker;
}

static void bad_applications_name_the_field(void **state)
{
    (void)state;
    static const struct {
        struct token_application application;
        const char *field;
    } rows[] = {
        {{"Served", "RayCluster", "rc", "/", "u"}, "application.namespace"},
        {{"", "RayCluster", "rc", "/", "u"}, "application.namespace"},
        {{"served", "Notebook", "nb1", "/", "u"}, "application.kind"},
        {{"served", "rayservice", "rc", "/", "u"}, "application.kind"},
        {{"served", "RayService", "../rc", "/", "u"}, "application.name"},
        {{"served", "RayService", "rc", "", "u"}, "application.prefix"},
        {{"served", "RayService", "rc", "app", "u"}, "application.prefix"},
        {{"served", "RayService", "rc", "/app/", "u"}, "application.prefix"},
        {{"served", "RayService", "rc", "/a/../b", "u"}, "application.prefix"},
        {{"served", "RayService", "rc", "/a%2fb", "u"}, "application.prefix"},
        {{"served", "RayService", "rc", "/a, /b", "u"}, "application.prefix"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error = {0};
        char token[96];
        assert_int_equal(
            auth_token_create(people.auth, "scripts@example.com", "x", 0, &rows[i].application, token, NULL, &error),
            -ERROR_INVALID);
        if (strcmp(error.field, rows[i].field) != 0)
            fail_msg("row %zu names %s", i, error.field);
    }
}

static void disabling_and_deleting_revoke(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session session = people_join(people.auth, "goes@example.com");
    struct identity identity;
    char token[96], code[64];
    assert_int_equal(auth_user_create(people.auth, "Goes@Example.com", false, code, NULL, &error), -ERROR_EXISTS);
    assert_int_equal(auth_token_create(people.auth, "goes@example.com", "t", 0, NULL, token, NULL, &error), 0);
    assert_int_equal(auth_user_disable(people.auth, "goes@example.com", true, &error), 0);
    assert_false(people_cookie(people.auth, session.secret));
    assert_false(people_identify(people.auth, "", token, "", &identity));
    assert_int_equal(auth_user_reset_link(people.auth, "goes@example.com", code, &error), -ERROR_CONFLICT);
    assert_int_equal(auth_user_disable(people.auth, "goes@example.com", false, &error), 0);
    assert_false(people_cookie(people.auth, session.secret)); /* the cookie of before stays dead */
    assert_true(people_identify(people.auth, "", token, "", &identity));
    assert_int_equal(auth_profile_claim(people.auth, "goes", "goes@example.com", false, &error), 0);
    assert_int_equal(auth_user_delete(people.auth, "goes@example.com", &error), -ERROR_CONFLICT);
    assert_non_null(strstr(error.message, "goes"));
    assert_int_equal(auth_profile_release(people.auth, "goes", &error), 0);
    assert_int_equal(auth_user_delete(people.auth, "goes@example.com", &error), 0);
    assert_false(people_identify(people.auth, "", token, "", &identity));
    assert_int_equal(auth_user_delete(people.auth, "goes@example.com", &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_user_disable(people.auth, "root@example.com", true, &error), -ERROR_CONFLICT);
    assert_int_equal(auth_user_delete(people.auth, "root@example.com", &error), -ERROR_CONFLICT);
}

static void profiles_have_one_owner(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session ann = people_join(people.auth, "ann@example.com"),
                        ben = people_join(people.auth, "ben@example.com");
    assert_int_equal(auth_profile_claim(people.auth, "p-one", "ann@example.com", false, &error), 0);
    assert_int_equal(auth_profile_claim(people.auth, "p-one", "ben@example.com", false, &error), -ERROR_EXISTS);
    assert_int_equal(auth_profile_claim(people.auth, "p-one", "ann@example.com", false, &error), -ERROR_EXISTS);
    assert_int_equal(auth_profile_claim(people.auth, "p-two", "ann@example.com", false, &error), 0);
    assert_int_equal(auth_profile_claim(people.auth, "p-three", "ann@example.com", false, &error), -ERROR_FORBIDDEN);
    assert_int_equal(auth_profile_claim(people.auth, "p-three", "ann@example.com", true, &error), 0);
    assert_int_equal(auth_profile_claim(people.auth, "P_bad", "ann@example.com", true, &error), -ERROR_INVALID);
    assert_int_equal(auth_profile_claim(people.auth, "p-four", "nobody@example.com", true, &error), -ERROR_INVALID);
    assert_true(people_decide(people.auth, &ann.identity, "p-one", NULL, NULL, VERB_TRANSFER).allowed);
    assert_int_equal(auth_profile_transfer(people.auth, "p-one", "ben@example.com", &error), 0);
    assert_false(people_decide(people.auth, &ann.identity, "p-one", NULL, NULL, VERB_TRANSFER).allowed);
    assert_true(people_decide(people.auth, &ann.identity, "p-one", NULL, NULL, VERB_MEMBERS_WRITE).allowed);
    assert_true(people_decide(people.auth, &ben.identity, "p-one", NULL, NULL, VERB_TRANSFER).allowed);
    assert_int_equal(auth_profile_transfer(people.auth, "p-none", "ben@example.com", &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_profile_release(people.auth, "p-one", &error), 0);
    assert_false(people_decide(people.auth, &ann.identity, "p-one", NULL, NULL, VERB_MEMBERS_READ).visible);
    assert_int_equal(auth_profile_claim(people.auth, "p-one", "ben@example.com", false, &error), 0);
    assert_false(people_decide(people.auth, &ann.identity, "p-one", NULL, NULL, VERB_MEMBERS_READ).visible);
}

static int64_t id_of(const cJSON *object)
{
    int64_t id = -1;
    assert_true(json_i64(json_member(object, "id"), &id));
    return id;
}

static void sharing_comes_and_goes(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session owner = people_join(people.auth, "owner@example.com");
    struct auth_session guest = people_join(people.auth, "guest@example.com");
    struct auth *auth = people.auth;
    AUTO_JSON cJSON *first = NULL;
    AUTO_JSON cJSON *again = NULL;
    AUTO_JSON cJSON *pending = NULL;
    AUTO_JSON cJSON *one = NULL;
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(auth_profile_claim(auth, "shared", "owner@example.com", false, &error), 0);
    assert_false(people_decide(auth, &guest.identity, "shared", "Notebook", NULL, VERB_LIST).visible);
    assert_int_equal(auth_grant_add(auth, "shared", "User", "Guest@Example.com", ROLE_EDITOR, NULL, NULL, 0,
                                    &owner.identity, &first, &error),
                     0);
    assert_true(people_decide(auth, &guest.identity, "shared", "Notebook", NULL, VERB_CREATE).allowed);
    assert_string_equal(json_text(first, "state", NULL), "active");
    assert_int_equal(auth_grant_add(auth, "shared", "User", "guest@example.com", ROLE_VIEWER, NULL, NULL, 0,
                                    &owner.identity, &again, &error),
                     0);
    assert_int_equal(id_of(first), id_of(again)); /* the same subject and resource: replaced */
    assert_false(people_decide(auth, &guest.identity, "shared", "Notebook", NULL, VERB_CREATE).allowed);
    assert_int_equal(auth_grant_add(auth, "shared", "User", "later@example.com", ROLE_EDITOR, "Notebook", "nb1", 0,
                                    &owner.identity, &pending, &error),
                     0);
    assert_string_equal(json_text(pending, "state", NULL), "pending");
    struct auth_session later = people_join(auth, "later@example.com");
    assert_true(people_decide(auth, &later.identity, "shared", "Notebook", "nb1", VERB_CONNECT).allowed);
    assert_false(people_decide(auth, &later.identity, "shared", "Notebook", "nb2", VERB_GET).visible);
    assert_int_equal(auth_grant_list(auth, "shared", &list, &error), 0);
    assert_int_equal(cJSON_GetArraySize(list), 3);
    assert_string_equal(json_text(cJSON_GetArrayItem(list, 0), "role", NULL), "owner");
    assert_int_equal(id_of(cJSON_GetArrayItem(list, 0)), 0);
    assert_string_equal(json_text(cJSON_GetArrayItem(list, 2), "state", NULL), "active");
    assert_string_equal(json_text(cJSON_GetArrayItem(list, 2), "resource", "name", NULL), "nb1");

    assert_int_equal(auth_grant_update(auth, "other", id_of(first), ROLE_ADMIN, 0, &one, &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_grant_update(auth, "shared", 0, ROLE_VIEWER, 0, &one, &error), -ERROR_FORBIDDEN);
    assert_int_equal(auth_grant_update(auth, "shared", id_of(first), ROLE_OWNER, 0, &one, &error), -ERROR_INVALID);
    assert_int_equal(auth_grant_update(auth, "shared", id_of(first), ROLE_EDITOR, 1, &one, &error), -ERROR_INVALID);
    assert_int_equal(auth_grant_update(auth, "shared", id_of(first), ROLE_ADMIN, 0, &one, &error), 0);
    assert_true(people_decide(auth, &guest.identity, "shared", NULL, NULL, VERB_MEMBERS_WRITE).allowed);
    assert_int_equal(auth_grant_remove(auth, "shared", 0, &error), -ERROR_FORBIDDEN);
    assert_int_equal(auth_grant_remove(auth, "other", id_of(first), &error), -ERROR_NOT_FOUND);
    assert_int_equal(auth_grant_remove(auth, "shared", id_of(first), &error), 0);
    assert_false(people_decide(auth, &guest.identity, "shared", "Notebook", NULL, VERB_LIST).visible);
    assert_int_equal(auth_grant_forget(auth, "shared", "Notebook", "nb1", &error), 0);
    assert_false(people_decide(auth, &later.identity, "shared", "Notebook", "nb1", VERB_GET).visible);
}

static void bad_grants_name_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *subject_kind, *subject;
        enum role role;
        const char *kind, *name;
        int64_t expires_ms;
        const char *field;
    } rows[] = {
        {"User", "a@x@example.com", ROLE_EDITOR, NULL, NULL, 0, "subject.name"},
        {"Robot", "x", ROLE_EDITOR, NULL, NULL, 0, "subject.kind"},
        {"Group", "", ROLE_EDITOR, NULL, NULL, 0, "subject.name"},
        {"Group", "a b", ROLE_EDITOR, NULL, NULL, 0, "subject.name"},
        {"User", "x@example.com", ROLE_OWNER, NULL, NULL, 0, "role"},
        {"User", "x@example.com", ROLE_NONE, NULL, NULL, 0, "role"},
        {"User", "x@example.com", ROLE_EDITOR, "Secret", "s", 0, "resource.kind"},
        {"User", "x@example.com", ROLE_EDITOR, NULL, "s", 0, "resource.kind"},
        {"User", "x@example.com", ROLE_EDITOR, "Notebook", NULL, 0, "resource.name"},
        {"User", "x@example.com", ROLE_EDITOR, "Notebook", "../x", 0, "resource.name"},
        {"User", "x@example.com", ROLE_EDITOR, NULL, NULL, 1000, "expiresAt"},
        {"User", "owner@example.com", ROLE_EDITOR, NULL, NULL, 0, "subject.name"},
    };
    const struct identity by = {.kind = IDENTITY_LOCAL};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *made = NULL;
        assert_int_equal(auth_grant_add(people.auth, "shared", rows[i].subject_kind, rows[i].subject, rows[i].role,
                                        rows[i].kind, rows[i].name, rows[i].expires_ms, &by, &made, &error),
                         -ERROR_INVALID);
        assert_string_equal(error.field, rows[i].field);
        assert_null(made);
    }
    struct error error = {0};
    assert_int_equal(auth_grant_add(people.auth, "nonexistent", "User", "x@example.com", ROLE_EDITOR, NULL, NULL, 0,
                                    &by, NULL, &error),
                     -ERROR_NOT_FOUND);
}

static void groups_are_honoured(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session member = people_join(people.auth, "member@example.com");
    const struct identity by = {.kind = IDENTITY_LOCAL};
    assert_int_equal(
        auth_grant_add(people.auth, "shared", "Group", "data-team", ROLE_EDITOR, NULL, NULL, 0, &by, NULL, &error), 0);
    assert_false(people_decide(people.auth, &member.identity, "shared", "Notebook", NULL, VERB_LIST).visible);
    people_sql(&people, "WITH g AS (INSERT INTO groups(name, created_ms) VALUES ('data-team', 1) RETURNING id)"
                        " INSERT INTO group_members SELECT id, 'member@example.com' FROM g");
    assert_int_equal(auth_refresh(people.auth, &error), 0);
    assert_true(people_decide(people.auth, &member.identity, "shared", "Notebook", NULL, VERB_CREATE).allowed);
    people_sql(&people, "DELETE FROM group_members");
    assert_int_equal(auth_refresh(people.auth, &error), 0);
    assert_false(people_decide(people.auth, &member.identity, "shared", "Notebook", NULL, VERB_LIST).visible);
}

/* Whoever gets a freed e-mail address next starts with nothing. */
static void a_deleted_account_leaves_no_grants(void **state)
{
    (void)state;
    struct error error = {0};
    const struct identity by = {.kind = IDENTITY_LOCAL};
    people_join(people.auth, "reused@example.com");
    assert_int_equal(auth_grant_add(people.auth, "shared", "User", "reused@example.com", ROLE_ADMIN, NULL, NULL, 0, &by,
                                    NULL, &error),
                     0);
    if (auth_user_delete(people.auth, "reused@example.com", &error) != 0)
        fail_msg("%s", error.message);
    struct auth_session next = people_join(people.auth, "reused@example.com");
    assert_false(people_decide(people.auth, &next.identity, "shared", "Notebook", NULL, VERB_LIST).visible);
}

static void audit_survives_an_outage(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *list = NULL;
    for (int i = 0; i < 600; i++) {
        char detail[32];
        snprintf(detail, sizeof(detail), "entry %d", i);
        audit_add(people.auth, &(struct audit_entry){.actor = "alice@example.com",
                                                     .action = "test",
                                                     .namespace = "audited",
                                                     .outcome = "allowed",
                                                     .detail = detail,
                                                     .name = i == 599 ? "bad\x1b[31m\xff\ntext" : NULL});
        if (i == 200)
            postgres_kill();
        if (i == 400)
            postgres_start();
    }
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    assert_int_equal(store_wait(people.store, PATIENCE_MS, &error), 0);
    while (people_number(&people, "SELECT count(*) AS n FROM audit WHERE namespace = 'audited'") < 600 &&
           clock_monotonic_ms() < deadline_ms)
        clock_sleep_ms(20);
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM audit WHERE namespace = 'audited'"), 600);
    assert_int_equal(
        people_number(&people, "SELECT count(DISTINCT detail) AS n FROM audit WHERE namespace = 'audited'"), 600);
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM (SELECT detail, lag(detail) OVER (ORDER BY id) p"
                                            " FROM audit WHERE namespace = 'audited') x WHERE p IS NOT NULL AND"
                                            " substr(detail, 7)::int <> substr(p, 7)::int + 1"),
                     0); /* in order */
    assert_int_equal(audit_list(people.auth, "audited", 0, 100, &list, &error), 0);
    assert_int_equal(cJSON_GetArraySize(list), 100);
    assert_string_equal(json_text(list->child, "name", NULL), "bad\\x1b[31m\\xff\\x0atext");
    AUTO_JSON cJSON *before = NULL;
    assert_int_equal(audit_list(people.auth, NULL, id_of(cJSON_GetArrayItem(list, 99)), 1, &before, &error), 0);
    assert_string_equal(json_text(before->child, "detail", NULL), "entry 499");
}

/* Every text in every table is searched for what was handed out in this test. */
static void no_secret_is_stored(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session session = people_join(people.auth, "secrets@example.com");
    char token[96], link[64], handoff[64], approval[64], sql[512];
    assert_int_equal(auth_token_create(people.auth, "secrets@example.com", "t", 0, NULL, token, NULL, &error), 0);
    assert_int_equal(auth_user_reset_link(people.auth, "secrets@example.com", link, &error), 0);
    assert_int_equal(
        auth_handoff_new(people.auth, &session.identity, "notebook-a--b", "b", "Notebook", "a", handoff, &error), 0);
    assert_int_equal(auth_password_set(people.auth, &session.identity, SLICE(""), SLICE("plain password"), &error), 0);
    session.identity.must_set_password = false;
    assert_int_equal(auth_approval_new(people.auth, &session.identity,
                                       SLICE("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "t", 60, approval, &error),
                     0);
    const char *const secrets[] = {session.secret, session.identity.csrf, token + 4, link, handoff,
                                   approval,       "plain password"};
    static const char *const tables[] = {"users",    "sessions", "tokens", "links", "approvals",
                                         "handoffs", "settings", "audit",  "grants"};
    for (size_t s = 0; s < COUNT_OF(secrets); s++)
        for (size_t t = 0; t < COUNT_OF(tables); t++) {
            snprintf(sql, sizeof(sql), "SELECT count(*) AS n FROM %s x WHERE position('%s' IN x::text) > 0", tables[t],
                     secrets[s]);
            assert_int_equal(people_number(&people, sql), 0);
        }
}

static void the_database_away_is_unavailable(void **state)
{
    (void)state;
    struct error error = {0};
    struct auth_session session = people_join(people.auth, "offline@example.com"), none = {0};
    char code[64];
    postgres_kill();
    int64_t before_ms = clock_monotonic_ms();
    assert_int_equal(sign_in("root@example.com", "correct horse", &none, &error), -ERROR_UNAVAILABLE);
    assert_int_equal(auth_sign_out(people.auth, &session.identity, &error), -ERROR_UNAVAILABLE);
    assert_int_equal(auth_user_create(people.auth, "new@example.com", false, code, NULL, &error), -ERROR_UNAVAILABLE);
    assert_true(clock_monotonic_ms() - before_ms < 5000);    /* not as long as each may take */
    assert_true(people_cookie(people.auth, session.secret)); /* who is in stays in */
    postgres_start();
    assert_int_equal(store_wait(people.store, PATIENCE_MS, &error), 0);
    assert_int_equal(auth_sign_out(people.auth, &session.identity, &error), 0);
    assert_false(people_cookie(people.auth, session.secret));
}

static int setup(void **state)
{
    (void)state;
    people = people_new("auth");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    people_free(&people);
    return 0;
}

static void old_audit_entries_go_in_portions(void **state)
{
    (void)state;
    struct error error = {0};
    int64_t count = -1;
    people_sql(&people, "DELETE FROM audit");
    people_sql(&people, "INSERT INTO audit(uid, at_ms) SELECT 'aged-' || i, i FROM generate_series(1, 5) AS i");
    people_sql(&people, "INSERT INTO audit(uid, at_ms) VALUES ('fresh', extract(epoch FROM now()) * 1000)");
    assert_int_equal(audit_expire(people.auth, 86400, 3, &count, &error), 0);
    assert_int_equal(count, 3);
    assert_int_equal(audit_expire(people.auth, 86400, 3, &count, &error), 0);
    assert_int_equal(count, 2);
    assert_int_equal(audit_expire(people.auth, 86400, 3, &count, &error), 0);
    assert_int_equal(count, 0);
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM audit WHERE uid = 'fresh'"), 1);
    assert_int_equal(people_number(&people, "SELECT count(*) AS n FROM audit WHERE uid LIKE 'aged-%'"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_link_works_once),
        cmocka_unit_test(passwords_are_checked_alike),
        cmocka_unit_test(wrong_passwords_are_limited),
        cmocka_unit_test(a_password_change_ends_the_others),
        cmocka_unit_test(a_reset_locks_out_whoever_was_in),
        cmocka_unit_test(a_link_used_by_many_at_once_opens_once),
        cmocka_unit_test(signing_out_is_at_once),
        cmocka_unit_test(a_handoff_opens_one_host_once),
        cmocka_unit_test(a_browser_lets_a_command_line_in_once),
        cmocka_unit_test(tokens_speak_until_they_end),
        cmocka_unit_test(a_token_of_an_application_goes_with_what_it_opens),
        cmocka_unit_test(bad_applications_name_the_field),
        cmocka_unit_test(disabling_and_deleting_revoke),
        cmocka_unit_test(profiles_have_one_owner),
        cmocka_unit_test(sharing_comes_and_goes),
        cmocka_unit_test(bad_grants_name_the_field),
        cmocka_unit_test(groups_are_honoured),
        cmocka_unit_test(a_deleted_account_leaves_no_grants),
        cmocka_unit_test(audit_survives_an_outage),
        cmocka_unit_test(no_secret_is_stored),
        cmocka_unit_test(old_audit_entries_go_in_portions), /* after the search for secrets in them */
        cmocka_unit_test(the_database_away_is_unavailable),
    };
    return cmocka_run_group_tests_name("integration/auth", tests, setup, teardown);
}
