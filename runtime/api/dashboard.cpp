#include "runtime/api/dashboard.hpp"

#include <string_view>

namespace troupe::api {
namespace {

constexpr std::string_view head = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Troupe</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --bg:#f6f7f9; --card:#fff; --ink:#1b2330; --dim:#6a7689; --line:#e2e6ec;
  --good:#1a7f4b; --warn:#a86200; --bad:#b3261e; --accent:#2457c5; --bar:#dfe6f5; }
@media (prefers-color-scheme: dark) { :root { --bg:#12161d; --card:#1a2029; --ink:#e5eaf2; --dim:#8d99ab;
  --line:#2a323e; --good:#5cc98f; --warn:#e2a54a; --bad:#f07f76; --accent:#86a9f7; --bar:#2a3550; } }
* { box-sizing:border-box }
body { margin:0; background:var(--bg); color:var(--ink); font:15px/1.45 system-ui,sans-serif }
header { display:flex; flex-wrap:wrap; gap:.4rem 1.2rem; align-items:baseline; padding:1rem 1.5rem;
  border-bottom:1px solid var(--line); background:var(--card) }
h1 { font-size:1.15rem; margin:0; letter-spacing:.02em } h2 { font-size:.95rem; margin:0 0 .7rem }
nav { margin-left:auto; font-size:.85rem } nav a { margin-left:.9rem } a { color:var(--accent) }
main { display:grid; gap:1rem; padding:1rem 1.5rem; grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));
  max-width:100rem; margin:auto; align-items:start }
section { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:1rem;
  overflow-x:auto }
section.wide { grid-column:1/-1 }
dl { display:grid; grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr)); gap:.6rem 1rem; margin:0 0 .8rem }
dt { color:var(--dim); font-size:.78rem } dd { margin:0; font-size:1.2rem; font-variant-numeric:tabular-nums }
table { border-collapse:collapse; width:100%; font-size:.87rem; font-variant-numeric:tabular-nums }
th { text-align:left; color:var(--dim); font-weight:500 } th,td { padding:.25rem .8rem .25rem 0; white-space:nowrap }
tr + tr td { border-top:1px solid var(--line) } td.n, th.n { text-align:right }
ul.tree, ul.tree ul { list-style:none; margin:0; padding-left:1.15rem } ul.tree { padding-left:0 }
ul.tree li { padding:.1rem 0; border-left:1px solid var(--line); padding-left:.7rem }
.dim { color:var(--dim) } .good { color:var(--good) } .warn { color:var(--warn) } .bad { color:var(--bad) }
.dot::before { content:"●"; margin-right:.35em; font-size:.8em }
.bar { background:var(--bar); border-radius:4px; height:.55rem; min-width:6rem; overflow:hidden }
.bar i { display:block; height:100%; background:var(--accent) } .bar i.full { background:var(--warn) }
#state { font-size:.9rem }
</style></head><body>
<header><h1>Troupe</h1><span id="state" role="status" class="dim">asking the node…</span>
<label id="keybox" hidden>operator key <input id="key" type="password" autocomplete="off" size="30"></label>
<nav><a href="/metrics">metrics</a><a href="/readyz">readiness</a><a href="/openapi.json">API</a></nav></header>
<main>
<section><h2>Upstream and bots</h2><div id="health" class="dim">…</div></section>
<section><h2>Budgets</h2><div id="budgets" class="dim">…</div></section>
<section><h2>Sessions</h2><div id="sessions" class="dim">…</div></section>
<section><h2>Supervision tree</h2><div id="tree" class="dim">…</div></section>
<section class="wide"><h2>Bots that are unwell</h2><div id="worst" class="dim">…</div></section>
</main>
)html";

constexpr std::string_view script = R"html(<script>
"use strict";
// Elements are made with textContent only: nothing a report says can become markup.
function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  for (const c of children) if (c !== null && c !== undefined) e.append(c instanceof Node ? c : String(c));
  return e;
}
const number = n => n === null || n === undefined ? "–" : Number(n).toLocaleString();
const percent = x => (100 * x).toFixed(1) + " %";
function time(s) {
  if (s === null || s === undefined) return "never";
  if (s < 1) return Math.round(s * 1000) + " ms";
  if (s < 120) return s.toFixed(s < 10 ? 1 : 0) + " s";
  if (s < 7200) return Math.round(s / 60) + " min";
  return s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}
const tone = word => /^(healthy|closed|running|active|ok|passive)$/.test(word) ? "good"
  : /^(degraded|half-open|starting|restarting|passivating|pending)$/.test(word) ? "warn" : "bad";
const mark = word => make("span", { class: "dot " + tone(word) }, word);
function facts(pairs) {
  const dl = make("dl");
  for (const [name, value] of pairs) dl.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return dl;
}
function table(heads, rows) {
  const cell = (tag, x, i) => make(tag, { class: heads[i].startsWith("#") ? "n" : "" }, x);
  const top = make("tr", {}, ...heads.map((h, i) => cell("th", h.replace("#", ""), i)));
  return make("table", {}, make("thead", {}, top),
    make("tbody", {}, ...rows.map(r => make("tr", {}, ...r.map((x, i) => cell("td", x, i))))));
}
function bar(used, limit) {
  const share = limit ? Math.min(1, used / limit) : 0;
  const inner = make("i", share >= 1 ? { class: "full" } : {});
  inner.style.width = 100 * share + "%";
  return make("div", { class: "bar", role: "img", "aria-label": percent(share) + " used" }, inner);
}
const show = {
  health(x) {
    const up = x.upstream;
    return [facts([["upstream", mark(up.status)], ["breaker", mark(up.breaker)],
      ["requests", number(up.requests)], ["error rate", percent(up.error_rate)],
      ["latency", time(up.latency_ewma_seconds)], ["last success", time(up.since_success_seconds)],
      ["bots seen", number(x.bots)], ["degraded", number(x.by_status.degraded)],
      ["unhealthy", number(x.by_status.unhealthy)], ["open breakers", number(x.breakers.open)]])];
  },
  worst(x) {
    if (!x.worst.length) return [make("span", { class: "good dot" }, "all bots are well")];
    return [table(["bot", "status", "breaker", "#requests", "#error rate", "#client errors", "#latency",
      "#failures in a row", "#last success"], x.worst.slice(0, 50).map(b => [b.bot ?? "–", mark(b.status),
      mark(b.breaker), number(b.requests), percent(b.error_rate), percent(b.client_error_rate),
      time(b.latency_ewma_seconds), number(b.consecutive_failures), time(b.since_success_seconds)]))];
  },
  budgets(x) {
    return [facts([["granted", number(x.granted_total)], ["refused", number(x.refused_total)],
      ["waiting", number(x.waiting)], ["credits", number(x.credits)], ["holds", number(x.holds)]]),
      table(["budget", "fullest window", "#used", "#limit", "#per", "#throttled"], x.budgets.map(b =>
        [b.scope, bar(b.used, b.limit), number(b.used), b.limit === null ? "none" : number(b.limit),
        time(b.window_seconds), number(b.throttled)]))];
  },
  sessions(x) {
    const busy = x.sessions.filter(s => s.bot !== null).concat(x.sessions.filter(s => s.bot === null));
    return [facts([["leased", number(x.leased)], ["idle", number(x.idle)], ["polls", number(x.polls)],
      ["waiting", number(x.waiting)], ["most per host", number(x.max_per_host)],
      ["reclaimed", number(x.reclaimed_total)], ["leases so far", number(x.leases_total)]]),
      bar(x.leased, Math.min(x.max_per_host, x.max_connections)), make("p"),
      table(["session", "for", "leased by bot", "#leases", "#age"], busy.slice(0, 20).map(s =>
        [s.id, s.kind, s.bot ?? "idle", number(s.leases), time(s.age_seconds)]))];
  },
  tree(x) {
    const branch = s => make("ul", {}, ...s.children.slice(0, 40).map(c => make("li", {},
      mark(c.state), " ", c.bot ? "bot " + c.bot : c.name, " ",
      make("span", { class: "dim" }, "up " + time(c.uptime_seconds),
        c.supervisor && c.supervisor.strategy ? " · " + c.supervisor.strategy : ""),
      c.restarts ? make("span", { class: "warn" }, " · restarted " + number(c.restarts) + "×") : null,
      c.supervisor ? (c.supervisor.children ? branch(c.supervisor)
        : make("span", { class: "bad" }, " · no answer")) : null)),
      s.children_total > Math.min(40, s.children.length)
        ? make("li", { class: "dim" }, "and " + number(s.children_total - Math.min(40, s.children.length)) + " more") : null);
    const root = branch(x);
    root.className = "tree";
    return [make("div", {}, x.name, " ", make("span", { class: "dim" }, x.strategy)), root];
  },
};
// The key stays in this tab, and is sent to this node alone.
const box = document.getElementById("key");
box.addEventListener("change", () => { sessionStorage.setItem("key", box.value.trim()); refresh(); });
async function ask(path) {
  const headers = { accept: "application/json" }, key = sessionStorage.getItem("key");
  if (key) headers.authorization = "Bearer " + key;
  const answer = await fetch(path, { headers });
  const body = await answer.json();
  document.getElementById("keybox").hidden = answer.status !== 401 && answer.status !== 403;
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}
const routes = [["/v1/health", ["health", "worst"]], ["/v1/budgets", ["budgets"]],
  ["/v1/sessions", ["sessions"]], ["/v1/supervision", ["tree"]]];
let timer;
async function refresh() {
  clearTimeout(timer);
  const state = document.getElementById("state");
  let failures = 0;
  await Promise.all(routes.map(async ([path, parts]) => {
    try {
      const report = await ask(path);
      for (const part of parts) {
        const box = document.getElementById(part);
        box.className = "";
        box.replaceChildren(...show[part](report));
      }
    } catch (failure) {
      ++failures;
      for (const part of parts) document.getElementById(part).className = "dim";
      state.textContent = failure instanceof TypeError ? "the node does not answer" : failure.message;
    }
  }));
  state.className = failures ? "dot bad" : "dot good";
  if (!failures) state.textContent = "live, " + new Date().toLocaleTimeString();
  timer = setTimeout(refresh, document.hidden ? 10000 : 2000);
}
refresh();
</script></body></html>
)html";

} // namespace

std::string dashboard_page() {
  std::string page;
  page.reserve(head.size() + script.size());
  page += head;
  page += script;
  return page;
}

} // namespace troupe::api
