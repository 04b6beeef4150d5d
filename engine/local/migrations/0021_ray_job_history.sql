-- What is kept of finished Ray jobs when their cluster is gone: one row a run (engine/local/rayhistory.c).
-- record is {"entrypoint", "status", "events"}; log is the end of what the driver printed.
CREATE TABLE ray_job_history (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace   text        NOT NULL CHECK (length(namespace) <= 63),
    name        text        NOT NULL CHECK (name <> '' AND length(name) <= 253),
    uid         uuid        NOT NULL,
    job_id      text        NOT NULL CHECK (length(job_id) <= 253),
    finished_at timestamptz NOT NULL DEFAULT now(),
    record      json        NOT NULL CHECK (octet_length(record::text) <= 1048576),
    log         text        NOT NULL CHECK (octet_length(log) <= 2097152),
    log_cut     boolean     NOT NULL,
    UNIQUE (uid, job_id)
);
CREATE INDEX ray_job_history_of_profile ON ray_job_history (namespace, name, id);
