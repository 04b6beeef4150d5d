-- A new version of an object is a new row version beside the old one, with no index to tell: nothing that is indexed
-- changes with it (PostgreSQL's heap-only tuples), and pages keep room for it. Versions are still unique: they come from
-- one sequence, in the statement that writes the row.
ALTER TABLE objects DROP CONSTRAINT objects_resource_version_key;
ALTER TABLE objects SET (fillfactor = 50);
