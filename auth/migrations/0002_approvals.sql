-- A signed-in browser lets a command line in: two minutes, once, and only for whoever holds what <challenge> is the
-- SHA-256 of (RFC 7636, S256). Ends with the session that approved it.
CREATE TABLE approvals (
    code_sha256 text PRIMARY KEY CHECK (length(code_sha256) = 64),
    session_id  bigint NOT NULL REFERENCES sessions ON DELETE CASCADE,
    challenge   text NOT NULL CHECK (length(challenge) = 43),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 100), -- of the token it becomes
    ttl_s       bigint NOT NULL CHECK (ttl_s > 0),
    expires_ms  bigint NOT NULL
);
CREATE INDEX approvals_session ON approvals(session_id);
