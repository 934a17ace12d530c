/* SPDX-License-Identifier: MIT */
/* Answers of one short line, and what all answers have in common. */
#include "mogstored/http_request.h"

#include <stdio.h>
#include <string.h>

enum MHD_Result reply_queue(struct request *r, int status, struct MHD_Response *response, bool closes)
{
    if (!response)
        return MHD_NO;
    /* Told outright, since clients of HTTP/1.0 age look for the word. */
    (void)MHD_set_response_options(response, MHD_RF_SEND_KEEP_ALIVE_HEADER, MHD_RO_END);
    (void)MHD_add_response_header(response, "Server", "mogstored/" MOG_VERSION);
    if (closes || r->conn->is_surplus || atomic_load(&r->http->is_quiescing))
        (void)MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(r->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    r->is_answered = true;
    http_conn_enter(r->conn, HTTP_PHASE_BUSY);
    return queued;
}

enum MHD_Result reply_answer(struct request *r)
{
    const struct answer *a = &r->answer;
    if (r->method && r->method->begin == get_begin && !a->text)
        return get_reply(r);
    char line[sizeof r->fail.text + 2] = "", number[24];
    size_t len = 0;
    if (a->text) {
        snprintf(line, sizeof line, "%s\n", a->text);
        len = strlen(line);
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(len, line, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    if (len > 0)
        (void)MHD_add_response_header(response, "Content-Type", "text/plain");
    if (a->status == 503) {
        snprintf(number, sizeof number, "%d", HTTP_RETRY_AFTER_S);
        (void)MHD_add_response_header(response, "Retry-After", number);
    }
    if (a->status == 405)
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD, OPTIONS");
    else if (r->method && strcmp(r->method->name, "OPTIONS") == 0)
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD, PUT, DELETE, OPTIONS");
    return reply_queue(r, a->status, response, a->closes);
}
