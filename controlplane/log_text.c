/* What do the lines of a container's log say? */
#include "controlplane/log_text.h"

#include "base/clock.h"
#include "controlplane/limits.h"

struct line {
    struct slice time, text;
    bool partial;
};

static struct line parse_line(struct slice raw)
{
    struct slice rest, stream, tag, time = slice_split(raw, ' ', &rest);
    stream = slice_split(rest, ' ', &rest);
    bool tagged = memchr(rest.p ? rest.p : "", ' ', rest.n) != NULL;
    tag = slice_split(rest, ' ', &rest);
    bool good =
        (slice_is(stream, "stdout") || slice_is(stream, "stderr")) && (slice_is(tag, "F") || slice_is(tag, "P"));
    if (!good)
        return (struct line){.text = raw};
    return (struct line){.time = time, .text = tagged ? rest : (struct slice){"", 0}, .partial = tag.p[0] == 'P'};
}

/* False once the limit is reached: what was over it is cut. */
static bool emit(struct log_text *text, struct slice piece, struct buffer *ret)
{
    if (text->limit_bytes >= 0 && (int64_t)piece.n > text->limit_bytes)
        piece.n = (size_t)text->limit_bytes;
    buffer_add_slice(ret, piece);
    if (text->limit_bytes < 0)
        return true;
    text->limit_bytes -= (int64_t)piece.n;
    return text->limit_bytes > 0;
}

/* conmon writes UTC as "+00:00", a kubelet shows it as "Z", which is what scripts cut off. */
static bool emit_time(struct log_text *text, struct slice time, struct buffer *ret)
{
    bool utc = slice_ends(time, "+00:00");
    time.n -= utc ? strlen("+00:00") : 0;
    return emit(text, time, ret) && emit(text, utc ? SLICE("Z ") : SLICE(" "), ret);
}

static bool is_left_out(const struct log_text *text, struct slice time)
{
    int64_t at_ms;
    if ((text->since_ms <= 0 && text->until_ms <= 0) || !time.n || !clock_parse(time, &at_ms))
        return false;
    return at_ms < text->since_ms || (text->until_ms > 0 && at_ms >= text->until_ms);
}

static bool feed_line(struct log_text *text, struct slice raw, struct buffer *ret)
{
    struct line line = parse_line(raw);
    bool more = true;
    if (!text->inside)
        text->skipping = is_left_out(text, line.time);
    bool begins = !text->inside;
    text->inside = line.partial;
    if (text->skipping)
        return true;
    if (begins && text->timestamps && line.time.n)
        more = emit_time(text, line.time, ret);
    if (more)
        more = emit(text, line.text, ret);
    if (more && !line.partial)
        more = emit(text, SLICE("\n"), ret);
    return more;
}

bool log_text_feed(struct log_text *text, struct slice raw, struct buffer *ret)
{
    if (text->limit_bytes == 0)
        return false;
    while (raw.n) {
        const char *end = memchr(raw.p, '\n', raw.n);
        size_t length = end ? (size_t)(end - raw.p) : raw.n;
        struct slice piece = {raw.p, length};
        raw = slice_skip(raw, length + (end != NULL));
        bool whole = end != NULL || text->carry.n + length > LIMIT_LOG_LINE;
        if (text->carry.n || !whole) {
            buffer_add_slice(&text->carry, piece);
            piece = buffer_slice(&text->carry);
        }
        if (!whole)
            return true;
        bool more = feed_line(text, piece, ret);
        buffer_clear(&text->carry);
        if (!more)
            return false;
    }
    return true;
}

void log_text_free(struct log_text *text)
{
    buffer_free(&text->carry);
}

size_t log_text_tail(struct slice raw, int64_t lines)
{
    size_t start = raw.n, end = raw.n;
    if (lines <= 0)
        return raw.n;
    if (end && raw.p[end - 1] == '\n')
        end--;
    for (;;) {
        const char *newline = end ? memrchr(raw.p, '\n', end) : NULL;
        size_t begin = newline ? (size_t)(newline - raw.p) + 1 : 0;
        struct line line = parse_line((struct slice){raw.p + begin, end - begin});
        /* A full line, or an unfinished one at the very end, is one line; the pieces before it belong to it. */
        bool counts = !line.partial || start == raw.n;
        if (counts && lines-- == 0)
            return start;
        start = begin;
        if (begin == 0)
            return 0;
        end = begin - 1;
    }
}
