-- People: accounts, how they sign in, what they may do, and what they did.
-- Times are wall-clock milliseconds since 1970 (bigint, ..._ms), as in the program that compares them.
-- Secrets are here only as SHA-256 in hex (random ones) or scrypt (passwords).

CREATE TABLE settings (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- One row; its version grows with every change that a policy snapshot must contain. Writers of policy lock it first, so
-- that they take turns and never deadlock; readers of a snapshot compare it to know whether they are up to date.
CREATE TABLE policy_version (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO policy_version(version) VALUES (1);

CREATE TABLE users (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email           text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    password        text,            -- "scrypt$15$8$1$SALT$KEY"; NULL: none, sign in by link
    platform_admin  boolean NOT NULL DEFAULT false,
    disabled        boolean NOT NULL DEFAULT false,
    created_ms      bigint NOT NULL,
    last_sign_in_ms bigint
);

CREATE TABLE sessions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id         bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    parent_id       bigint REFERENCES sessions ON DELETE CASCADE, -- a resource's session dies with the main one
    secret_sha256   text NOT NULL UNIQUE CHECK (length(secret_sha256) = 64),
    by_link         boolean NOT NULL DEFAULT false, -- signed in by link: may set a password without the old one
    host_label      text,
    scope_namespace text,
    scope_kind      text,
    scope_name      text,
    peer            text NOT NULL DEFAULT '',
    created_ms      bigint NOT NULL,
    expires_ms      bigint NOT NULL,
    last_seen_ms    bigint NOT NULL,
    CHECK ((parent_id IS NULL) = (host_label IS NULL)),
    CHECK ((parent_id IS NULL) = (scope_namespace IS NULL)),
    CHECK ((parent_id IS NULL) = (scope_kind IS NULL)),
    CHECK ((parent_id IS NULL) = (scope_name IS NULL))
);
CREATE INDEX sessions_user ON sessions(user_id);
CREATE INDEX sessions_parent ON sessions(parent_id);

CREATE TABLE tokens (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_sha256 text NOT NULL UNIQUE CHECK (length(secret_sha256) = 64),
    created_ms    bigint NOT NULL,
    expires_ms    bigint, -- NULL: never
    last_used_ms  bigint
);
CREATE INDEX tokens_user ON tokens(user_id);

-- One-time sign-in links. A used one stays until it would have expired, so that it answers "used" and not "unknown".
CREATE TABLE links (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    purpose     text NOT NULL CHECK (purpose IN ('first_admin', 'invite', 'reset')),
    code_sha256 text UNIQUE CHECK (length(code_sha256) = 64), -- NULL only within the transaction that makes it
    created_ms  bigint NOT NULL,
    expires_ms  bigint, -- NULL: never (the first admin's)
    used_ms     bigint
);
CREATE INDEX links_user ON links(user_id);

-- A main session on its way to a resource's host: half a minute, once.
CREATE TABLE handoffs (
    code_sha256     text PRIMARY KEY CHECK (length(code_sha256) = 64),
    session_id      bigint NOT NULL REFERENCES sessions ON DELETE CASCADE,
    host_label      text NOT NULL,
    scope_namespace text NOT NULL,
    scope_kind      text NOT NULL,
    scope_name      text NOT NULL,
    expires_ms      bigint NOT NULL
);
CREATE INDEX handoffs_session ON handoffs(session_id);

CREATE TABLE groups (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 254),
    created_ms bigint NOT NULL
);
CREATE TABLE group_members (
    group_id bigint NOT NULL REFERENCES groups ON DELETE CASCADE,
    email    text NOT NULL CHECK (email = lower(email)),
    PRIMARY KEY (group_id, email)
);

-- Whose a profile is. The row is there from the claim of the name until the last trace of the profile is gone.
CREATE TABLE profiles_owners (
    profile       text PRIMARY KEY CHECK (profile ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    owner_user_id bigint NOT NULL REFERENCES users ON DELETE RESTRICT,
    created_ms    bigint NOT NULL
);
CREATE INDEX profiles_owners_user ON profiles_owners(owner_user_id);

-- A grant whose e-mail has no account yet is pending; nothing else distinguishes it.
CREATE TABLE grants (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile       text NOT NULL REFERENCES profiles_owners ON DELETE CASCADE,
    subject_kind  text NOT NULL CHECK (subject_kind IN ('User', 'Group')),
    subject_name  text NOT NULL CHECK (subject_kind = 'Group' OR subject_name = lower(subject_name)),
    role          text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    resource_kind text,
    resource_name text,
    created_by    text NOT NULL,
    created_ms    bigint NOT NULL,
    expires_ms    bigint, -- NULL: never
    CHECK ((resource_kind IS NULL) = (resource_name IS NULL)),
    CONSTRAINT grants_subject_resource
        UNIQUE NULLS NOT DISTINCT (profile, subject_kind, subject_name, resource_kind, resource_name)
);
CREATE INDEX grants_subject ON grants(subject_name);

CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid        text NOT NULL UNIQUE, -- the writer's: an entry sent again after a lost connection is not doubled
    at_ms      bigint NOT NULL,
    actor      text,
    action     text,
    namespace  text,
    kind       text,
    name       text,
    outcome    text,
    detail     text,
    peer       text,
    request_id text
);
CREATE INDEX audit_namespace ON audit(namespace, id);

CREATE FUNCTION policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE policy_version SET version = version + 1;
    PERFORM pg_notify('atelier_policy', '');
    RETURN NULL;
END
$$;

-- last_seen_ms, last_used_ms and last_sign_in_ms are not policy.
CREATE TRIGGER users_policy AFTER INSERT OR DELETE OR UPDATE OF email, password, platform_admin, disabled ON users
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
CREATE TRIGGER sessions_policy AFTER INSERT OR DELETE
    OR UPDATE OF user_id, parent_id, secret_sha256, by_link, host_label, scope_namespace, scope_kind, scope_name, expires_ms
    ON sessions FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
CREATE TRIGGER tokens_policy AFTER INSERT OR DELETE OR UPDATE OF user_id, secret_sha256, expires_ms ON tokens
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
CREATE TRIGGER groups_policy AFTER INSERT OR DELETE OR UPDATE ON groups
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
CREATE TRIGGER group_members_policy AFTER INSERT OR DELETE OR UPDATE ON group_members
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
CREATE TRIGGER profiles_owners_policy AFTER INSERT OR DELETE OR UPDATE ON profiles_owners
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
CREATE TRIGGER grants_policy AFTER INSERT OR DELETE OR UPDATE ON grants
    FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
