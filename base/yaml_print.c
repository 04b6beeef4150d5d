/* How is a tree written as YAML that every reader, 1.1 or 1.2, takes for the same tree? */
#include "base/json.h"

#include "base/json_number.h"

#define SIMPLE_KEY_MAX 1000 /* YAML 1.2.2, 7.4.2: a key in one line has at most 1024 characters */

static void print_node(const cJSON *value, int indent, bool in_sequence, struct buffer *ret);

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Words that YAML 1.1 or 1.2 does not take for texts. */
static bool is_reserved(struct slice text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_is_nocase(text, words[i]))
            return true;
    return false;
}

static bool is_plain(struct slice text)
{
    if (!text.n || !(is_letter(text.p[0]) || text.p[0] == '/') || is_reserved(text))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i], next = i + 1 < text.n ? text.p[i + 1] : ' ';
        bool ordinary = is_letter(c) || (c >= '0' && c <= '9') || strchr("_./@+-=,()", c);
        if (!c || !(ordinary || (c == ' ' && next != ' ') || (c == ':' && next != ' ')))
            return false;
    }
    return text.p[text.n - 1] != ' ';
}

/* Length and value of the UTF-8 character at the front; 0 if it is not one. */
static size_t character(struct slice text, uint32_t *ret_point)
{
    size_t count = 1;
    while (count <= 4 && count <= text.n && !text_is_utf8((struct slice){text.p, count}))
        count++;
    if (count > 4 || count > text.n)
        return 0;
    uint32_t point = (unsigned char)text.p[0] & (count == 1 ? 0x7Fu : 0xFFu >> (count + 1));
    for (size_t i = 1; i < count; i++)
        point = point << 6 | ((unsigned char)text.p[i] & 0x3F);
    *ret_point = point;
    return count;
}

/* YAML 1.2.2, 5.1 c-printable without its line breaks, tabs and byte order mark. */
static bool is_printable(uint32_t point)
{
    return (point >= 0x20 && point <= 0x7E) ||
           (point >= 0xA0 && point <= 0xD7FF && point != 0x2028 && point != 0x2029) ||
           (point >= 0xE000 && point <= 0xFFFD && point != 0xFEFF) || point >= 0x10000;
}

static void print_quoted(struct slice text, struct buffer *ret)
{
    buffer_add_text(ret, "\"");
    while (text.n) {
        uint32_t point = 0xFFFD;
        size_t count = character(text, &point);
        if (point == '"' || point == '\\')
            buffer_add_format(ret, "\\%c", (int)point);
        else if (point == '\n')
            buffer_add_text(ret, "\\n");
        else if (point == '\t')
            buffer_add_text(ret, "\\t");
        else if (!count)
            buffer_add_text(ret, "\xEF\xBF\xBD");
        else if (is_printable(point))
            buffer_add(ret, text.p, count);
        else
            buffer_add_format(ret, point < 0x100 ? "\\x%02X" : "\\u%04X", point);
        text = slice_skip(text, count ? count : 1);
    }
    buffer_add_text(ret, "\"");
}

static void print_text(struct slice text, struct buffer *ret)
{
    if (is_plain(text))
        buffer_add_slice(ret, text);
    else
        print_quoted(text, ret);
}

static void add_indent(struct buffer *ret, int indent)
{
    for (int i = 0; i < indent; i++)
        buffer_add_text(ret, "  ");
}

/* May stand as a literal block: several printable lines, none of them only spaces, the first not indented. */
static bool is_block(struct slice text)
{
    if (!text.n || !memchr(text.p, '\n', text.n) || strchr(" \t\n", text.p[0]))
        return false;
    struct slice rest = text;
    while (rest.n) {
        struct slice line = slice_split(rest, '\n', &rest);
        if (line.n && !slice_trim(line).n)
            return false;
        while (line.n) {
            uint32_t point = 0;
            size_t count = character(line, &point);
            if (!count || !(is_printable(point) || point == '\t'))
                return false;
            line = slice_skip(line, count);
        }
    }
    return true;
}

static void print_block(struct slice text, int indent, struct buffer *ret)
{
    bool ended = text.p[text.n - 1] == '\n', blank_end = slice_ends(text, "\n\n");
    buffer_add_text(ret, !ended ? "|-\n" : blank_end ? "|+\n" : "|\n");
    while (text.n) {
        struct slice line = slice_split(text, '\n', &text);
        if (line.n)
            add_indent(ret, indent);
        buffer_add_slice(ret, line);
        buffer_add_text(ret, "\n");
    }
}

static void print_scalar(const cJSON *value, int indent, struct buffer *ret)
{
    if (cJSON_IsString(value)) {
        struct slice text = slice_of(value->valuestring);
        if (indent > 0 && is_block(text)) {
            print_block(text, indent, ret);
            return;
        }
        print_text(text, ret);
    } else if (cJSON_IsNumber(value)) {
        json_print_number(value->valuedouble, ret);
    } else if (cJSON_IsBool(value)) {
        buffer_add_text(ret, cJSON_IsTrue(value) ? "true" : "false");
    } else {
        buffer_add_text(ret, "null");
    }
    buffer_add_text(ret, "\n");
}

/* What follows "key:" : on the same line for scalars and empty containers, else on lines of its own. */
static void print_member_value(const cJSON *value, int indent, struct buffer *ret)
{
    if (cJSON_IsObject(value) && value->child) {
        buffer_add_text(ret, "\n");
        print_node(value, indent + 1, false, ret);
    } else if (cJSON_IsArray(value) && value->child) {
        buffer_add_text(ret, "\n");
        print_node(value, indent, false, ret);
    } else {
        buffer_add_text(ret, " ");
        print_node(value, indent + 1, false, ret);
    }
}

static void print_member(const cJSON *item, int indent, struct buffer *ret)
{
    AUTO_BUFFER struct buffer key = {0};
    print_text(slice_of(item->string), &key);
    if (key.n > SIMPLE_KEY_MAX) {
        buffer_add_text(ret, "? ");
        buffer_add_slice(ret, buffer_slice(&key));
        buffer_add_text(ret, "\n");
        add_indent(ret, indent);
    } else {
        buffer_add_slice(ret, buffer_slice(&key));
    }
    buffer_add_text(ret, ":");
    print_member_value(item, indent, ret);
}

/* <in_sequence>: the cursor already stands behind "- ", so the first line needs no indent. */
static void print_node(const cJSON *value, int indent, bool in_sequence, struct buffer *ret)
{
    bool object = cJSON_IsObject(value), array = cJSON_IsArray(value);
    if (!object && !array) {
        print_scalar(value, indent, ret);
        return;
    }
    if (!value->child) {
        buffer_add_text(ret, object ? "{}\n" : "[]\n");
        return;
    }
    for (const cJSON *item = value->child; item; item = item->next) {
        if (!in_sequence || item != value->child)
            add_indent(ret, indent);
        if (object) {
            print_member(item, indent, ret);
        } else {
            buffer_add_text(ret, "- ");
            print_node(item, indent + 1, true, ret);
        }
    }
}

void yaml_print(const cJSON *value, struct buffer *ret)
{
    print_node(value, 0, false, ret);
}
