/* How does a one-time link sign somebody in, exactly once? */
#include "auth/internal.h"

#include "base/clock.h"

static int gone(struct error *error)
{
    return error_set(error, ERROR_GONE, NULL, "this link has been used, has expired, or never was one");
}

/* A newer link of the same person takes the place of an older one. */
int link_insert(struct store_connection *c, int64_t user_id, const char *purpose, char ret_code[64],
                struct error *error)
{
    char code[SECRET_SIZE], hash[SHA256_HEX_SIZE];
    int64_t now_ms = clock_wall_ms();
    secret_new(code);
    digest_sha256_hex(slice_of(code), hash);
    int failed = store_run_v(c, "link_replace",
                             "UPDATE links SET used_ms = $2::bigint WHERE user_id = $1::bigint AND used_ms IS NULL"
                             " AND purpose <> 'first_admin'",
                             NULL, error, STORE_I64(user_id), STORE_I64(now_ms));
    if (!failed)
        failed = store_run_v(c, "link_insert",
                             "INSERT INTO links(user_id, purpose, code_sha256, created_ms, expires_ms)"
                             " VALUES ($1::bigint, $2, $3, $4::bigint, $5::bigint)",
                             NULL, error, STORE_I64(user_id), STORE_TEXT(purpose), STORE_TEXT(hash), STORE_I64(now_ms),
                             STORE_I64(now_ms + LINK_TTL_MS));
    if (!failed)
        memcpy(ret_code, code, sizeof(code));
    memory_wipe(code, sizeof(code));
    return failed;
}

/* Whoever updates the row first has used the link; everybody else finds it used. */
static int use(struct store_connection *c, struct slice code, PGresult **ret, struct error *error)
{
    char hash[SHA256_HEX_SIZE];
    digest_sha256_hex(code, hash);
    int failed = store_run_v(c, "link_use",
                             "UPDATE links l SET used_ms = $2::bigint FROM users u WHERE l.code_sha256 = $1"
                             " AND l.used_ms IS NULL AND (l.expires_ms IS NULL OR l.expires_ms > $2::bigint)"
                             " AND u.id = l.user_id AND NOT u.disabled RETURNING l.user_id, l.purpose",
                             ret, error, STORE_TEXT(hash), STORE_I64(clock_wall_ms()));
    return !failed && PQntuples(*ret) != 1 ? gone(error) : failed;
}

static int sign_in(struct auth *auth, struct slice code, const char *peer, struct auth_session *ret,
                   struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *link = NULL;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = use(c, code, &link, error);
    if (failed)
        return failed;
    const struct session_row row = {.user_id = store_number(link, 0, "user_id"), .by_link = true, .peer = peer};
    /* A reset is asked for when the password is lost or no longer trusted: it ends here, with what it opened. */
    if (strcmp(store_text(link, 0, "purpose"), "reset") == 0) {
        failed = store_run_v(c, "link_reset", "UPDATE users SET password = NULL WHERE id = $1::bigint", NULL, error,
                             STORE_I64(row.user_id));
        if (!failed)
            failed = store_run_v(c, "link_reset_sessions", "DELETE FROM sessions WHERE user_id = $1::bigint", NULL,
                                 error, STORE_I64(row.user_id));
    }
    if (!failed)
        failed = store_run_v(c, "link_note", "UPDATE users SET last_sign_in_ms = $2::bigint WHERE id = $1::bigint",
                             NULL, error, STORE_I64(row.user_id), STORE_I64(clock_wall_ms()));
    if (!failed)
        failed = session_insert(auth, c, &row, ret, error);
    return failed ? failed : policy_commit(auth, &c, COMMIT_GRANTS, error);
}

int auth_sign_in_link(struct auth *auth, struct slice code, const char *peer, struct auth_session *ret,
                      struct error *error)
{
    int failed = limiter_take(&auth->by_peer, slice_of(peer), error);
    if (failed)
        return failed;
    failed = secret_well_formed(code) ? sign_in(auth, code, peer, ret, error) : gone(error);
    if (failed != -ERROR_GONE)
        limiter_refund(&auth->by_peer, slice_of(peer));
    return failed;
}

/* --- the first administrator's link: printed at every start until it is used, so it must be the same every time ------
 */

static int installation_key(struct store_connection *c, uint8_t ret[DIGEST_SIZE], struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    uint8_t fresh[DIGEST_SIZE];
    char hex[SHA256_HEX_SIZE];
    random_bytes(fresh, sizeof(fresh));
    text_hex(fresh, sizeof(fresh), hex);
    int failed = store_run_v(c, "link_key_make",
                             "INSERT INTO settings(key, value) VALUES ('link_key', $1) ON CONFLICT DO NOTHING", NULL,
                             error, STORE_TEXT(hex));
    if (!failed)
        failed = store_run(c, "link_key", "SELECT value FROM settings WHERE key = 'link_key'", NULL, 0, &rows, error);
    if (!failed && (PQntuples(rows) != 1 || !text_unhex(slice_of(store_text(rows, 0, "value")), ret, DIGEST_SIZE)))
        failed = error_set(error, ERROR_INTERNAL, NULL, "the setting link_key is damaged");
    return failed;
}

static int admin_has_signed_in(struct auth *auth, struct store_connection *c, bool *ret, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "first_link_done",
                             "SELECT EXISTS (SELECT FROM users WHERE (platform_admin OR email = $1)"
                             " AND last_sign_in_ms IS NOT NULL) AS done",
                             &rows, error, STORE_TEXT(auth->admin_email));
    if (!failed)
        *ret = store_flag(rows, 0, "done");
    return failed;
}

static int admin_user(struct auth *auth, struct store_connection *c, int64_t *ret_id, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "first_link_user",
                             "INSERT INTO users(email, platform_admin, created_ms) VALUES ($1, true, $2::bigint)"
                             " ON CONFLICT (email) DO UPDATE SET platform_admin = true RETURNING id",
                             &rows, error, STORE_TEXT(auth->admin_email), STORE_I64(clock_wall_ms()));
    if (!failed)
        *ret_id = store_number(rows, 0, "id");
    return failed;
}

static int pending_link(struct store_connection *c, int64_t user_id, int64_t *ret_id, struct error *error)
{
    AUTO_RESULT PGresult *found = NULL;
    AUTO_RESULT PGresult *made = NULL;
    int failed = store_run_v(c, "first_link_find",
                             "SELECT id FROM links WHERE user_id = $1::bigint AND purpose = 'first_admin'"
                             " AND used_ms IS NULL ORDER BY id LIMIT 1",
                             &found, error, STORE_I64(user_id));
    if (!failed && PQntuples(found) == 1) {
        *ret_id = store_number(found, 0, "id");
        return 0;
    }
    if (!failed)
        failed = store_run_v(c, "first_link_make",
                             "INSERT INTO links(user_id, purpose, created_ms) VALUES ($1::bigint, 'first_admin',"
                             " $2::bigint) RETURNING id",
                             &made, error, STORE_I64(user_id), STORE_I64(clock_wall_ms()));
    if (!failed)
        *ret_id = store_number(made, 0, "id");
    return failed;
}

static int write_code(struct store_connection *c, int64_t link_id, char ret_code[SECRET_SIZE], struct error *error)
{
    uint8_t key[DIGEST_SIZE];
    char hash[SHA256_HEX_SIZE];
    int failed = installation_key(c, key, error);
    if (failed)
        return failed;
    secret_of_link(key, link_id, ret_code);
    memory_wipe(key, sizeof(key));
    digest_sha256_hex(slice_of(ret_code), hash);
    return store_run_v(c, "first_link_code", "UPDATE links SET code_sha256 = $2 WHERE id = $1::bigint", NULL, error,
                       STORE_I64(link_id), STORE_TEXT(hash));
}

int auth_first_link(struct auth *auth, char ret_code[64], struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    char code[SECRET_SIZE] = "";
    int64_t user_id = 0, link_id = 0;
    bool done = false;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = admin_has_signed_in(auth, c, &done, error);
    if (!failed && !done) {
        failed = admin_user(auth, c, &user_id, error);
        if (!failed)
            failed = pending_link(c, user_id, &link_id, error);
        if (!failed)
            failed = write_code(c, link_id, code, error);
        if (!failed)
            failed = policy_commit(auth, &c, COMMIT_GRANTS, error);
    }
    if (!failed)
        memcpy(ret_code, code, sizeof(code));
    return failed;
}
