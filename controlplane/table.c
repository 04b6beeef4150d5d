/* How do objects become rows? */
#include "controlplane/table.h"

bool table_include_parse(const char *text, enum table_include *ret)
{
    static const char *const names[] = {
        [TABLE_NONE] = "None", [TABLE_METADATA] = "Metadata", [TABLE_OBJECT] = "Object"};
    *ret = TABLE_METADATA;
    if (!text || !*text)
        return true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum table_include)i;
            return true;
        }
    }
    return false;
}

static cJSON *new_table(const struct column *columns)
{
    cJSON *table = json_object();
    json_set_text(table, "kind", "Table");
    json_set_text(table, "apiVersion", "meta.k8s.io/v1");
    json_set(table, "metadata", json_object());
    cJSON *definitions = json_set(table, "columnDefinitions", json_array());
    for (const struct column *column = columns; column->name; column++) {
        cJSON *definition = json_push(definitions, json_object());
        json_set_text(definition, "name", column->name);
        json_set_text(definition, "type", column->type);
        json_set_text(definition, "format", column->format);
        json_set_text(definition, "description", column->description);
        json_set_i64(definition, "priority", column->priority);
    }
    json_set(table, "rows", json_array());
    return table;
}

static cJSON *metadata_only(const cJSON *object)
{
    cJSON *partial = json_object();
    json_set_text(partial, "kind", "PartialObjectMetadata");
    json_set_text(partial, "apiVersion", "meta.k8s.io/v1");
    json_set(partial, "metadata", json_copy(json_member(object, "metadata")));
    return partial;
}

static void add_row(cJSON *table, const struct column *columns, const cJSON *object, enum table_include include,
                    int64_t now_ms)
{
    cJSON *row = json_push(json_member(table, "rows"), json_object());
    cJSON *cells = json_set(row, "cells", json_array());
    for (const struct column *column = columns; column->name; column++) {
        cJSON *cell = column->cell(object, column->path, now_ms);
        json_push(cells, cell ? cell : cJSON_CreateNull());
    }
    if (include == TABLE_METADATA)
        json_set(row, "object", metadata_only(object));
    else if (include == TABLE_OBJECT)
        json_set(row, "object", json_copy(object));
}

cJSON *table_with(const struct column *columns, const cJSON *list, enum table_include include, int64_t now_ms)
{
    cJSON *table = new_table(columns);
    const cJSON *metadata = json_member(list, "metadata"), *item;
    if (metadata)
        json_set(table, "metadata", json_copy(metadata));
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        add_row(table, columns, item, include, now_ms);
    }
    return table;
}

cJSON *table_of_list(enum engine_kind kind, const cJSON *list, enum table_include include, int64_t now_ms)
{
    return table_with(columns_of(kind), list, include, now_ms);
}

cJSON *table_of_object(enum engine_kind kind, const cJSON *object, enum table_include include, int64_t now_ms)
{
    cJSON *table = new_table(columns_of(kind));
    const char *version = json_text(object, "metadata", "resourceVersion", NULL);
    json_set_text(json_member(table, "metadata"), "resourceVersion", version);
    add_row(table, columns_of(kind), object, include, now_ms);
    return table;
}
