/* Which known word may have been meant? */
#include "base/nearest.h"

static size_t distance_of(struct slice a, struct slice b)
{
    size_t row[NEAREST_WORD_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replaced = diagonal + (a.p[i - 1] != b.p[j - 1]);
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    return row[b.n];
}

void nearest_offer(struct nearest *nearest, struct slice known)
{
    struct slice word = slice_of(nearest->word);
    size_t slips = known.n < 4 ? 1 : known.n / 3 + 1;
    if (word.n > NEAREST_WORD_MAX || known.n > NEAREST_WORD_MAX)
        return;
    size_t distance = distance_of(word, known);
    if (distance > slips || distance >= known.n || (nearest->meant[0] && distance >= nearest->distance))
        return;
    snprintf(nearest->meant, sizeof(nearest->meant), "%.*s", (int)known.n, known.p);
    nearest->distance = distance;
}
