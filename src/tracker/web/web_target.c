/* SPDX-License-Identifier: MIT */
/* What stands in requests for files: domain and key in the path, a type by the key's ending, entity tags. Pure. */
#include "tracker/web/web_target.h"

#include "common/urlenc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum mog_err decode(struct span text, bool plus_is_blank, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        if (byte == '%') {
            if (i + 2 >= text.len || urlenc_unhex(span_make(text.ptr + i + 1, 2), &byte, 1) != MOG_OK)
                return MOG_ESYNTAX;
            i += 2;
        } else if (byte == '+' && plus_is_blank) {
            byte = ' ';
        }
        buf_char(out, (char)byte);
    }
    return MOG_OK;
}

enum mog_err web_target_parse(struct span path, struct buf *domain, struct buf *key)
{
    if (path.len < 2 || path.ptr[0] != '/')
        return MOG_ESYNTAX;
    const char *start = path.ptr + 1, *slash = memchr(start, '/', path.len - 1);
    if (slash == NULL || slash == start)
        return MOG_ESYNTAX;
    struct span rest = span_make(slash + 1, path.len - (size_t)(slash + 1 - path.ptr));
    if (rest.len == 0)
        return MOG_ESYNTAX;
    enum mog_err e = decode(span_make(start, (size_t)(slash - start)), false, domain);
    return e == MOG_OK ? decode(rest, false, key) : e;
}

enum mog_err web_target_query(struct span query, const char *name, struct buf *out)
{
    struct span part, key;
    while (span_split(&query, '&', &part)) {
        struct span value = part;
        if (span_split(&value, '=', &key) && span_is(key, name))
            return value.ptr != NULL ? decode(value, true, out) : MOG_OK;
    }
    return MOG_ENOTFOUND;
}

static const struct {
    const char *ending, *type;
} types[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"heic", "image/heic"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"md", "text/markdown"},
    {"mjs", "text/javascript"},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"rtf", "application/rtf"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ts", "video/mp2t"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

const char *web_target_type(struct span key)
{
    size_t at = key.len;
    while (at > 0 && key.ptr[at - 1] != '.' && key.ptr[at - 1] != '/')
        at--;
    bool has_ending = at > 0 && key.ptr[at - 1] == '.';
    struct span ending = span_make(key.ptr + at, key.len - at);
    for (size_t i = 0; has_ending && i < sizeof(types) / sizeof(types[0]); i++) {
        if (span_is_nocase(ending, types[i].ending))
            return types[i].type;
    }
    return "application/octet-stream";
}

void web_target_etag(char *out, uint64_t fid)
{
    (void)snprintf(out, WEB_ETAG_SIZE, "\"%" PRIx64 "\"", fid);
}

bool web_target_matches(const char *header, const char *etag)
{
    struct span rest = span_of(header), part;
    if (header == NULL)
        return false;
    while (span_split(&rest, ',', &part)) {
        part = span_trim(part);
        if (span_starts(part, "W/"))
            part = span_make(part.ptr + 2, part.len - 2);
        if (span_is(part, "*") || span_is(part, etag))
            return true;
    }
    return false;
}
