/* Which API tokens may speak for whom? */
#include "auth/internal.h"

#include "base/clock.h"

#define TOKEN_COLUMNS                                                                                                  \
    "t.id, t.name, u.email, t.created_ms, t.expires_ms, t.last_used_ms, t.application_namespace, t.application_kind,"  \
    " t.application_name, t.application_prefix"

static void add_application(cJSON *token, const PGresult *rows, int i)
{
    static const char *const members[][2] = {{"namespace", "application_namespace"},
                                             {"kind", "application_kind"},
                                             {"name", "application_name"},
                                             {"prefix", "application_prefix"}};
    if (!store_text(rows, i, "application_namespace"))
        return;
    cJSON *application = json_set(token, "application", json_object());
    for (size_t m = 0; m < COUNT_OF(members); m++)
        json_set_text(application, members[m][0], store_text(rows, i, members[m][1]));
}

static cJSON *token_json(const PGresult *rows, int i)
{
    cJSON *token = json_object();
    json_set_i64(token, "id", store_number(rows, i, "id"));
    json_set_text(token, "name", store_text(rows, i, "name"));
    json_set_text(token, "email", store_text(rows, i, "email"));
    json_set_time(token, "createdAt", store_number(rows, i, "created_ms"));
    json_set_time(token, "expiresAt", store_number(rows, i, "expires_ms"));
    json_set_time(token, "lastUsedAt", store_number(rows, i, "last_used_ms"));
    add_application(token, rows, i);
    return token;
}

int token_check(const char *name, int64_t ttl_s, struct error *error)
{
    struct slice text = slice_of(name);
    bool printable = text.n >= 1 && text.n <= TOKEN_NAME_MAX && text_is_utf8(text);
    for (size_t i = 0; i < text.n; i++)
        printable = printable && (unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f;
    if (!printable)
        return error_set(error, ERROR_INVALID, "name", "expected 1 to %d printable characters", TOKEN_NAME_MAX);
    if (ttl_s < 0 || ttl_s > TOKEN_TTL_MAX_S)
        return error_set(error, ERROR_INVALID, "expiresAt", "expected a time in the future, at most ten years away");
    return 0;
}

int auth_token_check_application(const struct token_application *application, struct error *error)
{
    bool known = strcmp(application->kind, "RayCluster") == 0 || strcmp(application->kind, "RayService") == 0;
    if (!name_is_label(slice_of(application->namespace)))
        return error_set(error, ERROR_INVALID, "application.namespace", "expected the name of a profile");
    if (!known)
        return error_set(error, ERROR_INVALID, "application.kind", "expected \"RayCluster\" or \"RayService\"");
    if (!name_is_label(slice_of(application->name)))
        return error_set(error, ERROR_INVALID, "application.name", "expected the name of one %s", application->kind);
    if (!prefix_is_good(slice_of(application->prefix)))
        return error_set(error, ERROR_INVALID, "application.prefix",
                         "expected a prefix of paths such as \"/mnist\", or \"/\" for everything that Serve answers: "
                         "letters, digits and \"-._~/\", at most %d bytes, with no '/' at the end",
                         PREFIX_MAX);
    return 0;
}

/* The user for whom one more token may be made. */
static int find_user(struct store_connection *c, const char *email, int64_t *ret_id, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "token_user",
                             "SELECT id, (SELECT count(*) FROM tokens WHERE user_id = u.id) AS tokens FROM users u"
                             " WHERE email = $1 AND NOT disabled",
                             &rows, error, STORE_TEXT(email));
    if (!failed && PQntuples(rows) != 1)
        return error_set(error, ERROR_NOT_FOUND, "email", "there is no enabled account with this e-mail address");
    if (!failed && store_number(rows, 0, "tokens") >= TOKENS_PER_USER)
        return error_set(error, ERROR_FORBIDDEN, NULL, "there are %d tokens already; delete some first",
                         TOKENS_PER_USER);
    if (!failed)
        *ret_id = store_number(rows, 0, "id");
    return failed;
}

int token_add(struct store_connection *c, const char *email, const char *name, int64_t ttl_s,
              const struct token_application *application, char ret_token[96], cJSON **ret, struct error *error)
{
    static const struct token_application everything = {0};
    AUTO_RESULT PGresult *made = NULL;
    char secret[SECRET_SIZE], token[SECRET_SIZE + sizeof(TOKEN_PREFIX)], hash[SHA256_HEX_SIZE];
    int64_t user_id = 0, now_ms = clock_wall_ms();
    int failed = find_user(c, email, &user_id, error);
    if (failed)
        return failed;
    secret_new(secret);
    snprintf(token, sizeof(token), TOKEN_PREFIX "%s", secret);
    digest_sha256_hex(slice_of(token), hash);
    if (!application)
        application = &everything;
    failed =
        store_run_v(c, "token_insert",
                    "WITH t AS (INSERT INTO tokens(user_id, name, secret_sha256, created_ms, expires_ms,"
                    " application_namespace, application_kind, application_name, application_uid, application_prefix)"
                    " VALUES ($1::bigint, $2, $3, $4::bigint, $5::bigint, $6, $7, $8, $9, $10) RETURNING *)"
                    " SELECT " TOKEN_COLUMNS " FROM t JOIN users u ON u.id = t.user_id",
                    &made, error, STORE_I64(user_id), STORE_TEXT(name), STORE_TEXT(hash), STORE_I64(now_ms),
                    ttl_s ? STORE_I64(now_ms + ttl_s * 1000) : STORE_NULL, STORE_TEXT(application->namespace),
                    STORE_TEXT(application->kind), STORE_TEXT(application->name), STORE_TEXT(application->uid),
                    STORE_TEXT(application->prefix));
    if (!failed) {
        memcpy(ret_token, token, sizeof(token));
        if (ret)
            *ret = token_json(made, 0);
    }
    memory_wipe(secret, sizeof(secret));
    memory_wipe(token, sizeof(token));
    return failed;
}

int auth_token_create(struct auth *auth, const char *email, const char *name, int64_t ttl_s,
                      const struct token_application *application, char ret_token[96], cJSON **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_JSON cJSON *made = NULL;
    char address[EMAIL_MAX + 1], token[96];
    int failed = auth_email_check(slice_of(email), address, error);
    if (!failed)
        failed = token_check(name, ttl_s, error);
    if (!failed && application)
        failed = auth_token_check_application(application, error);
    if (!failed)
        failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = token_add(c, address, name, ttl_s, application, token, &made, error);
    if (!failed)
        failed = policy_commit(auth, &c, COMMIT_GRANTS, error);
    if (!failed) {
        memcpy(ret_token, token, sizeof(token));
        if (ret)
            *ret = TAKE_POINTER(made);
    }
    memory_wipe(token, sizeof(token));
    return failed;
}

void auth_token_named(int64_t id, const char *token, char ret[96])
{
    snprintf(ret, 96, TOKEN_NAME "%lld:%.*s", (long long)id, SECRET_LENGTH, token + sizeof(TOKEN_PREFIX) - 1);
}

/* <profile> NULL: of any, and of none. */
static int list_tokens(struct auth *auth, int64_t user_id, const char *profile, cJSON **ret_array, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "token_list",
                             "SELECT " TOKEN_COLUMNS " FROM tokens t JOIN users u ON u.id = t.user_id"
                             " WHERE ($1::bigint = 0 OR t.user_id = $1::bigint)"
                             " AND ($2::text IS NULL OR t.application_namespace = $2) ORDER BY t.id DESC LIMIT 10000",
                             &rows, error, STORE_I64(user_id), STORE_TEXT(profile));
    if (failed)
        return failed;
    *ret_array = json_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_push(*ret_array, token_json(rows, i));
    return 0;
}

int auth_token_list(struct auth *auth, int64_t user_id, cJSON **ret_array, struct error *error)
{
    return list_tokens(auth, user_id, NULL, ret_array, error);
}

/* As its members are listed: there is none of a profile that nobody owns. */
static int check_profile(struct auth *auth, const char *profile, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "token_profile", "SELECT 1 FROM profiles_owners WHERE profile = $1", &rows, error,
                             STORE_TEXT(profile));
    return failed || PQntuples(rows) == 1 ? failed : error_set(error, ERROR_NOT_FOUND, NULL, "no such profile");
}

int auth_token_list_of(struct auth *auth, const char *profile, cJSON **ret_array, struct error *error)
{
    int failed = check_profile(auth, profile, error);
    return failed ? failed : list_tokens(auth, 0, profile, ret_array, error);
}

static int delete_token(struct auth *auth, int64_t user_id, const char *profile, int64_t id, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "token_delete",
                             "DELETE FROM tokens WHERE id = $2::bigint AND ($1::bigint = 0 OR user_id = $1::bigint)"
                             " AND ($3::text IS NULL OR application_namespace = $3) RETURNING id",
                             &rows, error, STORE_I64(user_id), STORE_I64(id), STORE_TEXT(profile));
    if (!failed && PQntuples(rows) == 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such token");
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}

int auth_token_delete(struct auth *auth, int64_t user_id, int64_t id, struct error *error)
{
    return delete_token(auth, user_id, NULL, id, error);
}

int auth_token_delete_of(struct auth *auth, const char *profile, int64_t id, struct error *error)
{
    return delete_token(auth, 0, profile, id, error);
}
