/* How do rows become aligned columns that are safe on a terminal? */
#include "cli/table.h"

#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

#define GAP 3 /* spaces between columns, as kubectl */

struct table {
    const char *const *headers;
    unsigned flags;
    size_t columns, last; /* the last that is shown */
    size_t cells, capacity;
    char **cell; /* row by row */
    size_t widths[TABLE_COLUMNS_MAX];
};

/* libc knows how wide a character is, given a locale that has it, whatever the caller's is. */
size_t table_width(const char *text)
{
    static locale_t utf8; /* made once; a command prints from one thread */
    if (!utf8)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    mbstate_t state = {0};
    size_t width = 0, left = strlen(text);
    while (left) {
        wchar_t c;
        size_t taken = mbrtowc(&c, text, left, &state);
        bool whole = taken > 0 && taken <= left;
        int columns = whole ? wcwidth(c) : 1;
        width += columns < 0 ? 1u : (size_t)columns;
        text += whole ? taken : 1;
        left -= whole ? taken : 1;
        if (!whole)
            state = (mbstate_t){0};
    }
    if (utf8)
        uselocale(before);
    return width;
}

static const char *header_of(const struct table *table, size_t column)
{
    return table->headers[column] + (table->headers[column][0] == '+');
}

static bool is_shown(const struct table *table, size_t column)
{
    return table->headers[column][0] != '+' || (table->flags & TABLE_WIDE);
}

struct table *table_new(const char *const *headers, unsigned flags)
{
    struct table *table = memory_get(sizeof(*table));
    table->headers = headers;
    table->flags = flags;
    for (; headers[table->columns] && table->columns < TABLE_COLUMNS_MAX; table->columns++) {
        table->widths[table->columns] = table_width(header_of(table, table->columns));
        if (is_shown(table, table->columns))
            table->last = table->columns;
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
    size_t column = table->cells % table->columns, width = table_width(printable);
    if (width > table->widths[column])
        table->widths[column] = width;
    table->cell[table->cells++] = memory_text(printable);
}

size_t table_rows(const struct table *table)
{
    return table->cells / table->columns;
}

/* The SGR colour of a word for a state, as people expect it; "" for any other. */
static const char *colour_of(const char *header, const char *text)
{
    static const struct {
        const char *word, *colour;
    } words[] = {{"Running", "32"}, {"Ready", "32"},     {"Bound", "32"},     {"Active", "32"},
                 {"active", "32"},  {"SUCCEEDED", "32"}, {"Succeeded", "32"}, {"allowed", "32"},
                 {"Pending", "33"}, {"Starting", "33"},  {"Stopping", "33"},  {"PENDING", "33"},
                 {"RUNNING", "33"}, {"pending", "33"},   {"invited", "33"},   {"Warning", "33"},
                 {"Failed", "31"},  {"FAILED", "31"},    {"Error", "31"},     {"OOMKilled", "31"},
                 {"failed", "31"},  {"denied", "31"},    {"disabled", "31"},  {"Terminating", "35"}};
    if (strcmp(header, "STATUS") != 0 && strcmp(header, "STATE") != 0 && strcmp(header, "TYPE") != 0 &&
        strcmp(header, "OUTCOME") != 0)
        return "";
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i].word, text) == 0)
            return words[i].colour;
    return "";
}

static void print_cell(const struct table *table, size_t column, const char *text, struct buffer *ret)
{
    const char *colour = table->flags & TABLE_COLOURS ? colour_of(header_of(table, column), text) : "";
    if (!is_shown(table, column))
        return;
    if (colour[0])
        buffer_add_format(ret, "\033[%sm%s\033[0m", colour, text);
    else
        buffer_add_text(ret, text);
    if (column == table->last) {
        buffer_add_text(ret, "\n");
        return;
    }
    for (size_t i = table_width(text); i < table->widths[column] + GAP; i++)
        buffer_add_text(ret, " ");
}

void table_print(struct table *table, bool header, struct buffer *ret)
{
    for (size_t i = 0; header && i < table->columns; i++)
        print_cell(table, i, header_of(table, i), ret);
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
