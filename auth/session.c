/* How does a person sign in and out? */
#include "auth/internal.h"

#include "base/clock.h"

const char session_user_sql[] = "SELECT id, email, password, platform_admin, disabled FROM users WHERE id = $1::bigint";

static int wrong(struct error *error)
{
    return error_set(error, ERROR_UNAUTHENTICATED, NULL, "the e-mail address or the password is not right");
}

/* The oldest beyond what one may hold end; <list> selects them newest first. */
static int trim_sessions(struct store_connection *c, const struct session_row *row, struct error *error)
{
    if (row->parent_id)
        return store_run_v(c, "session_trim_host",
                           "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE parent_id = $1::bigint"
                           " AND host_label = $2 ORDER BY id DESC OFFSET $3::bigint)",
                           NULL, error, STORE_I64(row->parent_id), STORE_TEXT(row->host_label),
                           STORE_I64(SESSIONS_PER_HOST));
    return store_run_v(c, "session_trim",
                       "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1::bigint"
                       " AND parent_id IS NULL ORDER BY id DESC OFFSET $2::bigint)",
                       NULL, error, STORE_I64(row->user_id), STORE_I64(SESSIONS_PER_USER));
}

void session_identity(struct auth *auth, const PGresult *user, const struct session_row *row, struct auth_session *ret)
{
    struct identity *identity = &ret->identity;
    const char *email = store_text(user, 0, "email");
    identity->kind = row->parent_id ? IDENTITY_RESOURCE : IDENTITY_SESSION;
    identity->user_id = row->user_id;
    identity->platform_admin = store_flag(user, 0, "platform_admin") || strcmp(email, auth->admin_email) == 0;
    identity->must_set_password = row->by_link && !store_text(user, 0, "password");
    identity->expires_ms = ret->expires_ms;
    snprintf(identity->email, sizeof(identity->email), "%s", email);
    if (!row->parent_id) {
        secret_csrf((struct slice){ret->secret, SECRET_LENGTH}, identity->csrf);
        return;
    }
    snprintf(identity->scope_namespace, sizeof(identity->scope_namespace), "%s", row->scope_namespace);
    snprintf(identity->scope_kind, sizeof(identity->scope_kind), "%s", row->scope_kind);
    snprintf(identity->scope_name, sizeof(identity->scope_name), "%s", row->scope_name);
}

/* Always a new secret: nothing the browser brought along becomes a session. */
int session_insert(struct auth *auth, struct store_connection *c, const struct session_row *row,
                   struct auth_session *ret, struct error *error)
{
    AUTO_RESULT PGresult *made = NULL;
    AUTO_RESULT PGresult *user = NULL;
    char hash[SHA256_HEX_SIZE], peer[64];
    int64_t now_ms = clock_wall_ms();
    *ret =
        (struct auth_session){.expires_ms = row->expires_ms ? row->expires_ms : now_ms + auth->options.session_ttl_ms};
    secret_new(ret->secret);
    digest_sha256_hex(slice_of(ret->secret), hash);
    text_printable(slice_of(row->peer), peer, sizeof(peer));
    int failed = store_run_v(
        c, "session_insert",
        "INSERT INTO sessions(user_id, parent_id, secret_sha256, by_link, host_label, scope_namespace, scope_kind,"
        " scope_name, peer, created_ms, expires_ms, last_seen_ms)"
        " VALUES ($1::bigint, $2::bigint, $3, $4::boolean, $5, $6, $7, $8, $9, $10::bigint, $11::bigint, $10::bigint)"
        " RETURNING id",
        &made, error, STORE_I64(row->user_id), row->parent_id ? STORE_I64(row->parent_id) : STORE_NULL,
        STORE_TEXT(hash), STORE_TEXT(row->by_link ? "t" : "f"), STORE_TEXT(row->host_label),
        STORE_TEXT(row->scope_namespace), STORE_TEXT(row->scope_kind), STORE_TEXT(row->scope_name), STORE_TEXT(peer),
        STORE_I64(now_ms), STORE_I64(ret->expires_ms));
    if (!failed)
        failed = trim_sessions(c, row, error);
    if (!failed)
        failed = store_run_v(c, "session_user", session_user_sql, &user, error, STORE_I64(row->user_id));
    if (failed)
        return failed;
    session_identity(auth, user, row, ret);
    ret->identity.credential_id = store_number(made, 0, "id");
    return 0;
}

static int find_user(struct auth *auth, const char *email, PGresult **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "sign_in_user", "SELECT id, password, disabled FROM users WHERE email = $1", ret, error,
                             STORE_TEXT(email));
    return failed;
}

/* The password was right a tenth of a second ago; opens the session if nothing has changed since. */
static int open_session(struct auth *auth, int64_t user_id, const char *password, const char *peer,
                        struct auth_session *ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    const struct session_row row = {.user_id = user_id, .peer = peer};
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "sign_in_note",
                             "UPDATE users SET last_sign_in_ms = $3::bigint"
                             " WHERE id = $1::bigint AND password = $2 AND NOT disabled RETURNING id",
                             &rows, error, STORE_I64(user_id), STORE_TEXT(password), STORE_I64(clock_wall_ms()));
    if (!failed && PQntuples(rows) != 1)
        return wrong(error);
    if (!failed)
        failed = session_insert(auth, c, &row, ret, error);
    if (!failed)
        failed = policy_commit(auth, &c, COMMIT_GRANTS, error);
    return failed;
}

/* Both buckets are charged before anything is looked up, and given back to whoever was right: only failures count. */
static int charge(struct auth *auth, struct slice email, struct slice peer, struct error *error)
{
    int failed = limiter_take(&auth->by_peer, peer, error);
    if (failed)
        return failed;
    failed = limiter_take(&auth->by_email, email, error);
    if (failed)
        limiter_refund(&auth->by_peer, peer);
    return failed;
}

int auth_sign_in_password(struct auth *auth, struct slice email, struct slice password, const char *peer,
                          struct auth_session *ret, struct error *error)
{
    AUTO_RESULT PGresult *user = NULL;
    char address[EMAIL_MAX + 1] = ""; /* what cannot be an address is nobody's, and takes as long */
    bool right = false;
    if (password.n > PASSWORD_BYTES_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "password", "expected at most %d characters", PASSWORD_MAX);
    auth_email_check(email, address, NULL);
    int failed = charge(auth, slice_of(address), slice_of(peer), error);
    if (!failed)
        failed = find_user(auth, address, &user, error);
    if (failed)
        return failed;
    bool known = PQntuples(user) == 1 && !store_flag(user, 0, "disabled");
    const char *stored = known ? store_text(user, 0, "password") : NULL;
    failed = password_verify(stored, password, &right, error);
    if (failed)
        return failed;
    if (!right || !stored)
        return wrong(error);
    failed = open_session(auth, store_number(user, 0, "id"), stored, peer, ret, error);
    if (!failed) {
        limiter_refund(&auth->by_email, slice_of(address));
        limiter_refund(&auth->by_peer, slice_of(peer));
    }
    return failed;
}

/* --- changing the password ------------------------------------------------------------------------------------------
 */

static int check_old(struct auth *auth, const struct identity *identity, const char *stored, struct slice old,
                     struct error *error)
{
    bool right = false;
    int failed = limiter_take(&auth->by_email, slice_of(identity->email), error);
    if (!failed)
        failed = old.n > PASSWORD_BYTES_MAX ? 0 : password_verify(stored, old, &right, error);
    if (failed)
        return failed;
    if (!right)
        return error_set(error, ERROR_FORBIDDEN, "oldPassword", "is not your present password");
    limiter_refund(&auth->by_email, slice_of(identity->email));
    return 0;
}

static int read_own(struct auth *auth, const struct identity *identity, PGresult **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed =
            store_run_v(c, "password_own",
                        "SELECT u.password, s.by_link FROM sessions s JOIN users u ON u.id = s.user_id"
                        " WHERE s.id = $1::bigint AND u.id = $2::bigint AND s.parent_id IS NULL AND NOT u.disabled",
                        &rows, error, STORE_I64(identity->credential_id), STORE_I64(identity->user_id));
    if (!failed && PQntuples(rows) != 1)
        failed = error_set(error, ERROR_UNAUTHENTICATED, NULL, "the session has ended");
    if (!failed)
        *ret = TAKE_POINTER(rows);
    return failed;
}

static int store_password(struct auth *auth, const struct identity *identity, const char *before, const char *hash,
                          struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "password_set",
                             "UPDATE users SET password = $3 WHERE id = $1::bigint AND NOT disabled"
                             " AND password IS NOT DISTINCT FROM $4"
                             " AND EXISTS (SELECT FROM sessions WHERE id = $2::bigint AND user_id = $1::bigint)"
                             " RETURNING id",
                             &rows, error, STORE_I64(identity->user_id), STORE_I64(identity->credential_id),
                             STORE_TEXT(hash), STORE_TEXT(before));
    if (!failed && PQntuples(rows) != 1)
        return error_set(error, ERROR_CONFLICT, NULL, "the account has been changed meanwhile; sign in again");
    if (!failed)
        failed = store_run_v(c, "password_sessions",
                             "DELETE FROM sessions WHERE user_id = $1::bigint AND id <> $2::bigint"
                             " AND parent_id IS DISTINCT FROM $2::bigint",
                             NULL, error, STORE_I64(identity->user_id), STORE_I64(identity->credential_id));
    if (!failed)
        failed = store_run_v(c, "password_session", "UPDATE sessions SET by_link = false WHERE id = $1::bigint", NULL,
                             error, STORE_I64(identity->credential_id));
    if (!failed) /* a link sent earlier must not open what has just been locked anew */
        failed = store_run_v(c, "password_links",
                             "UPDATE links SET used_ms = $2::bigint WHERE user_id = $1::bigint AND used_ms IS NULL",
                             NULL, error, STORE_I64(identity->user_id), STORE_I64(clock_wall_ms()));
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}

int auth_password_set(struct auth *auth, const struct identity *identity, struct slice old_password,
                      struct slice password, struct error *error)
{
    AUTO_RESULT PGresult *own = NULL;
    char hash[PASSWORD_HASH_SIZE];
    if (identity->kind != IDENTITY_SESSION)
        return error_set(error, ERROR_FORBIDDEN, NULL, "a password is changed from a signed-in browser session");
    int failed = password_check(password, "password", error);
    if (!failed)
        failed = read_own(auth, identity, &own, error);
    if (failed)
        return failed;
    const char *stored = store_text(own, 0, "password");
    if (stored && !store_flag(own, 0, "by_link"))
        failed = check_old(auth, identity, stored, old_password, error);
    if (!failed)
        failed = password_hash(password, hash, error);
    return failed ? failed : store_password(auth, identity, stored, hash, error);
}

/* --- signing out, and the sessions one has --------------------------------------------------------------------------
 */

static int end_sessions(struct auth *auth, int64_t user_id, int64_t id, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "session_delete",
                             "DELETE FROM sessions WHERE ($1::bigint = 0 OR user_id = $1::bigint)"
                             " AND ($2::bigint = 0 OR id = $2::bigint) RETURNING id",
                             &rows, error, STORE_I64(user_id), STORE_I64(id));
    if (!failed && id && PQntuples(rows) == 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such session");
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}

int auth_sign_out(struct auth *auth, const struct identity *identity, struct error *error)
{
    if (identity->kind != IDENTITY_SESSION && identity->kind != IDENTITY_RESOURCE)
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "only a browser session can be signed out; delete a token instead");
    int failed = end_sessions(auth, identity->user_id, identity->credential_id, error);
    return failed == -ERROR_NOT_FOUND ? 0 : failed; /* already ended, say by another tab */
}

int auth_sign_out_everywhere(struct auth *auth, const struct identity *identity, struct error *error)
{
    if (identity->user_id == 0)
        return error_set(error, ERROR_FORBIDDEN, NULL, "there is no account to sign out");
    return end_sessions(auth, identity->user_id, 0, error);
}

int auth_session_list(struct auth *auth, int64_t user_id, cJSON **ret_array, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "session_list",
                             "SELECT s.id, u.email, s.peer, s.created_ms, s.expires_ms, s.last_seen_ms"
                             " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.parent_id IS NULL"
                             " AND ($1::bigint = 0 OR s.user_id = $1::bigint) AND s.expires_ms > $2::bigint"
                             " AND s.last_seen_ms > $3::bigint ORDER BY s.id DESC LIMIT 1000",
                             &rows, error, STORE_I64(user_id), STORE_I64(clock_wall_ms()),
                             STORE_I64(clock_wall_ms() - SESSION_IDLE_MS));
    if (failed)
        return failed;
    cJSON *list = json_array();
    for (int i = 0; i < PQntuples(rows); i++) {
        cJSON *one = json_push(list, json_object());
        json_set_i64(one, "id", store_number(rows, i, "id"));
        json_set_text(one, "email", store_text(rows, i, "email"));
        json_set_text(one, "peer", store_text(rows, i, "peer"));
        json_set_time(one, "createdAt", store_number(rows, i, "created_ms"));
        json_set_time(one, "expiresAt", store_number(rows, i, "expires_ms"));
        json_set_time(one, "lastSeenAt", store_number(rows, i, "last_seen_ms"));
    }
    *ret_array = list;
    return 0;
}

int auth_session_delete(struct auth *auth, int64_t user_id, int64_t id, struct error *error)
{
    if (id <= 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such session");
    return end_sessions(auth, user_id, id, error);
}
