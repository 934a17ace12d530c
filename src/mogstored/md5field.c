/* SPDX-License-Identifier: MIT */
/* The header Content-MD5: base64 of the sixteen bytes. */
#include "mogstored/md5field.h"

#include <string.h>

#include <openssl/evp.h>

enum { TEXT_LEN = MD5FIELD_TEXT_SIZE - 1 };

static bool is_base64(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

enum mog_err md5field_parse(struct span value, uint8_t out[MD5FIELD_BYTES])
{
    unsigned char padded[TEXT_LEN + 3], bytes[18];
    bool is_padded = value.len == TEXT_LEN + 2 && memcmp(value.ptr + TEXT_LEN, "==", 2) == 0;
    if (value.len != TEXT_LEN && !is_padded)
        return MOG_ESYNTAX;
    for (size_t i = 0; i < TEXT_LEN; i++) {
        if (!is_base64(value.ptr[i]))
            return MOG_ESYNTAX;
    }
    memcpy(padded, value.ptr, TEXT_LEN);
    memcpy(padded + TEXT_LEN, "==", 3);
    if (EVP_DecodeBlock(bytes, padded, sizeof padded - 1) != (int)sizeof bytes)
        return MOG_ESYNTAX;
    memcpy(out, bytes, MD5FIELD_BYTES);
    return MOG_OK;
}

void md5field_format(const uint8_t digest[MD5FIELD_BYTES], char *out)
{
    unsigned char text[TEXT_LEN + 3];
    EVP_EncodeBlock(text, digest, MD5FIELD_BYTES);
    memcpy(out, text, TEXT_LEN);
    out[TEXT_LEN] = '\0';
}
