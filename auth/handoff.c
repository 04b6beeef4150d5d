/* How does a signed-in browser come to a resource's own host, where the main cookie must never go? */
#include "auth/internal.h"

#include "base/clock.h"

static int trim(struct store_connection *c, int64_t session_id, struct error *error)
{
    return store_run_v(c, "handoff_trim",
                       "DELETE FROM handoffs WHERE session_id = $1::bigint AND (expires_ms <= $2::bigint OR code_sha256"
                       " IN (SELECT code_sha256 FROM handoffs WHERE session_id = $1::bigint ORDER BY expires_ms DESC"
                       " OFFSET $3::bigint))",
                       NULL, error, STORE_I64(session_id), STORE_I64(clock_wall_ms()),
                       STORE_I64(HANDOFFS_PER_SESSION - 1));
}

int auth_handoff_new(struct auth *auth, const struct identity *identity, const char *host_label, const char *namespace,
                     const char *kind, const char *name, char ret_code[64], struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    char code[SECRET_SIZE], hash[SHA256_HEX_SIZE];
    if (identity->kind != IDENTITY_SESSION)
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "only a browser session can be handed over to a resource's host");
    if (!name_is_label(slice_of(host_label)) || strlen(namespace) > 63 || strlen(kind) > 31 || strlen(name) > 63)
        return error_set(error, ERROR_INVALID, "host", "expected the host of one resource");
    secret_new(code);
    digest_sha256_hex(slice_of(code), hash);
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = trim(c, identity->credential_id, error);
    if (!failed)
        failed = store_run_v(c, "handoff_insert",
                             "INSERT INTO handoffs(code_sha256, session_id, host_label, scope_namespace, scope_kind,"
                             " scope_name, expires_ms) VALUES ($1, $2::bigint, $3, $4, $5, $6, $7::bigint)",
                             NULL, error, STORE_TEXT(hash), STORE_I64(identity->credential_id), STORE_TEXT(host_label),
                             STORE_TEXT(namespace), STORE_TEXT(kind), STORE_TEXT(name),
                             STORE_I64(clock_wall_ms() + HANDOFF_TTL_MS));
    if (failed == -ERROR_INVALID) /* the session was ended meanwhile */
        return error_set(error, ERROR_UNAUTHENTICATED, NULL, "the session has ended");
    if (!failed)
        memcpy(ret_code, code, sizeof(code));
    return failed;
}

static int gone(struct error *error)
{
    return error_set(error, ERROR_GONE, NULL, "this hand-over has been used or has expired; open the resource again");
}

int auth_handoff_redeem(struct auth *auth, struct slice code, const char *host_label, struct auth_session *ret,
                        struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    char hash[SHA256_HEX_SIZE];
    if (!secret_well_formed(code))
        return gone(error);
    digest_sha256_hex(code, hash);
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "handoff_use",
                             "DELETE FROM handoffs h USING sessions s, users u WHERE h.code_sha256 = $1"
                             " AND s.id = h.session_id AND u.id = s.user_id RETURNING h.host_label, h.scope_namespace,"
                             " h.scope_kind, h.scope_name, h.expires_ms, s.id AS parent_id, s.user_id, s.peer,"
                             " s.expires_ms AS session_expires_ms, u.disabled",
                             &rows, error, STORE_TEXT(hash));
    if (failed)
        return failed;
    bool right = PQntuples(rows) == 1 && strcmp(store_text(rows, 0, "host_label"), host_label) == 0 &&
                 store_number(rows, 0, "expires_ms") > clock_wall_ms() && !store_flag(rows, 0, "disabled");
    if (!right) { /* shown at the wrong host, a code has leaked: it is spent all the same */
        store_commit(c, NULL);
        return gone(error);
    }
    const struct session_row row = {.user_id = store_number(rows, 0, "user_id"),
                                    .parent_id = store_number(rows, 0, "parent_id"),
                                    .host_label = host_label,
                                    .scope_namespace = store_text(rows, 0, "scope_namespace"),
                                    .scope_kind = store_text(rows, 0, "scope_kind"),
                                    .scope_name = store_text(rows, 0, "scope_name"),
                                    .peer = store_text(rows, 0, "peer"),
                                    .expires_ms = store_number(rows, 0, "session_expires_ms")};
    failed = session_insert(auth, c, &row, ret, error);
    return failed ? failed : policy_commit(auth, &c, COMMIT_GRANTS, error);
}
