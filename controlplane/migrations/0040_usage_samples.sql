-- What workloads use over time (controlplane/samples.c): one row a workload and minute, kept for a day, and the means of
-- quarters of an hour, kept for 30 days. A profile's rows go with its name.
CREATE TABLE usage_samples (
    profile      text    NOT NULL REFERENCES profiles_owners ON DELETE CASCADE,
    kind         text    NOT NULL CHECK (kind IN ('Notebook', 'RayCluster')),
    name         text    NOT NULL CHECK (length(name) BETWEEN 1 AND 253),
    step_s       integer NOT NULL CHECK (step_s IN (60, 900)),
    at_ms        bigint  NOT NULL, -- the beginning of the step
    readings     integer NOT NULL, -- of which the row is the mean
    cpu          real    NOT NULL, -- cores
    memory       bigint  NOT NULL, -- bytes, as is memory_limit
    cpu_limit    real    NOT NULL, -- 0: none
    memory_limit bigint  NOT NULL,
    nodes        integer NOT NULL, -- pods that were measured
    PRIMARY KEY (profile, kind, name, step_s, at_ms)
);
CREATE INDEX usage_samples_age ON usage_samples(step_s, at_ms);
