/* SPDX-License-Identifier: MIT */
/* The side channel: its loop, its connections and the watchers' stream. */
#include "mogstored/side.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "mogstored/devices.h"
#include "mogstored/settings.h"
#include "mogstored/side_client.h"

void side_reply(struct side_client *c, const char *fmt, ...)
{
    va_list ap;
    struct evbuffer *out = bufferevent_get_output(c->io);
    va_start(ap, fmt);
    (void)evbuffer_add_vprintf(out, fmt, ap);
    va_end(ap);
    (void)evbuffer_add(out, "\r\n", 2);
}

static void client_close(struct side_client *c)
{
    struct side *s = c->side;
    if (c->work) {
        atomic_store(&c->work->task.is_canceled, true);
        c->work->client = NULL;
    }
    if (c->prev)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    bufferevent_free(c->io);
    free(c);
    s->clients--;
}

/* Cut the next line off the input into `line` (freed by the caller). NULL: none is complete. */
static char *take_line(struct side_client *c, size_t *len, bool *is_too_long)
{
    struct evbuffer *in = bufferevent_get_input(c->io);
    struct evbuffer_ptr end = evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_LF);
    size_t have = end.pos >= 0 ? (size_t)end.pos : evbuffer_get_length(in);
    *is_too_long = have > SIDE_LINE_MAX;
    if (*is_too_long || end.pos < 0)
        return NULL;
    char *line = evbuffer_readln(in, len, EVBUFFER_EOL_LF);
    if (line && *len > 0 && line[*len - 1] == '\r')
        line[--*len] = '\0';
    return line;
}

/* Run what has come, one command at a time, as long as the client takes the answers. May free `c`. */
static void client_step(struct side_client *c)
{
    struct evbuffer *out = bufferevent_get_output(c->io);
    while (!c->work && !c->is_watcher && !c->is_closing && evbuffer_get_length(out) < SIDE_OUTPUT_MAX) {
        size_t len;
        bool is_too_long;
        char *line = take_line(c, &len, &is_too_long);
        if (is_too_long) {
            side_reply(c, "ERROR: line too long");
            c->is_closing = true;
        }
        if (!line)
            break;
        c->active_mono_ms = clock_mono_ms();
        side_run_command(c, span_make(line, len));
        free(line);
    }
    if (c->is_watcher)
        (void)evbuffer_drain(bufferevent_get_input(c->io), SIZE_MAX);
    bool is_done = c->is_closing || (c->has_ended && !c->work);
    if (is_done && evbuffer_get_length(out) == 0)
        client_close(c);
}

static void on_read(struct bufferevent *io, void *arg)
{
    (void)io;
    client_step(arg);
}

static void on_written(struct bufferevent *io, void *arg)
{
    (void)io;
    client_step(arg);
}

static void on_event(struct bufferevent *io, short what, void *arg)
{
    struct side_client *c = arg;
    (void)io;
    if ((what & BEV_EVENT_EOF) && !c->is_watcher) {
        /* It may be one that closes only its own side, and waits for the answers. */
        c->has_ended = true;
        c->ended_mono_ms = clock_mono_ms();
        client_step(c);
    } else {
        client_close(c);
    }
}

/* Make room for one more: who has said nothing for longest goes, unless it watches or waits. */
static bool drop_idlest(struct side *s)
{
    int64_t now = clock_mono_ms();
    struct side_client *idlest = NULL;
    for (struct side_client *c = s->first; c; c = c->next) {
        if (!c->work && !c->is_watcher && now - c->active_mono_ms >= SIDE_FRESH_MS &&
            (!idlest || c->active_mono_ms < idlest->active_mono_ms))
            idlest = c;
    }
    if (idlest)
        client_close(idlest);
    return idlest != NULL;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    struct side *s = arg;
    int on = 1;
    (void)listener;
    (void)len;
    if (!settings_is_allowed(s->opts.settings, sa) || (s->clients >= s->opts.max_clients && !drop_idlest(s))) {
        close(fd);
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct side_client *c = mem_calloc(1, sizeof *c);
    c->side = s;
    c->io = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->io) {
        close(fd);
        free(c);
        return;
    }
    c->next = s->first;
    if (c->next)
        c->next->prev = c;
    s->first = c;
    s->clients++;
    c->active_mono_ms = clock_mono_ms();
    bufferevent_setcb(c->io, on_read, on_written, on_event, c);
    bufferevent_setwatermark(c->io, EV_READ, 0, SIDE_READ_MAX);
    (void)bufferevent_enable(c->io, EV_READ | EV_WRITE);
}

static void on_hear_again(evutil_socket_t fd, short what, void *arg)
{
    struct side *s = arg;
    (void)fd;
    (void)what;
    if (s->listener)
        (void)evconnlistener_enable(s->listener);
}

/* Who waits in the kernel stays there, so that we would be told again at once, and fill the log. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    static const struct timeval pause = {.tv_usec = SIDE_DEAF_MS * 1000};
    struct side *s = arg;
    int err = errno;
    int64_t now = clock_mono_ms();
    (void)drop_idlest(s);
    if (event_base_once(s->base, -1, EV_TIMEOUT, on_hear_again, s, &pause) == 0)
        (void)evconnlistener_disable(listener);
    if (s->accept_logged_mono_ms != 0 && now - s->accept_logged_mono_ms < SIDE_ACCEPT_LOG_MS)
        return;
    s->accept_logged_mono_ms = now;
    log_warn("side: cannot accept connections: %s; tried again every 0.1 s, idle ones are closed", strerror(err));
}

/* One block: "<devid> TAB <utilisation>" for each device, then a dot. Bare line feeds, as trackers want it. */
static void format_block(struct side *s, struct buf *out)
{
    size_t n;
    struct device **list = devices_list(s->opts.devices, &n);
    for (size_t i = 0; i < n; i++) {
        char disk[MOUNT_DISK_SIZE];
        double per_cent;
        pthread_mutex_lock(&list[i]->lock);
        memcpy(disk, list[i]->disk, sizeof disk);
        pthread_mutex_unlock(&list[i]->lock);
        if (s->opts.has_iostat && disk[0] != '\0' && iostat_find(s->iostat, disk, &per_cent))
            buf_printf(out, "%u\t%.2f\n", list[i]->id, per_cent);
        else
            buf_printf(out, "%u\t-\n", list[i]->id);
    }
    buf_str(out, ".\n");
    free(list);
}

/* Close those that nobody waits for any more. */
static void leave(struct side *s, int64_t now)
{
    if (s->listener)
        evconnlistener_free(s->listener);
    s->listener = NULL;
    for (struct side_client *c = s->first, *next; c; c = next) {
        next = c->next;
        bool is_idle = !c->work && evbuffer_get_length(bufferevent_get_output(c->io)) == 0 &&
                       now - c->active_mono_ms >= SIDE_LEAVE_IDLE_MS;
        if (c->is_watcher || is_idle)
            client_close(c);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct side *s = arg;
    struct buf block = BUF_ZERO;
    int64_t now = clock_mono_ms();
    (void)fd;
    (void)what;
    if (atomic_load(&s->is_quiescing))
        leave(s, now);
    if (s->opts.has_iostat)
        iostat_sample(s->iostat);
    for (struct side_client *c = s->first, *next; c; c = next) {
        next = c->next;
        if (c->is_watcher) {
            if (block.len == 0)
                format_block(s, &block);
            /* A reader that is behind misses whole blocks. */
            if (evbuffer_get_length(bufferevent_get_output(c->io)) == 0)
                (void)bufferevent_write(c->io, block.data, block.len);
        } else if (c->has_ended && now - c->ended_mono_ms > SIDE_EOF_GRACE_MS) {
            client_close(c);
        }
    }
    buf_fini(&block);
}

void side_post(struct side_work *w)
{
    struct side *s = w->side;
    uint64_t one = 1;
    pthread_mutex_lock(&s->lock);
    w->next = s->mailbox;
    s->mailbox = w;
    (void)!write(s->mail_fd, &one, sizeof one);
    pthread_mutex_unlock(&s->lock);
}

static void take_mail(struct side *s)
{
    pthread_mutex_lock(&s->lock);
    struct side_work *list = s->mailbox;
    s->mailbox = NULL;
    pthread_mutex_unlock(&s->lock);
    while (list) {
        struct side_work *w = list;
        list = w->next;
        struct side_client *c = w->client;
        if (c) {
            c->work = NULL;
            c->active_mono_ms = clock_mono_ms();
            side_finish_work(w);
        }
        free(w->path);
        free(w);
        if (c)
            client_step(c);
    }
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;
    (void)what;
    struct side *s = arg;
    (void)!read(fd, &n, sizeof n);
    take_mail(s);
    if (atomic_load(&s->is_quiescing))
        leave(s, clock_mono_ms());
}

static void on_halt(evutil_socket_t fd, short what, void *arg)
{
    struct side *s = arg;
    (void)fd;
    (void)what;
    (void)event_base_loopbreak(s->base);
}

static void *run(void *arg)
{
    struct side *s = arg;
    pthread_setname_np(pthread_self(), "side");
    (void)event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

struct side *side_new(const struct side_opts *opts)
{
    struct side *s = mem_calloc(1, sizeof *s);
    s->opts = *opts;
    if (s->opts.max_clients == 0 || s->opts.max_clients > SIDE_CLIENTS_MAX)
        s->opts.max_clients = SIDE_CLIENTS_MAX;
    s->mail_fd = s->halt_fd = -1;
    s->iostat = iostat_new();
    s->digester = digester_new();
    s->started_unix_s = clock_wall_s();
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static bool add_events(struct side *s)
{
    struct timeval second = {.tv_sec = 1};
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    s->mail = event_new(s->base, s->mail_fd, EV_READ | EV_PERSIST, on_mail, s);
    s->halt = event_new(s->base, s->halt_fd, EV_READ, on_halt, s);
    return s->tick && s->mail && s->halt && event_add(s->tick, &second) == 0 && event_add(s->mail, NULL) == 0 &&
           event_add(s->halt, NULL) == 0;
}

enum mog_err side_serve(struct side *s, int fd, struct mog_fail *f)
{
    s->mail_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->halt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->base = event_base_new();
    if (s->mail_fd < 0 || s->halt_fd < 0 || !s->base || !add_events(s))
        return fail_set(f, MOG_EIO, "cannot start the side channel");
    s->listener = evconnlistener_new(s->base, on_accept, s, LEV_OPT_CLOSE_ON_EXEC, -1, fd);
    if (!s->listener)
        return fail_set(f, MOG_EIO, "cannot start the side channel");
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    if (s->opts.has_iostat)
        iostat_sample(s->iostat);
    if (pthread_create(&s->thread, NULL, run, s) != 0)
        return fail_set(f, MOG_EIO, "cannot start a thread for the side channel");
    s->has_thread = true;
    return MOG_OK;
}

void side_quiesce(struct side *s)
{
    uint64_t one = 1;
    atomic_store(&s->is_quiescing, true);
    (void)!write(s->mail_fd, &one, sizeof one);
}

size_t side_clients(struct side *s)
{
    return atomic_load(&s->clients);
}

void side_stop(struct side *s)
{
    uint64_t one = 1;
    if (s->has_thread) {
        (void)!write(s->halt_fd, &one, sizeof one);
        pthread_join(s->thread, NULL);
    }
    s->has_thread = false;
    if (s->listener)
        evconnlistener_free(s->listener);
    s->listener = NULL;
    for (struct side_client *c = s->first, *next; c; c = next) {
        next = c->next;
        client_close(c);
    }
    digester_stop(s->digester);
}

void side_free(struct side *s)
{
    if (!s)
        return;
    take_mail(s); /* all their clients have gone */
    digester_free(s->digester);
    iostat_free(s->iostat);
    if (s->tick)
        event_free(s->tick);
    if (s->mail)
        event_free(s->mail);
    if (s->halt)
        event_free(s->halt);
    if (s->base)
        event_base_free(s->base);
    if (s->mail_fd >= 0)
        close(s->mail_fd);
    if (s->halt_fd >= 0)
        close(s->halt_fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
