/* Which accounts are there? */
#include "auth/internal.h"

#include "base/clock.h"

void json_set_time(cJSON *object, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms <= 0) {
        json_set(object, key, cJSON_CreateNull());
        return;
    }
    clock_format(wall_ms, text);
    json_set_text(object, key, text);
}

#define USER_COLUMNS                                                                                                   \
    "id, email, platform_admin OR email = $1 AS admin, disabled, password IS NOT NULL AS has_password, created_ms,"    \
    " last_sign_in_ms"

static cJSON *user_json(const PGresult *rows, int i)
{
    cJSON *user = json_object();
    bool disabled = store_flag(rows, i, "disabled"), has_password = store_flag(rows, i, "has_password");
    json_set_i64(user, "id", store_number(rows, i, "id"));
    json_set_text(user, "email", store_text(rows, i, "email"));
    json_set_bool(user, "platformAdmin", store_flag(rows, i, "admin"));
    json_set_text(user, "state", disabled ? "disabled" : has_password ? "active" : "invited");
    json_set_time(user, "createdAt", store_number(rows, i, "created_ms"));
    json_set_time(user, "lastSignInAt", store_number(rows, i, "last_sign_in_ms"));
    return user;
}

static int insert(struct auth *auth, struct store_connection *c, const char *email, bool platform_admin, PGresult **ret,
                  struct error *error)
{
    AUTO_RESULT PGresult *count = NULL;
    int failed = store_run(c, "user_count", "SELECT count(*) AS n FROM users", NULL, 0, &count, error);
    if (!failed && store_number(count, 0, "n") >= USERS_MAX)
        return error_set(error, ERROR_FORBIDDEN, NULL, "there are %d accounts; more are not kept", USERS_MAX);
    if (!failed)
        failed = store_run_v(c, "user_insert",
                             "INSERT INTO users(email, platform_admin, created_ms) VALUES ($2, $3::boolean, $4::bigint)"
                             " RETURNING " USER_COLUMNS,
                             ret, error, STORE_TEXT(auth->admin_email), STORE_TEXT(email),
                             STORE_TEXT(platform_admin ? "t" : "f"), STORE_I64(clock_wall_ms()));
    if (failed == -ERROR_EXISTS)
        return error_set(error, ERROR_EXISTS, "email", "there is an account with this e-mail address already");
    return failed;
}

int auth_user_create(struct auth *auth, const char *email, bool platform_admin, char ret_link_code[64], cJSON **ret,
                     struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *made = NULL;
    char address[EMAIL_MAX + 1];
    int failed = auth_email_check(slice_of(email), address, error);
    if (!failed)
        failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = insert(auth, c, address, platform_admin, &made, error);
    if (!failed)
        failed = link_insert(c, store_number(made, 0, "id"), "invite", ret_link_code, error);
    if (!failed)
        failed = policy_commit(auth, &c, COMMIT_GRANTS, error);
    if (!failed && ret)
        *ret = user_json(made, 0);
    return failed;
}

/* The account with that e-mail, in a transaction that has its turn. */
static int find(struct store_connection *c, const char *email, int64_t *ret_id, bool *ret_disabled, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    char address[EMAIL_MAX + 1];
    int failed = auth_email_check(slice_of(email), address, error);
    if (!failed)
        failed = store_run_v(c, "user_find", "SELECT id, disabled FROM users WHERE email = $1", &rows, error,
                             STORE_TEXT(address));
    if (!failed && PQntuples(rows) != 1)
        return error_set(error, ERROR_NOT_FOUND, "email", "there is no account with this e-mail address");
    if (!failed) {
        *ret_id = store_number(rows, 0, "id");
        *ret_disabled = store_flag(rows, 0, "disabled");
    }
    return failed;
}

int auth_user_reset_link(struct auth *auth, const char *email, char ret_link_code[64], struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t id = 0;
    bool disabled = false;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = find(c, email, &id, &disabled, error);
    if (!failed && disabled)
        return error_set(error, ERROR_CONFLICT, "email", "this account is disabled; enable it first");
    if (!failed)
        failed = link_insert(c, id, "reset", ret_link_code, error);
    return failed ? failed : store_commit(c, error); /* links are no part of the snapshot */
}

int auth_user_list(struct auth *auth, cJSON **ret_array, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "user_list", "SELECT " USER_COLUMNS " FROM users ORDER BY email", &rows, error,
                             STORE_TEXT(auth->admin_email));
    if (failed)
        return failed;
    *ret_array = json_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_push(*ret_array, user_json(rows, i));
    return 0;
}

/* Somebody must be left who can let the others in again. */
static int keep_an_admin(struct auth *auth, struct store_connection *c, int64_t id, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "user_admins",
                             "SELECT (SELECT count(*) FROM users WHERE NOT disabled AND id <> $2::bigint"
                             " AND (platform_admin OR email = $1)) AS others",
                             &rows, error, STORE_TEXT(auth->admin_email), STORE_I64(id));
    if (!failed && store_number(rows, 0, "others") == 0)
        return error_set(error, ERROR_CONFLICT, "email", "this is the last platform administrator");
    return failed;
}

int auth_user_disable(struct auth *auth, const char *email, bool disabled, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t id = 0;
    bool was_disabled = false;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = find(c, email, &id, &was_disabled, error);
    if (!failed && disabled)
        failed = keep_an_admin(auth, c, id, error);
    if (!failed)
        failed = store_run_v(c, "user_disable", "UPDATE users SET disabled = $2::boolean WHERE id = $1::bigint", NULL,
                             error, STORE_I64(id), STORE_TEXT(disabled ? "t" : "f"));
    if (!failed && disabled) /* so that enabling the account revives no cookie of before */
        failed = store_run_v(c, "user_sessions", "DELETE FROM sessions WHERE user_id = $1::bigint", NULL, error,
                             STORE_I64(id));
    return failed ? failed : policy_commit(auth, &c, disabled ? COMMIT_REVOKES : COMMIT_GRANTS, error);
}

static int owns_nothing(struct store_connection *c, int64_t id, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed =
        store_run_v(c, "user_owned",
                    "SELECT string_agg(profile, ', ' ORDER BY profile) AS names FROM (SELECT profile"
                    " FROM profiles_owners WHERE owner_user_id = $1::bigint ORDER BY profile LIMIT 5) AS owned",
                    &rows, error, STORE_I64(id));
    if (!failed && store_text(rows, 0, "names"))
        return error_set(error, ERROR_CONFLICT, "email",
                         "this account owns profiles (%s); transfer or delete them first",
                         store_text(rows, 0, "names"));
    return failed;
}

/* What was granted to the e-mail goes too: whoever gets the address next starts with nothing. */
static int delete_all(struct store_connection *c, int64_t id, struct error *error)
{
    int failed = store_run_v(c, "user_grants",
                             "DELETE FROM grants WHERE subject_kind = 'User'"
                             " AND subject_name = (SELECT email FROM users WHERE id = $1::bigint)",
                             NULL, error, STORE_I64(id));
    if (!failed)
        failed = store_run_v(c, "user_groups",
                             "DELETE FROM group_members WHERE email = (SELECT email FROM users WHERE id = $1::bigint)",
                             NULL, error, STORE_I64(id));
    if (!failed)
        failed = store_run_v(c, "user_delete", "DELETE FROM users WHERE id = $1::bigint", NULL, error, STORE_I64(id));
    return failed;
}

int auth_user_delete(struct auth *auth, const char *email, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t id = 0;
    bool disabled = false;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = find(c, email, &id, &disabled, error);
    if (!failed)
        failed = keep_an_admin(auth, c, id, error);
    if (!failed)
        failed = owns_nothing(c, id, error);
    if (!failed)
        failed = delete_all(c, id, error);
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}
