/* SPDX-License-Identifier: MIT */
/* mogstored: keeps files on disks, serves them by HTTP, and answers questions about them on a side channel. */
#include "common/daemon.h"
#include "common/log.h"
#include "mogstored/stored.h"

int main(int argc, char **argv)
{
    struct stored s;
    struct mog_fail f = {0};
    bool is_done = false;
    daemon_open_streams();
    enum mog_err e = stored_load(&s, argc, argv, &is_done, &f);
    if (e == MOG_OK && !is_done)
        e = stored_listen(&s, &f); /* before privileges go */
    if (e == MOG_OK && !is_done)
        e = stored_enter(&s, &f); /* fork before any thread */
    if (e == MOG_OK && !is_done)
        e = stored_start(&s, &f);
    if (e == MOG_OK && !is_done)
        stored_run(&s);
    if (e != MOG_OK)
        log_err("%s", f.text);
    stored_stop(&s);
    return e == MOG_OK ? 0 : e == MOG_EUSAGE ? 2 : 1;
}
