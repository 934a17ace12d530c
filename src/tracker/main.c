/* SPDX-License-Identifier: MIT */
/* mogilefsd, the tracker: the table of contents. */
#include "tracker/tracker.h"

#include "common/daemon.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct mog_fail f = {0};
    daemon_open_streams();
    struct tracker *t = tracker_new();
    enum mog_err e = tracker_load(t, argc, argv, &f);
    if (e == MOG_OK)
        e = tracker_check_user(t, &f);
    if (e == MOG_OK)
        e = tracker_check_database(t, &f);
    if (e == MOG_OK)
        e = tracker_listen(t, &f);
    if (e == MOG_OK)
        e = tracker_enter(t, &f);
    if (e == MOG_OK)
        e = tracker_run(t, &f);
    tracker_free(t);
    if (e == MOG_OK || e == MOG_ECANCELED)
        return 0;
    (void)fprintf(stderr, "%s\n", f.text);
    return 1;
}
