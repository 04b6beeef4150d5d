/* Where does one item of a list, or one line of a watch, end? */
#include "engine/kubernetes/split.h"

/* --- lists -------------------------------------------------------------------------------------------------------- */

static void capture(struct list_split *split, const char *from, const char *to)
{
    if (split->held.n + (size_t)(to - from) > SPLIT_ITEM_MAX)
        split->broken = true;
    else
        buffer_add(&split->held, from, (size_t)(to - from));
}

static bool key_is(const struct list_split *split, const char *key)
{
    return strcmp(split->key, key) == 0;
}

/* Whether the bracket that has just opened begins something to keep. */
static bool opens_capture(const struct list_split *split, char bracket)
{
    return bracket == '{' &&
           ((split->in_items && split->depth == 3) || (split->depth == 2 && key_is(split, "metadata")));
}

static void emit(struct list_split *split)
{
    split->capturing = false;
    if (!split->in_items) {
        buffer_clear(&split->metadata);
        buffer_add_slice(&split->metadata, buffer_slice(&split->held));
    } else if (!split->broken) {
        split->item(split->context, buffer_slice(&split->held));
    }
    buffer_clear(&split->held);
}

static void open_bracket(struct list_split *split, const char *at, const char **mark)
{
    split->depth++;
    if (split->depth == 2 && *at == '[' && key_is(split, "items"))
        split->in_items = true;
    if (!split->capturing && opens_capture(split, *at)) {
        split->capturing = true;
        *mark = at;
    }
}

static void close_bracket(struct list_split *split, const char *at, const char *mark)
{
    if (split->depth == 0) {
        split->broken = true;
        return;
    }
    split->depth--;
    if (split->capturing && split->depth == (split->in_items ? 2U : 1U)) {
        capture(split, mark, at + 1);
        emit(split);
    }
    if (split->depth == 1)
        split->in_items = false;
    split->complete = split->depth == 0;
}

static void in_string(struct list_split *split, char c)
{
    if (split->escaped)
        split->escaped = false;
    else if (c == '\\')
        split->escaped = true;
    else if (c == '"')
        split->in_string = false;
    if (split->in_string && split->depth == 1 && split->word_length < sizeof(split->word) - 1)
        split->word[split->word_length++] = c;
}

static void outside(struct list_split *split, const char *at, const char **mark)
{
    switch (*at) {
    case '"':
        split->in_string = true;
        if (split->depth == 1)
            split->word_length = 0;
        break;
    case ':':
    case ',':
        if (split->depth == 1) {
            memcpy(split->key, split->word, split->word_length);
            split->key[*at == ':' ? split->word_length : 0] = '\0';
        }
        break;
    case '{':
    case '[':
        open_bracket(split, at, mark);
        break;
    case '}':
    case ']':
        close_bracket(split, at, *mark);
        break;
    default:
        if (split->depth == 0 && *at != '\n' && *at != ' ')
            split->broken = true;
    }
}

void list_split_feed(struct list_split *split, struct slice bytes)
{
    const char *end = bytes.p + bytes.n, *mark = bytes.p;
    for (const char *at = bytes.p; at < end && !split->broken; at++) {
        if (split->in_string)
            in_string(split, *at);
        else
            outside(split, at, &mark);
    }
    if (split->capturing && !split->broken)
        capture(split, mark, end);
}

void list_split_free(struct list_split *split)
{
    buffer_free(&split->metadata);
    buffer_free(&split->held);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void give_line(struct line_split *split, struct slice line)
{
    if (line.n)
        split->line(split->context, line);
}

void line_split_feed(struct line_split *split, struct slice bytes)
{
    while (bytes.n && !split->broken) {
        const char *newline = memchr(bytes.p, '\n', bytes.n);
        size_t length = newline ? (size_t)(newline - bytes.p) : bytes.n;
        if (split->held.n + length > SPLIT_ITEM_MAX) {
            split->broken = true;
            return;
        }
        if (newline && !split->held.n) {
            give_line(split, (struct slice){bytes.p, length});
        } else {
            buffer_add(&split->held, bytes.p, length);
            if (newline) {
                give_line(split, buffer_slice(&split->held));
                buffer_clear(&split->held);
            }
        }
        bytes = slice_skip(bytes, newline ? length + 1 : length);
    }
}

void line_split_free(struct line_split *split)
{
    buffer_free(&split->held);
}
