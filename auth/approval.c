/* How does a signed-in browser let in a command line that holds no credential yet? (RFC 8252 with RFC 7636) */
#include "auth/internal.h"

#include "base/clock.h"

static int gone(struct error *error)
{
    return error_set(error, ERROR_GONE, NULL, "this code has been used, has expired, or is not for this command line");
}

static int trim(struct store_connection *c, int64_t session_id, struct error *error)
{
    return store_run_v(
        c, "approval_trim",
        "DELETE FROM approvals WHERE session_id = $1::bigint AND (expires_ms <= $2::bigint OR code_sha256"
        " IN (SELECT code_sha256 FROM approvals WHERE session_id = $1::bigint ORDER BY expires_ms DESC"
        " OFFSET $3::bigint))",
        NULL, error, STORE_I64(session_id), STORE_I64(clock_wall_ms()), STORE_I64(APPROVALS_PER_SESSION - 1));
}

int auth_approval_new(struct auth *auth, const struct identity *identity, struct slice challenge, const char *name,
                      int64_t ttl_s, char ret_code[64], struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    char code[SECRET_SIZE], hash[SHA256_HEX_SIZE];
    if (identity->kind != IDENTITY_SESSION || identity->must_set_password)
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "only a signed-in browser whose person has a password can approve a command line");
    if (!secret_well_formed(challenge))
        return error_set(error, ERROR_INVALID, "challenge", "expected a SHA-256 in base64url, 43 characters");
    if (ttl_s == 0)
        return error_set(error, ERROR_INVALID, "ttlSeconds", "what a browser approves must expire");
    int failed = token_check(name, ttl_s, error);
    if (failed)
        return failed;
    secret_new(code);
    digest_sha256_hex(slice_of(code), hash);
    failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = trim(c, identity->credential_id, error);
    AUTO_FREE char *kept = memory_text_n(challenge.p, challenge.n);
    if (!failed)
        failed = store_run_v(c, "approval_insert",
                             "INSERT INTO approvals(code_sha256, session_id, challenge, name, ttl_s, expires_ms)"
                             " VALUES ($1, $2::bigint, $3, $4, $5::bigint, $6::bigint)",
                             NULL, error, STORE_TEXT(hash), STORE_I64(identity->credential_id), STORE_TEXT(kept),
                             STORE_TEXT(name), STORE_I64(ttl_s), STORE_I64(clock_wall_ms() + APPROVAL_TTL_MS));
    if (failed == -ERROR_INVALID) /* the session was ended meanwhile */
        return error_set(error, ERROR_UNAUTHENTICATED, NULL, "the session has ended");
    if (!failed)
        memcpy(ret_code, code, sizeof(code));
    memory_wipe(code, sizeof(code));
    return failed;
}

static bool verifies(struct slice verifier, const char *challenge)
{
    uint8_t digest[DIGEST_SIZE];
    digest_sha256(verifier, digest);
    AUTO_FREE char *text = text_base64url(digest, sizeof(digest));
    return strlen(text) == SECRET_LENGTH && strlen(challenge) == SECRET_LENGTH &&
           digest_equal(text, challenge, SECRET_LENGTH);
}

/* Whoever deletes the row has used the code, rightly or not. */
static int redeem(struct auth *auth, struct slice code, struct slice verifier, char ret_token[96], cJSON **ret,
                  struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    char hash[SHA256_HEX_SIZE];
    digest_sha256_hex(code, hash);
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "approval_use",
                             "DELETE FROM approvals a USING sessions s, users u WHERE a.code_sha256 = $1"
                             " AND s.id = a.session_id AND u.id = s.user_id RETURNING a.challenge, a.name, a.ttl_s,"
                             " a.expires_ms, s.expires_ms AS session_expires_ms, u.email, u.disabled",
                             &rows, error, STORE_TEXT(hash));
    if (failed)
        return failed;
    int64_t now_ms = clock_wall_ms();
    bool right = PQntuples(rows) == 1 && store_number(rows, 0, "expires_ms") > now_ms &&
                 store_number(rows, 0, "session_expires_ms") > now_ms && !store_flag(rows, 0, "disabled") &&
                 verifies(verifier, store_text(rows, 0, "challenge"));
    if (!right) { /* shown by somebody else, a code has leaked: it is spent all the same */
        store_commit(c, NULL);
        return gone(error);
    }
    failed = token_add(c, store_text(rows, 0, "email"), store_text(rows, 0, "name"), store_number(rows, 0, "ttl_s"),
                       NULL, ret_token, ret, error);
    return failed ? failed : policy_commit(auth, &c, COMMIT_GRANTS, error);
}

int auth_approval_redeem(struct auth *auth, struct slice code, struct slice verifier, const char *peer,
                         char ret_token[96], cJSON **ret, struct error *error)
{
    int failed = limiter_take(&auth->by_peer, slice_of(peer), error);
    if (failed)
        return failed;
    failed = secret_well_formed(code) && secret_well_formed(verifier)
                 ? redeem(auth, code, verifier, ret_token, ret, error)
                 : gone(error);
    if (failed != -ERROR_GONE) /* as with passwords, only wrong ones count */
        limiter_refund(&auth->by_peer, slice_of(peer));
    return failed;
}
