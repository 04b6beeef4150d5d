/* How do rows become aligned columns that are safe on a terminal? */
#include "cli/table.h"

#define GAP 3 /* spaces between columns, as kubectl */

struct table {
    const char *const *headers;
    size_t columns, cells, capacity;
    char **cell; /* row by row */
    size_t widths[TABLE_COLUMNS_MAX];
};

/* Characters, not bytes; text_printable has left valid UTF-8 only. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        if (((unsigned char)*text & 0xC0) != 0x80)
            width++;
    return width;
}

struct table *table_new(const char *const *headers)
{
    struct table *table = memory_get(sizeof(*table));
    table->headers = headers;
    while (headers[table->columns] && table->columns < TABLE_COLUMNS_MAX) {
        table->widths[table->columns] = width_of(headers[table->columns]);
        table->columns++;
    }
    return table;
}

static void drop_rows(struct table *table)
{
    for (size_t i = 0; i < table->cells; i++)
        free(table->cell[i]);
    table->cells = 0;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    drop_rows(table);
    free(table->cell);
    free(table);
}

void table_add(struct table *table, const char *text)
{
    char printable[TABLE_CELL_MAX];
    text_printable(slice_of(text && text[0] ? text : "-"), printable, sizeof(printable));
    if (table->cells == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 64;
        table->cell = memory_resize(table->cell, table->capacity * sizeof(char *));
    }
    size_t column = table->cells % table->columns, width = width_of(printable);
    if (width > table->widths[column])
        table->widths[column] = width;
    table->cell[table->cells++] = memory_text(printable);
}

size_t table_rows(const struct table *table)
{
    return table->cells / table->columns;
}

static void print_cell(const struct table *table, size_t column, const char *text, struct buffer *ret)
{
    buffer_add_text(ret, text);
    if (column + 1 == table->columns) {
        buffer_add_text(ret, "\n");
        return;
    }
    for (size_t i = width_of(text); i < table->widths[column] + GAP; i++)
        buffer_add_text(ret, " ");
}

void table_print(struct table *table, bool header, struct buffer *ret)
{
    for (size_t i = 0; header && i < table->columns; i++)
        print_cell(table, i, table->headers[i], ret);
    for (size_t i = 0; i < table_rows(table) * table->columns; i++)
        print_cell(table, i % table->columns, table->cell[i], ret);
    drop_rows(table);
}

void table_age(int64_t seconds, char *ret, size_t size)
{
    if (seconds < 0)
        seconds = 0;
    if (seconds < 120)
        snprintf(ret, size, "%llds", (long long)seconds);
    else if (seconds < 600 && seconds % 60)
        snprintf(ret, size, "%lldm%llds", (long long)seconds / 60, (long long)seconds % 60);
    else if (seconds < 3 * 3600)
        snprintf(ret, size, "%lldm", (long long)seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(ret, size, "%lldh", (long long)seconds / 3600);
    else
        snprintf(ret, size, "%lldd", (long long)seconds / 86400);
}

void table_bytes(int64_t bytes, char *ret, size_t size)
{
    static const char *const units[] = {"Ki", "Mi", "Gi", "Ti"};
    double value = (double)bytes;
    size_t unit = 0;
    if (bytes < 0) {
        snprintf(ret, size, "-");
        return;
    }
    for (value /= 1024; value >= 1024 && unit + 1 < COUNT_OF(units); unit++)
        value /= 1024;
    snprintf(ret, size, value < 10 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}
