-- When workloads were last used from outside, or kept a CPU busy (controlplane/use.c): what every replica saw, for the
-- one that stops what nobody uses. A profile's rows go with its name, a workload's a month after its last use.
CREATE TABLE workload_use (
    profile text   NOT NULL REFERENCES profiles_owners ON DELETE CASCADE,
    kind    text   NOT NULL CHECK (kind IN ('Notebook', 'RayCluster')),
    name    text   NOT NULL CHECK (length(name) BETWEEN 1 AND 253),
    last_ms bigint NOT NULL,
    PRIMARY KEY (profile, kind, name)
);
CREATE INDEX workload_use_age ON workload_use(last_ms);
