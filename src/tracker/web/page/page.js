/* SPDX-License-Identifier: MIT */
/* Fills the page from api/status every few seconds. Names and keys are hostile: they only ever become text. */
"use strict";

const EVERY_MS = 3000, ANSWER_MS = 10000, WHY_MS = 30000, HISTORY_S = 3600, LEAST_S = 600, DENSE = 100;
const QUEUES = {
    replicate: ["Replication", "copied"], delete: ["Deletion", "deleted"],
    fsck: ["Check", "checked"], rebalance: ["Rebalance", "moved"],
};
const OLD_S = { replicate: 3600, delete: 6 * 3600 };
const SVG = "http://www.w3.org/2000/svg";
const TONES = { warning: "warn", error: "bad" };
const $ = id => document.getElementById(id);

/* ---- small helpers ---- */

function make(tag, className, text) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
}

/* Setting only what has changed keeps screen readers quiet and the browser idle. */
function text(e, value) {
    if (e.textContent !== value) e.textContent = value;
}

function attribute(e, name, value) {
    if (value === null) {
        if (e.hasAttribute(name)) e.removeAttribute(name);
    } else if (e.getAttribute(name) !== String(value)) {
        e.setAttribute(name, value);
    }
}

function chip(e, word, tone) {
    text(e, word);
    attribute(e, "data-tone", tone || null);
}

function size(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let i = 0;
    while (bytes >= 1024 && i < units.length - 1) {
        bytes /= 1024;
        i++;
    }
    return `${bytes >= 100 || i === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[i]}`;
}

const count = n => Math.round(n).toLocaleString("en");
const rate = n => n >= 10 || n === 0 ? count(n) : n.toFixed(n >= 1 ? 1 : 2);
const percent = share => `${Math.round(share * 100)} %`;
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many || one + "s"}`;

function duration(s) {
    if (s < 60) return `${Math.round(s)} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor(s % 3600 / 60)).padStart(2, "0")} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

function moment(unix) {
    const at = new Date(unix * 1000), today = at.toDateString() === new Date().toDateString();
    const clock = at.toLocaleTimeString("en-GB");
    return today ? clock : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock}`;
}

function meter(bar, share, words, tone) {
    const value = Math.round(Math.min(Math.max(share, 0), 1) * 1000) / 10;
    bar.firstElementChild.style.width = `${value}%`;
    attribute(bar, "aria-valuenow", Math.round(value));
    attribute(bar, "aria-valuetext", words);
    attribute(bar, "data-tone", tone || null);
}

/* ---- the last hour: columns as the tracker sends them, put together from several answers ---- */

const past = { time: [], requests: [], copied_bytes: [], finished: {}, length: {} };

function columns(of) {
    const out = [[past.time, of.time], [past.requests, of.requests], [past.copied_bytes, of.copied_bytes]];
    for (const queue of Object.keys(QUEUES)) {
        out.push([past.finished[queue] = past.finished[queue] || [], of.finished[queue]]);
        out.push([past.length[queue] = past.length[queue] || [], of.length[queue]]);
    }
    return out;
}

function remember(history) {
    if (!history) return;
    const all = columns(history), last = past.time.length ? past.time[past.time.length - 1] : 0;
    history.time.forEach((time, i) => {
        if (time > last) for (const [mine, theirs] of all) mine.push(theirs[i]);
    });
    const from = (past.time[past.time.length - 1] || 0) - HISTORY_S;
    const old = past.time.findIndex(time => time >= from);
    if (old > 0) for (const [mine] of all) mine.splice(0, old);
}

/* What a counter grew by, a second; null where the tracker began anew. */
function growth(counter) {
    return counter.map((value, i) => {
        if (i === 0 || value < counter[i - 1]) return null;
        return (value - counter[i - 1]) / Math.max(1, past.time[i] - past.time[i - 1]);
    });
}

function svg(tag, className) {
    const e = document.createElementNS(SVG, tag);
    e.setAttribute("class", className);
    return e;
}

function curve(values, most, close) {
    /* A tracker that has just begun shows what it has, and not a dot at the end of an hour. */
    const end = past.time[past.time.length - 1], wide = Math.max(LEAST_S, Math.min(HISTORY_S, end - past.time[0]));
    const x = i => (1000 * (1 - (end - past.time[i]) / wide)).toFixed(1);
    const y = v => (39 - 37 * v / most).toFixed(1);
    let out = "", from = -1;
    values.forEach((v, i) => {
        if (v !== null) {
            out += from < 0 ? `M${x(i)} ${y(v)}` : `L${x(i)} ${y(v)}`;
            if (from < 0) from = i;
        }
        if (close && from >= 0 && (v === null || i === values.length - 1)) {
            out += `L${x(v === null ? i - 1 : i)} 40L${x(from)} 40Z`;
        }
        if (v === null) from = -1;
    });
    return out;
}

function plot(box, values, label) {
    let picture = box.firstElementChild;
    if (!picture) {
        picture = svg("svg", "");
        picture.setAttribute("viewBox", "0 0 1000 40");
        picture.setAttribute("preserveAspectRatio", "none");
        picture.setAttribute("role", "img");
        const base = svg("path", "base");
        base.setAttribute("d", "M0 40H1000");
        picture.append(base, svg("path", "area"), svg("path", "curve"));
        box.append(picture);
    }
    const most = values.reduce((a, v) => v > a ? v : a, 0);
    attribute(picture, "aria-label", label(most));
    attribute(picture.children[1], "d", curve(values, most || 1, true));
    attribute(picture.children[2], "d", curve(values, most || 1, false));
    return most;
}

/* ---- judging ---- */

const loads = d => d.mb_total ? d.mb_used / d.mb_total : null;

/* What is to be said of a device; null: nothing. A host that is to blame is said once, not at each of its devices. */
function ofDevice(d, host) {
    if (!host) return ["bad", "no host"];
    if (d.status === "down") return ["bad", "down"];
    if (d.status === "drain" || d.status === "readonly") return ["warn", d.status];
    if (host.status !== "alive" && host.status !== "readonly") return ["bad", `host ${host.status}`];
    if (d.observed_state === "unreachable") return ["bad", "unreachable"];
    if (d.observed_state === "readable") return ["warn", "readable"];
    if (!d.observed_state) return ["warn", "not seen"];
    if (loads(d) >= .97) return ["warn", "full"];
    return null;
}

function ofHost(h) {
    if (h.status !== "alive") return [h.status === "readonly" ? "warn" : "bad", h.status];
    if (h.observed_state === "unreachable") return ["bad", "unreachable"];
    return null;
}

function listed(names) {
    return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

function problems(doc, groups) {
    const out = [], tracker = doc.trackers[0];
    if (tracker.ready === false) out.push(["bad", `This tracker does not serve clients: ${tracker.not_ready}`]);
    for (const g of groups) {
        if (g.word) out.push([g.word[0], `${g.host.hostname} is ${g.word[1]}`]);
        const words = new Map();
        for (const { d, word } of g.devices) {
            if (!word || g.word && g.word[0] === "bad") continue;
            const key = word.join(" ");
            if (!words.has(key)) words.set(key, { word, names: [] });
            words.get(key).names.push(`dev${d.devid}`);
        }
        for (const { word, names } of words.values()) {
            const which = names.length === g.devices.length && names.length > 4 ? `All ${names.length} devices` : listed(names);
            out.push([word[0], `${which} on ${g.host.hostname}: ${word[1]}`]);
        }
    }
    for (const [queue, old] of Object.entries(OLD_S)) {
        const q = doc.queues && doc.queues[queue];
        if (q && q.oldest_s > old) {
            out.push(["warn", `${QUEUES[queue][0]} is late: the oldest file has waited for ${duration(q.oldest_s)}`]);
        }
    }
    if (!groups.some(g => g.devices.length)) out.push(["warn", "There are no devices: nothing can be stored"]);
    if (!doc.queues) out.push(["warn", "The lengths of the queues are not known yet"]);
    return out.sort((a, b) => (a[0] === "bad" ? 0 : 1) - (b[0] === "bad" ? 0 : 1));
}

function grouped(doc) {
    const by = new Map();
    for (const host of doc.hosts) by.set(host.hostid, { host, devices: [], dead: 0, word: ofHost(host) });
    for (const d of doc.devices) {
        if (!by.has(d.hostid)) {
            by.set(d.hostid, { host: { hostid: d.hostid, hostname: `host ${d.hostid}`, status: "" }, devices: [], dead: 0,
                               word: ["bad", "unknown"] });
        }
        const g = by.get(d.hostid);
        if (d.status === "dead") g.dead++;
        else g.devices.push({ d, word: ofDevice(d, g.host) });
    }
    return [...by.values()].filter(g => g.devices.length || g.host.status !== "dead");
}

/* ---- parts of the page ---- */

function showVerdict(list) {
    const bad = list.filter(p => p[0] === "bad").length;
    attribute($("verdict"), "data-tone", bad ? "bad" : list.length ? "warn" : "good");
    text($("verdict-title"), list.length ? `${plural(list.length, "thing")} to look at` : "All is well");
    const lines = list.slice(0, 12).map(p => p[1]);
    if (list.length > 12) lines.push(`and ${list.length - 12} more`);
    const ul = $("problems");
    if ([...ul.children].map(e => e.textContent).join("\n") === lines.join("\n")) return;
    ul.replaceChildren(...lines.map(line => make("li", "hostile", line)));
}

function showTiles(doc, groups) {
    const tracker = doc.trackers[0], all = groups.flatMap(g => g.devices), well = all.filter(x => !x.word && x.d.status === "alive");
    let total = 0, used = 0;
    for (const { d } of all) {
        total += d.mb_total || 0;
        used += d.mb_used || 0;
    }
    const share = total ? used / total : 0;
    text($("space-share"), total ? percent(share) : "–");
    text($("space-note"), total ? `${size((total - used) * 1048576)} free of ${size(total * 1048576)}` : "not known");
    meter($("space-bar"), share, $("space-note").textContent, share >= .95 ? "bad" : share >= .85 ? "warn" : "");
    text($("devices-well"), count(well.length));
    text($("devices-all"), all.length && well.length === all.length ? "all writeable" : `of ${count(all.length)} writeable`);
    text($("devices-note"), `on ${plural(groups.length, "host")}`);
    const bad = all.filter(x => x.word && x.word[0] === "bad").length, counts = [well.length, all.length - well.length - bad, bad];
    counts.forEach((n, i) => { $("devices-bar").children[i].style.flexGrow = n; });
    attribute($("devices-bar"), "aria-label", `${counts[0]} devices writeable, ${counts[1]} with restrictions, ${counts[2]} out of reach`);

    const rates = tracker.rates || { requests: 0, copied_bytes: 0, finished: {} };
    text($("requests-rate"), rate(rates.requests));
    let most = plot($("requests-plot"), growth(past.requests),
                    m => `Requests a second in the last hour: at most ${rate(m)}, now ${rate(rates.requests)}`);
    text($("requests-note"), `peak ${rate(most)}, last hour`);
    text($("copied-rate"), size(rates.copied_bytes));
    most = plot($("copied-plot"), growth(past.copied_bytes),
                m => `Bytes copied a second in the last hour: at most ${size(m)}, now ${size(rates.copied_bytes)}`);
    text($("copied-note"), `peak ${size(most)}, last hour`);
}

const queueCards = {};

function queueCard(name) {
    const card = make("div", "card queue"), line = make("div", "top-line"), big = make("p", "big");
    const parts = { length: make("span"), done: make("p", "done"), plot: make("div", "plot"), due: make("span"),
                    oldest: make("span"), parked: make("span", "loud"), peak: make("span", "peak") };
    const facts = make("p", "facts");
    line.append(make("h3", "", QUEUES[name][0]), parts.done);
    big.append(parts.length, " ", make("small", "", "waiting"));
    facts.append(parts.due, parts.oldest, parts.parked, parts.peak);
    card.append(line, big, parts.plot, facts);
    card.id = `queue-${name}`;
    $("queues").append(card);
    return parts;
}

function showQueues(doc) {
    const rates = doc.trackers[0].rates;
    for (const name of Object.keys(QUEUES)) {
        const p = queueCards[name] = queueCards[name] || queueCard(name), q = doc.queues && doc.queues[name];
        text(p.length, q ? count(q.length) : "–");
        text(p.done, rates ? `${rate(rates.finished[name])}/s ${QUEUES[name][1]}` : "");
        const most = plot(p.plot, past.length[name] || [], m => `Length in the last hour: at most ${count(m)}, now ${q ? count(q.length) : "unknown"}`);
        text(p.due, q ? q.due ? `${count(q.due)} due now` : "none due" : "not known");
        text(p.oldest, q && q.oldest_s > 0 ? `oldest waits ${duration(q.oldest_s)}` : "");
        attribute(p.oldest, "class", q && q.oldest_s > (OLD_S[name] || Infinity) ? "loud" : null);
        text(p.peak, most ? `peak ${count(most)}` : "");
        text(p.parked, q && q.parked ? `${count(q.parked)} given up` : "");
    }
    text($("queues-note"), doc.queues ? `of the whole cluster, over the last hour; counted ${duration(doc.queues_age_s)} ago` : "not known");
}

/* Elements of hosts and devices by their numbers, so that a round only changes what has changed. */
let hostCards = new Map();

function hostCard(g) {
    const card = make("article", "card host"), head = make("div", "host-head"), list = make("ul", "devices");
    const parts = { card, list, name: make("h3", "hostile"), where: make("span", "where hostile"), chip: make("span", "chip"),
                    dead: make("p", "dead"), devices: new Map(), order: "" };
    parts.name.id = `host-${g.host.hostid}`;
    card.setAttribute("aria-labelledby", parts.name.id);
    head.append(parts.name, parts.where, parts.chip);
    card.append(head, list, parts.dead);
    return parts;
}

function deviceItem(d) {
    const item = make("li", "device"), meters = make("div", "meters");
    const p = { item, name: make("span", "name", `dev${d.devid}`), share: make("span", "share"), used: make("div", "bar"),
                io: make("div", "bar io"), free: make("span", "free"), load: make("span", "load") };
    for (const [bar, what] of [[p.used, "Space used"], [p.io, "I/O"]]) {
        for (const [k, v] of [["role", "meter"], ["aria-valuemin", 0], ["aria-valuemax", 100], ["aria-label", `${what} of dev${d.devid}`]]) {
            bar.setAttribute(k, v);
        }
        bar.append(make("i"));
    }
    meters.append(p.used, p.io);
    item.append(p.name, p.share, meters, p.free, p.load);
    return p;
}

function showDevice(p, d, word) {
    const now = [d.status, d.observed_state, d.mb_total, d.mb_used, d.utilization, word && word[1]].join();
    if (p.seen === now) return;
    p.seen = now;
    const share = loads(d), free = share === null ? "space unknown" : `${size((d.mb_total - d.mb_used) * 1048576)} free`;
    const load = d.utilization === null ? "" : `I/O ${Math.round(d.utilization)} %`;
    attribute(p.item, "data-tone", word ? word[0] : null);
    attribute(p.item, "title", `dev${d.devid}: ${d.status}, ${d.observed_state || "not seen"}; ` +
        `${share === null ? "" : percent(share) + " used, "}${free}${load && ", " + load}`);
    p.share.className = word ? "share chip" : "share";
    chip(p.share, word ? word[1] : share === null ? "–" : percent(share), word ? word[0] : "");
    meter(p.used, share || 0, share === null ? free : `${percent(share)} used, ${free}`,
          share >= .97 ? "bad" : share >= .9 ? "warn" : "");
    meter(p.io, (d.utilization || 0) / 100, load || "not known");
    text(p.free, free);
    text(p.load, load);
}

function showHost(p, g) {
    text(p.name, g.host.hostname);
    text(p.where, g.host.ip ? `${g.host.ip}:${g.host.port}` : "");
    chip(p.chip, g.word ? g.word[1] : "alive", g.word ? g.word[0] : "good");
    text(p.dead, g.dead ? `and ${plural(g.dead, "dead device")}` : "");
    p.dead.hidden = !g.dead;
    attribute(p.card, "data-loud", g.word || g.devices.some(x => x.word) ? "" : null);
    const kept = new Map();
    for (const { d, word } of g.devices) {
        const item = p.devices.get(d.devid) || deviceItem(d);
        kept.set(d.devid, item);
        showDevice(item, d, word);
    }
    p.devices = kept;
    const order = [...kept.keys()].join();
    if (p.order !== order) p.list.replaceChildren(...[...kept.values()].map(x => x.item));
    p.order = order;
}

function showHosts(groups) {
    const kept = new Map(), box = $("hosts"), n = groups.reduce((sum, g) => sum + g.devices.length, 0);
    for (const g of groups) {
        const p = hostCards.get(g.host.hostid) || hostCard(g);
        kept.set(g.host.hostid, p);
        showHost(p, g);
    }
    if ([...kept.keys()].join() !== [...hostCards.keys()].join() || !box.children.length) {
        box.replaceChildren(...[...kept.values()].map(p => p.card));
    }
    hostCards = kept;
    box.classList.toggle("dense", n > DENSE);
    /* So many that what follows them would never be seen. */
    const after = n > DENSE ? null : $("lookup");
    if ($("devices").nextElementSibling !== after) $("main").insertBefore($("devices"), after);
    showEmpty();
}

function showEmpty() {
    const only = $("only").checked, loud = document.querySelector(".host[data-loud]");
    $("hosts").classList.toggle("only", only);
    text($("hosts-empty"), !hostCards.size ? "There are no hosts yet: mogadm host add" : "Nothing here needs attention.");
    $("hosts-empty").hidden = hostCards.size > 0 && !(only && !loud);
}

function job(id) {
    const card = $(id), part = name => card.querySelector(`[data-of="${name}"]`);
    return { state: part("state"), bar: part("bar"), note: part("note"), codes: part("codes") };
}

function showFsck(f) {
    const p = job("fsck"), at = f ? f.max_fid_checked : 0, end = f ? f.end_fid : 0, share = end > 0 ? at / end : 0;
    const running = f && f.running;
    chip(p.state, !f ? "unknown" : running ? "running" : f.stop_time && share >= 1 ? "finished" : "not running", running ? "good" : "");
    meter(p.bar, share, end > 0 ? `file ${count(at)} of ${count(end)}` : "nothing yet");
    let note = "It has never run.";
    if (end > 0) {
        note = `${percent(Math.min(share, 1))}: file number ${count(at)} of ${count(end)}`;
        if (running) note += `, queued by ${f.host}, for ${duration(Math.max(0, f.current_time - f.start_time))}`;
        else if (f.stop_time) note += `, ended ${moment(f.stop_time)}`;
    }
    text(p.note, note);
    p.note.classList.add("hostile");
    const codes = Object.entries(f || {}).filter(([k, v]) => k.startsWith("num_") && Number(v) > 0).map(([k, v]) => `${k.slice(4)} ${count(Number(v))}`);
    if (p.codes.textContent !== codes.join("")) p.codes.replaceChildren(...codes.map(c => {
        const li = make("li", "chip hostile", c);
        li.dataset.tone = "warn";
        return li;
    }));
}

function showRebalance(r) {
    const p = job("rebalance"), all = r.devices_done + r.devices_left, share = all ? r.devices_done / all : 0;
    chip(p.state, r.running ? "running" : r.state ? "stopped" : "not running", r.running ? "good" : "");
    meter(p.bar, share, all ? `${r.devices_done} of ${plural(all, "device")}` : "nothing yet");
    text(p.note, !r.state ? "It has never run." :
        `${count(r.devices_done)} of ${plural(all, "device")} done; ${plural(r.queued_files, "file")} with ${size(r.queued_bytes)} queued`);
}

function showErrors(errors) {
    const list = $("errors"), now = JSON.stringify(errors);
    $("errors-empty").hidden = errors.length > 0;
    if (list.dataset.seen === now) return;
    list.dataset.seen = now;
    list.replaceChildren(...errors.map(e => {
        const li = make("li"), time = make("time", "", moment(e.time)), level = make("span", "level chip", e.level);
        const what = make("span", "text hostile");
        time.dateTime = new Date(e.time * 1000).toISOString();
        level.dataset.tone = TONES[e.level] || "";
        if (e.context) what.append(make("span", "context", `${e.context}: `));
        what.append(e.text);
        if (e.times > 1) what.append(make("span", "times", ` (${count(e.times)} times)`));
        li.append(time, level, what);
        return li;
    }));
}

function show(doc) {
    const tracker = doc.trackers[0], groups = grouped(doc);
    remember(tracker.history);
    const list = problems(doc, groups);
    text($("tracker"), `Tracker ${tracker.tracker}, version ${tracker.version}, up ${duration(tracker.counters.uptime)}`);
    document.title = list.length ? `(${list.length}) MogileFS` : "MogileFS";
    showVerdict(list);
    showTiles(doc, groups);
    showQueues(doc);
    showHosts(groups);
    showFsck(doc.fsck);
    showRebalance(doc.rebalance);
    showErrors(tracker.errors || []);
    $("main").hidden = false;
}

/* ---- asking, again and again ---- */

let timer = 0, asking = false, answered = 0;

function showLive(state, words) {
    attribute($("live"), "data-state", state);
    text($("fresh"), words);
    $("main").classList.toggle("stale", state === "off");
}

async function get(url, ms) {
    const end = new AbortController(), alarm = setTimeout(() => end.abort(), ms);
    try {
        const reply = await fetch(url, { signal: end.signal, cache: "no-store", credentials: "omit" });
        return [reply.status, await reply.json()];
    } finally {
        clearTimeout(alarm);
    }
}

function lost(why) {
    showLive("off", "No answer");
    if ($("gone").firstChild) return;
    const since = answered ? ` What is shown here is from ${moment(answered / 1000)}.` : "";
    $("gone").replaceChildren(make("p", "", `The tracker does not answer (${why}).${since}`));
}

async function round() {
    if (asking || document.hidden) return;
    asking = true;
    clearTimeout(timer);
    try {
        const [status, doc] = await get(`api/status?after=${past.time[past.time.length - 1] || 0}`, ANSWER_MS);
        if (status !== 200) throw new Error(`status ${status}`);
        show(doc);
        answered = Date.now();
        $("gone").replaceChildren();
        showLive("on", `Live, ${moment(answered / 1000)}`);
    } catch (e) {
        lost(e.name === "AbortError" ? "it took too long" : e instanceof TypeError ? "no connection" : e.message);
    }
    asking = false;
    timer = setTimeout(round, EVERY_MS);
}

document.addEventListener("visibilitychange", round);
$("only").addEventListener("change", showEmpty);

/* ---- one file ---- */

let question = 0;

function copiesTable(copies) {
    const box = make("div", "scroll"), table = make("table"), head = make("tr"), body = make("tbody"), top = make("thead");
    for (const name of ["Device", "Host", "Copy", "Place"]) {
        const th = make("th", "", name);
        th.scope = "col";
        head.append(th);
    }
    for (const c of copies) {
        const row = make("tr"), state = make("td", "hostile");
        const word = make("span", "chip", c.ok ? "good" : "not good");
        word.dataset.tone = c.ok ? "good" : "bad";
        state.append(word);
        if (c.problem) state.append(` ${c.problem}`);
        row.append(make("td", "", `dev${c.devid}`), make("td", "hostile", c.hostname || "unknown"), state, make("td", "url", c.url || "–"));
        body.append(row);
    }
    top.append(head);
    table.append(make("caption", "skip", "Copies"), top, body);
    box.append(table);
    return box;
}

function showWhy(doc) {
    const findings = make("ul", "findings");
    for (const f of doc.findings) {
        const li = make("li", "hostile", f.text);
        li.dataset.tone = f.tone;
        findings.append(li);
    }
    $("answer").replaceChildren(
        make("h3", "hostile", doc.key),
        make("p", "note hostile", `File ${doc.fid} of domain ${doc.domain}, ${size(doc.length)}, class ${doc.class}, ${doc.replpolicy}, ${plural(doc.wanted, "copy", "copies")} wanted`),
        findings, copiesTable(doc.copies));
}

$("why").addEventListener("submit", async event => {
    event.preventDefault();
    const mine = ++question, box = $("answer");
    const ask = new URLSearchParams({ domain: $("domain").value, key: $("key").value });
    box.replaceChildren(make("p", "note", "Asking the database and the storage nodes"));
    attribute(box, "aria-busy", "true");
    let result;
    try {
        result = await get(`api/why?${ask}`, WHY_MS);
    } catch (e) {
        result = [0, { text: "The tracker does not answer." }];
    }
    if (mine !== question) return;
    attribute(box, "aria-busy", "false");
    if (result[0] === 200) showWhy(result[1]);
    else box.replaceChildren(make("p", "", result[1].text || "It could not be looked up."));
});

round();
