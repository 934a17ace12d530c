/* SPDX-License-Identifier: MIT */
/* The numbers of the background jobs, for monitoring. */
#include "tracker/job/job_priv.h"

static const char *const result_words[] = {[JOB_DONE] = "done", [JOB_FAILED] = "failed", [JOB_POSTPONED] = "postponed"};

void jobs_pool_numbers(struct jobs *j, enum job_kind kind, struct jobs_pool_numbers *out)
{
    struct pool *p = j->pools[kind];
    *out = (struct jobs_pool_numbers){
        .running = pool_running(p), .wanted = pool_wanted(p), .busy = pool_busy(p), .waiting = pool_waiting(p)};
}

uint64_t jobs_finished(struct jobs *j, enum store_queue q)
{
    return metric_get(&j->results[q][JOB_DONE]);
}

uint64_t jobs_copied_bytes(struct jobs *j)
{
    return metric_get(&j->copied_bytes);
}

static void results(struct jobs *j, enum store_queue q, struct buf *out)
{
    for (size_t r = 0; r < JOB_RESULTS; r++) {
        struct buf label = BUF_ZERO;
        metric_label(&label, "queue", span_of(jobs_queue_name(q)));
        metric_label(&label, "result", span_of(result_words[r]));
        metric_u64(out, "mogilefsd_job_items_total", buf_cstr(&label), metric_get(&j->results[q][r]));
        buf_fini(&label);
    }
}

void jobs_metrics_write(struct jobs *j, struct buf *out)
{
    metric_head(out, "mogilefsd_job_items_total", "counter", "Items of the queues that this tracker took, by outcome.");
    for (size_t q = 0; q < JOB_QUEUES; q++)
        results(j, (enum store_queue)q, out);
    metric_head(out, "mogilefsd_job_seconds", "histogram", "Time that one item took.");
    for (size_t q = 0; q < JOB_QUEUES; q++) {
        struct buf label = BUF_ZERO;
        metric_label(&label, "queue", span_of(jobs_queue_name((enum store_queue)q)));
        metric_write_histogram(out, "mogilefsd_job_seconds", buf_cstr(&label), &j->seconds[q]);
        buf_fini(&label);
    }
    metric_head(out, "mogilefsd_job_held_back_seconds_total", "counter",
                "Time that workers waited with an item because clients waited longer beside such work.");
    for (size_t q = 0; q < JOB_QUEUES; q++) {
        struct buf label = BUF_ZERO;
        metric_label(&label, "queue", span_of(jobs_queue_name((enum store_queue)q)));
        metric_double(out, "mogilefsd_job_held_back_seconds_total", buf_cstr(&label),
                      (double)metric_get(&j->held_back_us[q]) / 1e6);
        buf_fini(&label);
    }
    metric_total(out, "mogilefsd_copied_bytes_total", "Bytes of files copied between devices.",
                 metric_get(&j->copied_bytes));
    metric_total(out, "mogilefsd_reaped_files_total",
                 "Copies on dead devices that were given up and queued for replication.", metric_get(&j->reaped_fids));
}
