/* Rows and columns for a terminal. Everything put in is made printable: what tenants wrote cannot move the cursor. */
#ifndef ATELIER_CLI_TABLE_H
#define ATELIER_CLI_TABLE_H

#include "base/text.h"

#define TABLE_COLUMNS_MAX 16 /* of a kind at most one less: NAMESPACE may stand before them */
#define TABLE_CELL_MAX 256   /* bytes; longer cells are cut */

struct table;
enum { TABLE_WIDE = 1, TABLE_COLOURS = 2 };
/* <headers>: ended by NULL, borrowed; a column whose header begins with '+' is shown with TABLE_WIDE only, and rows
 * have its cell nevertheless. TABLE_COLOURS: words for a state stand in the colour of what they mean. */
struct table *table_new(const char *const *headers, unsigned flags);
void table_free(struct table *table); /* NULL is fine */
/* The next cell of the current row; NULL or "" is shown as "-". A row ends with its last column. */
void table_add(struct table *table, const char *text);
size_t table_rows(const struct table *table);
/* Columns on a terminal that <text> takes: East Asian wide characters two, combining ones none. */
size_t table_width(const char *text);
/* Columns as wide as their widest cell so far; <header> false prints rows only. Rows are dropped, widths stay. */
void table_print(struct table *table, bool header, struct buffer *ret);

/* "5s", "3m12s", "4h", "12d", as kubectl shows ages. */
void table_age(int64_t seconds, char *ret, size_t size);
/* "1.2Gi", "512Mi", "-" for less than 0. */
void table_bytes(int64_t bytes, char *ret, size_t size);

#endif
