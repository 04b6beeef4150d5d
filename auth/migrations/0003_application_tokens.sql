-- A token that opens one application of Ray Serve and nothing else: the paths below a prefix of one RayCluster or
-- RayService, by its uid: another one of that name is another thing. NULL: it may do what its user may. It goes with
-- its profile.
ALTER TABLE tokens
    ADD COLUMN application_namespace text REFERENCES profiles_owners ON DELETE CASCADE,
    ADD COLUMN application_kind text CHECK (application_kind IN ('RayCluster', 'RayService')),
    ADD COLUMN application_name text CHECK (length(application_name) BETWEEN 1 AND 63),
    ADD COLUMN application_uid text CHECK (length(application_uid) BETWEEN 1 AND 63),
    ADD COLUMN application_prefix text
        CHECK (application_prefix ~ '^(/|(/[A-Za-z0-9._~-]+)+)$' AND length(application_prefix) <= 128),
    ADD CHECK ((application_namespace IS NULL) = (application_kind IS NULL)),
    ADD CHECK ((application_namespace IS NULL) = (application_name IS NULL)),
    ADD CHECK ((application_namespace IS NULL) = (application_uid IS NULL)),
    ADD CHECK ((application_namespace IS NULL) = (application_prefix IS NULL));
CREATE INDEX tokens_application ON tokens(application_namespace, application_kind, application_name);

DROP TRIGGER tokens_policy ON tokens;
CREATE TRIGGER tokens_policy AFTER INSERT OR DELETE
    OR UPDATE OF user_id, secret_sha256, expires_ms, application_namespace, application_kind, application_name, application_uid, application_prefix
    ON tokens FOR EACH STATEMENT EXECUTE FUNCTION policy_changed();
