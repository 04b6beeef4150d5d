/* Does this GET show more of a Ray cluster than a viewer may see? */
#include "gateway/ray_paths.h"

#include "gateway/limits.h"

/* The dashboard decodes once and knows no empty segments; so do we, and in lower case, which only refuses more. */
static size_t normalise(struct slice raw, char *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char byte = (unsigned char)raw.p[i], high, low;
        if (byte == '%' && raw.n - i > 2) {
            high = (unsigned char)raw.p[i + 1];
            low = (unsigned char)raw.p[i + 2];
            high = (unsigned char)(high <= '9' ? high - '0' : (high | 32) - 'a' + 10);
            low = (unsigned char)(low <= '9' ? low - '0' : (low | 32) - 'a' + 10);
            byte = (unsigned char)(high << 4 | low);
            i += 2;
        }
        if (byte >= 'A' && byte <= 'Z')
            byte = (unsigned char)(byte + 32);
        if (byte == '/' && count > 0 && ret[count - 1] == '/')
            continue;
        ret[count++] = (char)byte;
    }
    return count;
}

static bool contains(const char *text, size_t count, const char *word)
{
    return memmem(text, count, word, strlen(word)) != NULL;
}

bool ray_path_is_sensitive(struct slice tail, struct slice query)
{
    /* Anywhere in the path: /worker/traceback, /task/cpu_profile, /memory_profile, and what later versions add. */
    static const char *const words[] = {"traceback", "_profile", "profiling/", "runtime_env", "/packages", "environ"};
    char path[LIMIT_TARGET_BYTES], asked[LIMIT_TARGET_BYTES];
    if (tail.n > sizeof(path) || query.n > sizeof(asked))
        return true;
    size_t count = normalise(tail, path);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (contains(path, count, words[i]))
            return true;
    /* Log files: those of the environment agent, and of its set-up of a job's environment. */
    bool logs = contains(path, count, "/logs");
    size_t asked_count = normalise(query, asked);
    return logs && (contains(path, count, "env") || contains(asked, asked_count, "env"));
}
