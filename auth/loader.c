/* What do the tables say right now? (one REPEATABLE READ transaction into a new snapshot) */
#include "auth/internal.h"

#include "base/clock.h"

static int read_version(struct store_connection *c, int64_t *ret, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run(c, "policy_isolation", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", NULL, 0,
                           NULL, error);
    if (!failed)
        failed = store_run(c, "policy_version", "SELECT version FROM policy_version", NULL, 0, &rows, error);
    if (!failed && PQntuples(rows) != 1)
        failed = error_set(error, ERROR_INTERNAL, NULL, "policy_version has lost its row");
    if (!failed)
        *ret = store_number(rows, 0, "version");
    return failed;
}

static int load_users(struct auth *auth, struct store_connection *c, struct policy *policy, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed =
        store_run(c, "policy_users",
                  "SELECT id, email, platform_admin, disabled, password IS NOT NULL AS has_password FROM users", NULL,
                  0, &rows, error);
    for (int i = 0; !failed && i < PQntuples(rows); i++) {
        const char *email = store_text(rows, i, "email");
        bool admin = store_flag(rows, i, "platform_admin") || strcmp(email, auth->admin_email) == 0;
        snapshot_add_user(policy, store_number(rows, i, "id"), email, admin, store_flag(rows, i, "disabled"),
                          store_flag(rows, i, "has_password"));
    }
    return failed;
}

static int load_groups(struct store_connection *c, struct policy *policy, struct error *error)
{
    AUTO_RESULT PGresult *groups = NULL;
    AUTO_RESULT PGresult *members = NULL;
    int failed = store_run(c, "policy_groups", "SELECT id, name FROM groups", NULL, 0, &groups, error);
    for (int i = 0; !failed && i < PQntuples(groups); i++)
        snapshot_add_group(policy, store_number(groups, i, "id"), store_text(groups, i, "name"));
    if (!failed)
        failed = store_run(c, "policy_members", "SELECT group_id, email FROM group_members ORDER BY group_id", NULL, 0,
                           &members, error);
    for (int i = 0; !failed && i < PQntuples(members); i++)
        snapshot_add_member(policy, store_number(members, i, "group_id"), store_text(members, i, "email"));
    return failed;
}

static int load_sessions(struct store_connection *c, struct policy *policy, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "policy_sessions",
                             "SELECT id, user_id, parent_id, secret_sha256, by_link, host_label, scope_namespace,"
                             " scope_kind, scope_name, expires_ms, last_seen_ms FROM sessions"
                             " WHERE expires_ms > $1::bigint ORDER BY parent_id NULLS FIRST",
                             &rows, error, STORE_I64(policy->now_ms));
    for (int i = 0; !failed && i < PQntuples(rows); i++)
        snapshot_add_session(policy, &(struct snapshot_session){
                                         .id = store_number(rows, i, "id"),
                                         .user_id = store_number(rows, i, "user_id"),
                                         .parent_id = store_number(rows, i, "parent_id"),
                                         .expires_ms = store_number(rows, i, "expires_ms"),
                                         .last_seen_ms = store_number(rows, i, "last_seen_ms"),
                                         .sha256_hex = store_text(rows, i, "secret_sha256"),
                                         .host_label = store_text(rows, i, "host_label"),
                                         .scope_namespace = store_text(rows, i, "scope_namespace"),
                                         .scope_kind = store_text(rows, i, "scope_kind"),
                                         .scope_name = store_text(rows, i, "scope_name"),
                                         .by_link = store_flag(rows, i, "by_link"),
                                     });
    return failed;
}

static int64_t expiry(const PGresult *rows, int row)
{
    return store_text(rows, row, "expires_ms") ? store_number(rows, row, "expires_ms") : INT64_MAX;
}

static int load_tokens(struct store_connection *c, struct policy *policy, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "policy_tokens",
                             "SELECT id, user_id, secret_sha256, expires_ms, last_used_ms, application_namespace,"
                             " application_kind, application_name, application_uid, application_prefix FROM tokens"
                             " WHERE expires_ms IS NULL OR expires_ms > $1::bigint",
                             &rows, error, STORE_I64(policy->now_ms));
    for (int i = 0; !failed && i < PQntuples(rows); i++) {
        const struct token_application application = {.namespace = store_text(rows, i, "application_namespace"),
                                                      .kind = store_text(rows, i, "application_kind"),
                                                      .name = store_text(rows, i, "application_name"),
                                                      .prefix = store_text(rows, i, "application_prefix"),
                                                      .uid = store_text(rows, i, "application_uid")};
        snapshot_add_token(policy, store_number(rows, i, "id"), store_number(rows, i, "user_id"),
                           store_text(rows, i, "secret_sha256"), expiry(rows, i), store_number(rows, i, "last_used_ms"),
                           application.namespace ? &application : NULL);
    }
    return failed;
}

static int load_grants(struct store_connection *c, struct policy *policy, struct error *error)
{
    AUTO_RESULT PGresult *owners = NULL;
    AUTO_RESULT PGresult *grants = NULL;
    int failed =
        store_run(c, "policy_owners", "SELECT profile, owner_user_id FROM profiles_owners", NULL, 0, &owners, error);
    for (int i = 0; !failed && i < PQntuples(owners); i++)
        snapshot_add_profile(policy, store_text(owners, i, "profile"), store_number(owners, i, "owner_user_id"));
    if (!failed)
        failed =
            store_run_v(c, "policy_grants",
                        "SELECT profile, subject_kind, subject_name, role, resource_kind, resource_name, expires_ms"
                        " FROM grants WHERE expires_ms IS NULL OR expires_ms > $1::bigint",
                        &grants, error, STORE_I64(policy->now_ms));
    for (int i = 0; !failed && i < PQntuples(grants); i++) {
        enum role role = ROLE_NONE;
        role_parse(slice_of(store_text(grants, i, "role")), &role);
        snapshot_add_grant(policy, store_text(grants, i, "profile"), store_text(grants, i, "subject_kind"),
                           store_text(grants, i, "subject_name"), role, store_text(grants, i, "resource_kind"),
                           store_text(grants, i, "resource_name"), expiry(grants, i));
    }
    return failed;
}

int snapshot_load(struct auth *auth, struct policy *policy, const struct policy *before, int64_t known_version,
                  bool *ret_loaded, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t version = 0;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_begin(c, error);
    if (!failed)
        failed = read_version(c, &version, error);
    *ret_loaded = false;
    if (failed || version == known_version)
        return failed;
    snapshot_start(policy, clock_wall_ms(), SESSION_IDLE_MS);
    policy->version = version;
    failed = load_users(auth, c, policy, error);
    if (!failed)
        failed = load_groups(c, policy, error);
    if (!failed)
        failed = load_sessions(c, policy, error);
    if (!failed)
        failed = load_tokens(c, policy, error);
    if (!failed)
        failed = load_grants(c, policy, error);
    if (failed) {
        snapshot_clear(policy);
        return failed;
    }
    snapshot_finish(policy, before);
    *ret_loaded = true;
    return 0;
}
