/* What does nft(8) have to be told so that pods reach what they may, and nothing else? */
#include "engine/local/sandboxd/firewall.h"

static const char head[] = /* the first two lines: a table that is not there cannot be deleted */
    "table inet atelier {}\n"
    "delete table inet atelier\n"
    "table inet atelier {\n"
    "  chain input {\n"
    "    type filter hook input priority filter; policy accept;\n"
    "    iifname \"" BOX_OUTSIDE_LINK "\" drop\n"
    "  }\n"
    "  chain output {\n"
    "    type filter hook output priority filter; policy accept;\n"
    "    oifname \"" BOX_OUTSIDE_LINK "\" drop\n"
    "  }\n"
    "  chain leave {\n"
    "    type nat hook postrouting priority srcnat;\n"
    "    oifname \"" BOX_OUTSIDE_LINK "\" masquerade\n"
    "  }\n"
    "  chain forward {\n"
    "    type filter hook forward priority filter; policy drop;\n"
    "    meta nfproto != ipv4 drop\n"
    "    iifname \"br0\" oifname \"br0\" accept\n"
    "    iifname \"" BOX_OUTSIDE_LINK "\" oifname \"br0\" ct state established,related accept\n"
    "    iifname != \"br0\" drop\n"
    "    oifname != \"" BOX_OUTSIDE_LINK "\" drop\n"
    "    ip saddr != 10.64.0.0/16 drop\n";
static const char refusal[] = "reject with icmpx type admin-prohibited\n";

static void add_range(struct buffer *ret, struct outbound_range range)
{
    uint32_t n = range.network;
    buffer_add_format(ret, "%u.%u.%u.%u/%u", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255, range.prefix);
}

static void refuse_range(struct buffer *ret, struct outbound_range range)
{
    buffer_add_text(ret, "    ip daddr ");
    add_range(ret, range);
    buffer_add_format(ret, " %s", refusal);
}

static void allow(struct buffer *ret, const struct outbound_rule *rule)
{
    buffer_add_text(ret, "    ip daddr ");
    add_range(ret, rule->range);
    if (rule->port)
        buffer_add_format(ret, " meta l4proto { tcp, udp } th dport %u", rule->port);
    buffer_add_text(ret, " accept\n");
}

void box_firewall_render(const struct outbound_policy *policy, const uint32_t *own, size_t own_count,
                         struct buffer *ret)
{
    buffer_add_text(ret, head);
    if (policy->count)
        buffer_add_text(ret, "    ip daddr " BOX_OUTSIDE_GATEWAY " meta l4proto { tcp, udp } th dport 53 accept\n");
    for (size_t i = 0; i < own_count; i++)
        refuse_range(ret, (struct outbound_range){own[i], 32});
    for (size_t i = 0; i < outbound_never_count; i++)
        refuse_range(ret, outbound_never[i]);
    for (size_t i = 0; i < policy->count; i++)
        allow(ret, &policy->rules[i]);
    buffer_add_format(ret, "    %s  }\n}\n", refusal);
}
