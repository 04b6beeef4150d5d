-- The local engine's objects: one row an object, written through from memory (engine/local/objects.c).
-- body has no metadata.resourceVersion: it is the column, set in the statement that writes the row.
CREATE SEQUENCE object_versions AS bigint;

CREATE TABLE objects (
    kind             text   NOT NULL CHECK (kind <> ''),
    namespace        text   NOT NULL CHECK (length(namespace) <= 63),
    name             text   NOT NULL CHECK (name <> '' AND length(name) <= 253),
    uid              uuid   NOT NULL UNIQUE,
    resource_version bigint NOT NULL UNIQUE DEFAULT nextval('object_versions'),
    body             json   NOT NULL CHECK (octet_length(body::text) <= 1048576),
    PRIMARY KEY (kind, namespace, name)
);
