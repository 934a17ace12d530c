/* SPDX-License-Identifier: MIT */
/* The numbers of commands, as text for monitoring. */
#include "tracker/cmd/cmd.h"

static const char *name_of(size_t i)
{
    for (size_t k = 0; cmd_table()[k].name != NULL; k++) {
        if (k == i)
            return cmd_table()[k].name;
    }
    return i == CMD_METRICS - 1 ? "unknown" : NULL;
}

void cmd_metrics_write(const struct cmd_metrics *m, struct buf *out)
{
    struct buf label = BUF_ZERO;
    metric_head(out, "mogilefsd_command_seconds", "histogram",
                "Time that commands of clients took, without that until they were taken.");
    for (size_t i = 0; i < CMD_METRICS; i++) {
        if (name_of(i) == NULL || metric_count(&m->seconds[i]) == 0)
            continue;
        buf_reset(&label);
        metric_label(&label, "command", span_of(name_of(i)));
        metric_write_histogram(out, "mogilefsd_command_seconds", buf_cstr(&label), &m->seconds[i]);
    }
    metric_head(out, "mogilefsd_command_errors_total", "counter", "Commands that were answered with ERR.");
    for (size_t i = 0; i < CMD_METRICS; i++) {
        if (name_of(i) == NULL || metric_count(&m->seconds[i]) == 0)
            continue;
        buf_reset(&label);
        metric_label(&label, "command", span_of(name_of(i)));
        metric_u64(out, "mogilefsd_command_errors_total", buf_cstr(&label), metric_get(&m->errors[i]));
    }
    buf_fini(&label);
}
