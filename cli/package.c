/* How does a directory become one zip file with a name that stands for its content? */
#include "cli/package.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/random.h"

#define DOS_DATE_1980 0x21 /* 1 January 1980, the format's beginning */
#define UNIX_HOST (3u << 8)
#define VERSION_DEFLATE 20
#define FLAG_UTF8 (1u << 11)
#define METHOD_STORE 0
#define METHOD_DEFLATE 8

/* --- the format --------------------------------------------------------------------------------------------------- */

static void add_u16(struct buffer *out, unsigned value)
{
    unsigned char bytes[2] = {(unsigned char)value, (unsigned char)(value >> 8)};
    buffer_add(out, bytes, sizeof(bytes));
}

static void add_u32(struct buffer *out, size_t value)
{
    add_u16(out, (unsigned)(value & 0xffff));
    add_u16(out, (unsigned)(value >> 16 & 0xffff));
}

static bool deflate_all(struct slice content, struct buffer *ret)
{
    z_stream stream = {0};
    unsigned char part[16384];
    int state = Z_OK;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    stream.next_in = (Bytef *)(uintptr_t)content.p;
    stream.avail_in = (uInt)content.n;
    while (state == Z_OK) {
        stream.next_out = part;
        stream.avail_out = sizeof(part);
        state = deflate(&stream, Z_FINISH);
        buffer_add(ret, part, sizeof(part) - stream.avail_out);
    }
    deflateEnd(&stream);
    return state == Z_STREAM_END;
}

/* The part that the local header (4.3.7) and the central directory (4.3.12) have in common. */
static void add_common(struct buffer *out, unsigned method, struct slice content, size_t packed, size_t name_length)
{
    add_u16(out, VERSION_DEFLATE);
    add_u16(out, FLAG_UTF8);
    add_u16(out, method);
    add_u16(out, 0); /* time */
    add_u16(out, DOS_DATE_1980);
    add_u32(out, crc32(0, (const Bytef *)content.p, (uInt)content.n));
    add_u32(out, packed);
    add_u32(out, content.n);
    add_u16(out, (unsigned)name_length);
    add_u16(out, 0); /* extra */
}

int zip_add(struct zip *zip, const char *name, unsigned mode, struct slice content, struct error *error)
{
    AUTO_BUFFER struct buffer packed = {0};
    size_t name_length = strlen(name), offset = zip->out->n;
    if (name_length > 4096 || content.n > PACKAGE_BYTES_MAX * 4 || zip->count >= PACKAGE_FILES_MAX)
        return error_set(error, ERROR_TOO_LARGE, NULL, "%.200s is too large for a package", name);
    bool deflated = content.n && deflate_all(content, &packed) && packed.n < content.n;
    struct slice bytes = deflated ? buffer_slice(&packed) : content;
    if (bytes.n + name_length > PACKAGE_BYTES_MAX - (zip->out->n < PACKAGE_BYTES_MAX ? zip->out->n : PACKAGE_BYTES_MAX))
        return error_set(error, ERROR_TOO_LARGE, NULL, "the working directory is larger than %zu MiB when packed",
                         PACKAGE_BYTES_MAX >> 20);
    unsigned method = deflated ? METHOD_DEFLATE : METHOD_STORE;
    add_u32(zip->out, 0x04034b50);
    add_common(zip->out, method, content, bytes.n, name_length);
    buffer_add(zip->out, name, name_length);
    buffer_add_slice(zip->out, bytes);
    add_u32(&zip->directory, 0x02014b50);
    add_u16(&zip->directory, UNIX_HOST | VERSION_DEFLATE);
    add_common(&zip->directory, method, content, bytes.n, name_length);
    add_u16(&zip->directory, 0); /* comment */
    add_u16(&zip->directory, 0); /* disk */
    add_u16(&zip->directory, 0); /* internal attributes */
    add_u32(&zip->directory, (size_t)mode << 16);
    add_u32(&zip->directory, offset);
    buffer_add(&zip->directory, name, name_length);
    zip->count++;
    return 0;
}

void zip_finish(struct zip *zip)
{
    size_t offset = zip->out->n, size = zip->directory.n;
    buffer_add_slice(zip->out, buffer_slice(&zip->directory));
    add_u32(zip->out, 0x06054b50); /* end of central directory (4.3.16) */
    add_u16(zip->out, 0);
    add_u16(zip->out, 0);
    add_u16(zip->out, zip->count);
    add_u16(zip->out, zip->count);
    add_u32(zip->out, size);
    add_u32(zip->out, offset);
    add_u16(zip->out, 0);
    buffer_free(&zip->directory);
}

/* --- the directory ------------------------------------------------------------------------------------------------ */

struct walk {
    char root[PATH_MAX]; /* canonical */
    struct zip zip;
    size_t plain_bytes;
    struct error *error;
};

static bool is_left_out(const char *name)
{
    static const char *const names[] = {".", "..", ".git", ".venv", "venv", "__pycache__"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int keep_entry(const struct dirent *entry)
{
    return !is_left_out(entry->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not the locale's order: the result must be the same everywhere */
}

/* A link is followed only to where the directory's own files are. */
static int check_inside(const struct walk *walk, const char *path)
{
    char resolved[PATH_MAX];
    size_t length = strlen(walk->root);
    if (!realpath(path, resolved))
        return error_set(walk->error, ERROR_INVALID, NULL, "%.300s: %s", path, strerrordesc_np(errno));
    if (strncmp(resolved, walk->root, length) == 0 && (resolved[length] == '/' || !resolved[length] || length == 1))
        return 0;
    return error_set(walk->error, ERROR_INVALID, NULL,
                     "%.300s is a link that leads out of the working directory; copy its target or remove it", path);
}

static int add_file(struct walk *walk, const char *path, const char *name, const struct stat *status)
{
    AUTO_BUFFER struct buffer content = {0};
    size_t room = 4 * PACKAGE_BYTES_MAX - walk->plain_bytes;
    if ((size_t)status->st_size > room)
        return error_set(walk->error, ERROR_TOO_LARGE, NULL, "the working directory is larger than %zu MiB: %.200s",
                         4 * PACKAGE_BYTES_MAX >> 20, path);
    int failed = file_read(path, room, &content, walk->error);
    if (failed)
        return failed;
    walk->plain_bytes += content.n;
    return zip_add(&walk->zip, name, S_IFREG | (status->st_mode & 0111 ? 0755u : 0644u), buffer_slice(&content),
                   walk->error);
}

static int add_directory(struct walk *walk, const char *path, const char *prefix, unsigned depth);

static int add_entry(struct walk *walk, const char *path, const char *name, unsigned depth)
{
    struct stat status;
    if (lstat(path, &status) < 0)
        return error_set(walk->error, ERROR_INVALID, NULL, "%.300s: %s", path, strerrordesc_np(errno));
    if (S_ISLNK(status.st_mode)) {
        int failed = check_inside(walk, path);
        if (failed)
            return failed;
        if (stat(path, &status) < 0)
            return error_set(walk->error, ERROR_INVALID, NULL, "%.300s: %s", path, strerrordesc_np(errno));
    }
    if (S_ISREG(status.st_mode))
        return add_file(walk, path, name, &status);
    if (!S_ISDIR(status.st_mode))
        return 0; /* sockets, FIFOs, devices: nothing a job could unpack */
    AUTO_FREE char *directory = memory_format("%s/", name);
    int failed = zip_add(&walk->zip, directory, S_IFDIR | 0755u, (struct slice){"", 0}, walk->error);
    return failed ? failed : add_directory(walk, path, directory, depth + 1);
}

static int add_directory(struct walk *walk, const char *path, const char *prefix, unsigned depth)
{
    struct dirent **entries = NULL;
    if (depth > PACKAGE_DEPTH_MAX)
        return error_set(walk->error, ERROR_INVALID, NULL, "%.300s: deeper than %d directories (a link in a circle?)",
                         path, PACKAGE_DEPTH_MAX);
    int count = scandir(path, &entries, keep_entry, by_bytes), failed = 0;
    if (count < 0)
        return error_set(walk->error, ERROR_INVALID, NULL, "%.300s: %s", path, strerrordesc_np(errno));
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *child = memory_format("%s/%s", path, entries[i]->d_name);
        AUTO_FREE char *name = memory_format("%s%s", prefix, entries[i]->d_name);
        if (!failed && !text_is_utf8(slice_of(name)))
            failed = error_set(walk->error, ERROR_INVALID, NULL, "%.300s: its name is not UTF-8", child);
        if (!failed)
            failed = add_entry(walk, child, name, depth);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int package_make(const char *directory, struct buffer *ret_zip, char ret_name[PACKAGE_NAME_SIZE], struct error *error)
{
    struct walk walk = {.zip = {.out = ret_zip}, .error = error};
    struct stat status;
    char digest[2 * DIGEST_SIZE + 1];
    if (!realpath(directory, walk.root) || stat(walk.root, &status) < 0 || !S_ISDIR(status.st_mode))
        return error_set(error, ERROR_INVALID, "--working-dir", "%.300s is not a directory", directory);
    int failed = add_directory(&walk, walk.root, "", 0);
    if (failed) {
        buffer_free(&walk.zip.directory);
        return failed;
    }
    zip_finish(&walk.zip);
    digest_sha256_hex(buffer_slice(ret_zip), digest);
    snprintf(ret_name, PACKAGE_NAME_SIZE, "_ray_pkg_%.16s.zip", digest);
    return 0;
}
