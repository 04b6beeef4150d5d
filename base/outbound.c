/* Which addresses and ports does a policy for outbound connections allow? */
#include "base/outbound.h"

#include <arpa/inet.h>

const struct outbound_range outbound_never[] = {
    {0x00000000, 8},  /* this network */
    {0x0A000000, 8},  /* private; also every sandbox's own */
    {0x64400000, 10}, /* shared by a provider's customers */
    {0x7F000000, 8},  /* loopback */
    {0xA9FE0000, 16}, /* link-local: cloud metadata */
    {0xAC100000, 12}, /* private */
    {0xC0000000, 24}, /* protocol assignments */
    {0xC0A80000, 16}, /* private */
    {0xC6120000, 15}, /* benchmarks */
    {0xE0000000, 4},  /* multicast */
    {0xF0000000, 4},  /* reserved, and broadcast */
};
const size_t outbound_never_count = COUNT_OF(outbound_never);

static uint32_t mask_of(unsigned prefix)
{
    return prefix ? ~(uint32_t)0 << (32 - prefix) : 0;
}

/* Whether <inner> lies in <outer>. Two ranges nest or share nothing. */
static bool lies_in(struct outbound_range inner, struct outbound_range outer)
{
    return inner.prefix >= outer.prefix && (inner.network & mask_of(outer.prefix)) == outer.network;
}

static bool parse_rule(struct slice entry, struct outbound_rule *ret)
{
    struct slice port, prefix;
    struct slice address = slice_split(slice_split(entry, ':', &port), '/', &prefix);
    char text[INET_ADDRSTRLEN];
    struct in_addr network;
    int64_t bits, number;
    if (!address.n || address.n >= sizeof(text) || !text_parse_i64(prefix, 0, 32, &bits) ||
        !text_parse_i64(port, 1, 65535, &number))
        return false;
    memcpy(text, address.p, address.n);
    text[address.n] = '\0';
    if (inet_pton(AF_INET, text, &network) != 1)
        return false;
    *ret = (struct outbound_rule){.range = {ntohl(network.s_addr), (unsigned)bits}, .port = (uint16_t)number};
    return (ret->range.network & ~mask_of(ret->range.prefix)) == 0;
}

static bool is_never(struct outbound_range range)
{
    for (size_t i = 0; i < outbound_never_count; i++)
        if (lies_in(range, outbound_never[i]))
            return true;
    return false;
}

static void add_once(struct outbound_policy *policy, struct outbound_rule rule)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct outbound_rule *at = &policy->rules[i];
        if (at->range.network == rule.range.network && at->range.prefix == rule.range.prefix && at->port == rule.port)
            return;
    }
    if (policy->count < OUTBOUND_RULES_MAX)
        policy->rules[policy->count++] = rule;
}

static int parse_entry(struct slice entry, const char *field, struct outbound_policy *policy, struct error *error)
{
    struct outbound_rule rule;
    char shown[48];
    text_printable(entry, shown, sizeof(shown));
    if (!parse_rule(entry, &rule))
        return error_set(error, ERROR_INVALID, field, "%s: \"%s\": expected %s", field, shown, OUTBOUND_EXPECTED);
    if (is_never(rule.range))
        return error_set(error, ERROR_INVALID, field, "%s: \"%s\" is a range that is never reachable from pods", field,
                         shown);
    add_once(policy, rule);
    return 0;
}

static int parse_list(struct slice rest, const char *field, struct outbound_policy *policy, struct error *error)
{
    int r = 0;
    for (size_t entries = 0; r == 0 && rest.n; entries++) {
        if (entries == OUTBOUND_ENTRIES_MAX)
            return error_set(error, ERROR_INVALID, field, "%s: expected at most %d entries", field,
                             OUTBOUND_ENTRIES_MAX);
        r = parse_entry(slice_trim(slice_split(rest, ',', &rest)), field, policy, error);
    }
    return r;
}

int outbound_parse(struct slice text, const char *field, struct outbound_policy *ret, struct error *error)
{
    struct outbound_policy policy = {0};
    struct slice words = slice_trim(text);
    int r = 0;
    if (!words.n)
        r = error_set(error, ERROR_INVALID, field, "%s: expected %s", field, OUTBOUND_EXPECTED);
    else if (slice_is(words, "on"))
        policy.count = 1;
    else if (!slice_is(words, "off"))
        r = parse_list(words, field, &policy, error);
    if (r == 0)
        *ret = policy;
    return r;
}

void outbound_meet(const struct outbound_policy *a, const struct outbound_policy *b, struct outbound_policy *ret)
{
    struct outbound_policy both = {0};
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++) {
            const struct outbound_rule *x = &a->rules[i], *y = &b->rules[j];
            if (x->port && y->port && x->port != y->port)
                continue;
            struct outbound_rule rule = {.port = x->port ? x->port : y->port};
            if (lies_in(x->range, y->range))
                rule.range = x->range;
            else if (lies_in(y->range, x->range))
                rule.range = y->range;
            else
                continue;
            add_once(&both, rule);
        }
    *ret = both;
}

void outbound_print(const struct outbound_policy *policy, struct buffer *ret)
{
    if (!policy->count)
        buffer_add_text(ret, "off");
    for (size_t i = 0; i < policy->count; i++) {
        const struct outbound_rule *at = &policy->rules[i];
        uint32_t n = at->range.network;
        if (!at->port)
            buffer_add_text(ret, "on");
        else
            buffer_add_format(ret, "%s%u.%u.%u.%u/%u:%u", i ? "," : "", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255,
                              at->range.prefix, at->port);
    }
}
