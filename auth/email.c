/* Can this text be somebody's e-mail address, and how is it written when two are compared? */
#include "auth/internal.h"

/* RFC 5322 atext; quoted local parts are refused: nobody has one, and parsers disagree about them (CVE-2026-40574). */
static bool is_atext(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+/=?^_`{|}~-", c));
}

static bool valid_local(struct slice local)
{
    if (local.n < 1 || local.n > EMAIL_LOCAL_MAX || local.p[0] == '.' || local.p[local.n - 1] == '.')
        return false;
    for (size_t i = 0; i < local.n; i++)
        if (!is_atext(local.p[i]) && (local.p[i] != '.' || local.p[i - 1] == '.'))
            return false;
    return true;
}

/* Letters, digits and hyphens (RFC 1123), at least two labels; an internationalised name comes as punycode or not at
 * all, so that no two spellings look the same. */
static bool valid_domain(struct slice domain)
{
    struct slice label = {0}, rest = domain;
    size_t labels = 0;
    if (slice_is(domain, "localhost")) /* the default administrator's */
        return true;
    if (domain.n == 0 || domain.p[domain.n - 1] == '.')
        return false;
    for (; rest.n > 0; labels++) {
        label = slice_split(rest, '.', &rest);
        if (!name_is_label(label))
            return false;
    }
    bool digits = true;
    for (size_t i = 0; i < label.n; i++)
        digits = digits && label.p[i] >= '0' && label.p[i] <= '9';
    return labels >= 2 && !digits; /* 192.0.2.1 is an address, not a name */
}

int auth_email_check(struct slice email, char ret[255], struct error *error)
{
    char lower[EMAIL_MAX + 1];
    if (email.n < 3 || email.n > EMAIL_MAX)
        return error_set(error, ERROR_INVALID, "email", "expected an e-mail address of at most %d characters",
                         EMAIL_MAX);
    for (size_t i = 0; i < email.n; i++)
        lower[i] = (char)(email.p[i] >= 'A' && email.p[i] <= 'Z' ? email.p[i] + ('a' - 'A') : email.p[i]);
    lower[email.n] = '\0';
    struct slice domain, whole = {lower, email.n};
    struct slice local = slice_split(whole, '@', &domain);
    if (memchr(lower, '\0', email.n) || !valid_local(local) || !valid_domain(domain))
        return error_set(error, ERROR_INVALID, "email",
                         "expected an e-mail address like alice@example.com: one '@', plain ASCII, a complete domain");
    memcpy(ret, lower, email.n + 1);
    return 0;
}
