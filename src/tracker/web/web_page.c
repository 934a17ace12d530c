/* SPDX-License-Identifier: MIT */
/* The page about the cluster: four files, which load nothing from elsewhere and write nothing. */
#include "tracker/web/web_page.h"

#include "tracker/web/web_priv.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *path, *name, *type;
} files[] = {
    {"/", "page.html", "text/html; charset=utf-8"},
    {"/page.css", "page.css", "text/css; charset=utf-8"},
    {"/page.js", "page.js", "text/javascript; charset=utf-8"},
    {"/icon.svg", "icon.svg", "image/svg+xml"},
};

/* Scripts and styles from this origin's own files alone: what comes with a name of a host or a key never runs. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *text_of(const char *name)
{
    const struct embedded_text *t = embedded_page;
    while (t->name != NULL && strcmp(t->name, name) != 0)
        t++;
    return t->text;
}

void web_page_begin(struct web_request *r)
{
    size_t i = 0;
    while (!span_is(r->path, files[i].path))
        i++;
    const char *text = text_of(files[i].name);
    if (text == NULL)
        abort(); /* left out of the build */
    web_answer(r, 200, MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT));
    web_answer_header(r, "Content-Type", files[i].type);
    web_answer_header(r, "Content-Security-Policy", policy);
    web_answer_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    web_answer_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    web_answer_header(r, "Referrer-Policy", "no-referrer");
    web_answer_header(r, "Cache-Control", "no-cache");
}
