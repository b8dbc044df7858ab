#include "runtime/api/dashboard.hpp"

namespace troupe::api {
namespace {

/// Elements, numbers, words.
constexpr std::string_view basics = R"html(<script>
"use strict";
// Elements are made with textContent only: nothing a report says can become markup.
function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  for (const c of children) if (c !== null && c !== undefined) e.append(c instanceof Node ? c : String(c));
  return e;
}
const at = id => document.getElementById(id);
const number = n => n === null || n === undefined ? "–" : Number(n).toLocaleString();
const percent = x => (100 * x).toFixed(1) + " %";
function time(s) {
  if (s === null || s === undefined) return "never";
  if (s < 1) return Math.round(s * 1000) + " ms";
  if (s < 120) return s.toFixed(s < 10 ? 1 : 0) + " s";
  if (s < 7200) return Math.round(s / 60) + " min";
  return s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}
const age = iso => iso ? time(Math.max(0, (Date.now() - Date.parse(iso)) / 1000)) : "–";
const clock = iso => new Date(iso).toLocaleString();
const sentence = s => /[.!?]$/.test(s) ? s : s + ".";
const tone = word => /^(healthy|closed|running|active|ok|passive|webhook|polling)$/.test(word) ? "good"
  : /^(degraded|half-open|starting|restarting|passivating|pending|settling|resting)$/.test(word) ? "warn"
  : /^(none|–)$/.test(word) ? "dim" : "bad";
const mark = word => make("span", { class: "dot " + tone(word) }, word);
function facts(pairs) {
  const dl = make("dl");
  for (const [name, value] of pairs) dl.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return dl;
}
// Heads that begin with # are of numbers, with ~ of sentences.
function table(heads, rows) {
  const kind = h => h[0] === "#" ? "n" : h[0] === "~" ? "note" : "";
  const cell = (tag, x, i) => make(tag, { class: kind(heads[i]) }, x);
  const top = make("tr", {}, ...heads.map((h, i) => cell("th", h.replace(/^[#~]/, ""), i)));
  return make("table", {}, make("thead", {}, top),
    make("tbody", {}, ...rows.map(r => make("tr", {}, ...r.map((x, i) => cell("td", x, i))))));
}
function bar(used, limit) {
  const share = limit ? Math.min(1, used / limit) : 0;
  const inner = make("i", share >= 1 ? { class: "full" } : {});
  inner.style.width = 100 * share + "%";
  return make("div", { class: "bar", role: "img", "aria-label": percent(share) + " used" }, inner);
}
)html";

/// What the node reports.
constexpr std::string_view reports = R"html(
const show = {
  updates(x) {
    const ways = Object.entries(x.intake || {}).filter(([, n]) => n > 0);
    return [facts([["waiting", number(x.pending)], ["oldest waits", age(x.oldest_at)],
      ["dead letters", make("span", { class: x.dead_letters ? "bad" : "" }, number(x.dead_letters))],
      ["stored", number(x.stored_total)], ["delivered", number(x.delivered_total)],
      ["expired", number(x.expired_total)], ["repetitions", number(x.duplicates_total)],
      ["refused", make("span", { class: x.refused_total ? "warn" : "" }, number(x.refused_total))],
      ["webhooks repaired", number(x.webhooks_repaired_total)]]),
      x.intake === null ? make("span", { class: "bad" }, "Nobody says how updates come in just now.")
        : ways.length ? table(["how they come in", "#bots"], ways.map(([way, n]) => [mark(way), number(n)]))
        : make("span", { class: "dim" }, "No bot is registered.")];
  },
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
      ["downloads", number(x.downloads)], ["waiting", number(x.waiting)], ["most per host", number(x.max_per_host)],
      ["reclaimed", number(x.reclaimed_total)], ["leases so far", number(x.leases_total)]]),
      bar(x.leased, Math.min(x.max_per_host, x.max_connections)), make("p"),
      table(["sessions", "leased by bot", "#leases", "#age"], busy.slice(0, 20).map(s =>
        [s.kind.replace("_", " "), s.bot ?? "idle", number(s.leases), time(s.age_seconds)]))];
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
)html";

/// Bots, and one of them.
constexpr std::string_view bots = R"html(
const phases = {
  pending: "Its owner is not proven yet: /start CODE to the bot, or an operator, proves it.",
  suspended: "It is suspended: it takes no calls, and Telegram keeps its updates.",
  quarantined: "It crashed again and again, and rests.",
  unauthorized: "Telegram rejects its token: give it a new one.",
};
// What somebody should know of a bot, and perhaps do about it.
function notes(b) {
  const all = [], u = b.update_state, say = (kind, text) => all.push(make("p", { class: kind }, sentence(text)));
  if (phases[b.phase]) say(b.phase === "pending" ? "warn" : "bad", phases[b.phase]
    + (b.reason ? " Reason: " + sentence(b.reason) : "") + (b.phase_until ? " Until " + clock(b.phase_until) : ""));
  if (b.health === "unhealthy" || b.health === "degraded")
    say(b.health === "unhealthy" ? "bad" : "warn", b.health === "unhealthy" ? "Its calls fail" : "Some of its calls fail");
  if (!u) { say("warn", "How its updates stand is not known just now"); return all; }
  const i = u.intake;
  if (i && i.state === "elsewhere")
    say("bad", "Telegram sends its updates to " + i.elsewhere + "; updates.take_over brings them here");
  else if (i && i.state === "failing") say("bad", "Its updates do not come in: " + (i.reason || "no reason is known"));
  else if (i && i.state === "settling") say("dim", "How its updates come in is being arranged");
  else if (i && i.state === "none" && i.elsewhere) say("dim", "Its updates go to " + i.elsewhere + ", as its settings say");
  if (u.full) say("bad", "As many updates wait as may; Telegram keeps the rest");
  if (u.rests_until && Date.parse(u.rests_until) > Date.now())
    say("bad", "Its delivery rests until " + clock(u.rests_until) + ": " + (u.rests_because || "no reason is known"));
  if (u.pending && u.oldest_at && Date.now() - Date.parse(u.oldest_at) > 60000)
    say("warn", "Its oldest update has waited for " + age(u.oldest_at)
      + ((b.delivery || {}).mode === "relay" ? ": does its receiver answer?" : ""));
  if (u.dead_letters) say("bad", u.dead_letters === 1 ? "One update could not be delivered"
    : number(u.dead_letters) + " updates could not be delivered");
  if (i && i.last_error && i.last_error_at && Date.now() - Date.parse(i.last_error_at) < 3600000)
    say("warn", "Telegram's delivery failed " + age(i.last_error_at) + " ago: " + i.last_error);
  return all;
}
const delivery = b => (b.delivery || {}).mode || "pull";
function botRow(b) {
  const u = b.update_state, open = make("button", { type: "button", class: "row" }, String(b.id));
  open.addEventListener("click", () => { chosen = chosen === b.id ? null : b.id; letters = null; refreshBots(); });
  const said = notes(b);
  const who = make("div", {}, open, make("div", { class: "dim" }, b.username ? "@" + b.username : "–"));
  return [who, b.name, number(b.tenant), mark(b.phase), mark(b.health || "–"),
    mark(u && u.intake ? u.intake.state : "–"), delivery(b), number(u && u.pending), number(u && u.dead_letters),
    said.length ? make("div", {}, ...said) : make("span", { class: "dim" }, "all is well")];
}
function showBots(all) {
  if (!all.length) return [make("span", { class: "dim" }, at("phase").value || at("number").value
    ? "There is no such bot." : "No bot is registered. troupectl bot add registers one.")];
  const made = table(["bot", "~name", "#tenant", "phase", "calls", "updates come in", "and leave by", "#waiting",
    "#dead letters", "~what to know"], all.map(botRow));
  all.forEach((b, i) => { if (b.id === chosen) made.tBodies[0].rows[i].className = "chosen"; });
  return [made];
}
function letterRow(x) {
  return [x.update_id, x.kind, clock(x.received_at), clock(x.died_at), number(x.attempts), sentence(x.reason),
    make("details", {}, make("summary", {}, "show"), make("pre", {}, JSON.stringify(x.update, null, 1)))];
}
function showOne(b) {
  at("onebox").hidden = !b;
  if (!b) return;
  at("onehead").textContent = "Bot " + b.id + (b.username ? " @" + b.username : "");
  const u = b.update_state, i = u && u.intake, said = notes(b);
  const parts = [facts([["phase", mark(b.phase)], ["since", age(b.phase_since)],
    ["updates come in", mark(i ? i.state : "–")], ["looked at", i && i.checked_at ? age(i.checked_at) + " ago" : "–"],
    ["wait at Telegram", i && i.checked_at ? number(i.pending_at_telegram) : "–"], ["leave by", delivery(b)],
    ["wait here", number(u && u.pending)], ["oldest", age(u && u.oldest_at)],
    ["dead letters", number(u && u.dead_letters)]]), ...said];
  if ((b.delivery || {}).url) parts.push(make("p", { class: "dim" }, "Its receiver: " + new URL(b.delivery.url).origin));
  if (letters && letters.length) {
    const again = make("button", { type: "button" }, "deliver all of them again");
    again.addEventListener("click", () => replay(b.id, again));
    parts.push(make("div", { class: "tools" }, make("strong", {}, "Dead letters"), again),
      table(["update", "kind", "came", "died", "#attempts", "~because", "~the update"], letters.map(letterRow)));
    if (more) parts.push(make("p", { class: "dim" }, "There are more: troupectl dead-letters list " + b.id));
  }
  const opened = [...at("one").querySelectorAll("details[open]")].length > 0;
  if (!opened) at("one").replaceChildren(...parts); // Nobody is reading one.
}
async function replay(bot, button) {
  button.disabled = true;
  try {
    const done = await ask("/v1/bots/" + bot + "/dead-letters:replay", { all: true });
    at("botsaid").textContent = done.replayed === 1 ? "One update is delivered again."
      : number(done.replayed) + " updates are delivered again.";
  } catch (failure) {
    at("botsaid").textContent = sentence(failure.message);
  }
  letters = null;
  at("one").replaceChildren();
  refreshBots();
}
)html";

/// Asking the node, again and again.
constexpr std::string_view asking = R"html(
// The key stays in this tab, and is sent to this node alone.
let needsKey = false, seesNode = true, timer, botTimer, cursors = [null], following = null, chosen = null,
  letters = null, more = false, round = 0;
async function ask(path, body) {
  const headers = { accept: "application/json" }, key = sessionStorage.getItem("key");
  if (key) headers.authorization = "Bearer " + key;
  if (body) headers["content-type"] = "application/json";
  let answer, said;
  try {
    answer = await fetch(path, { headers, method: body ? "POST" : "GET", body: body && JSON.stringify(body) });
    said = await answer.json();
  } catch { throw new Error("The node does not answer. It is tried again."); }
  if (answer.ok) return said;
  const failure = new Error([said.detail, said.advice].filter(Boolean).join(" ") || "The node refuses this.");
  failure.code = said.code;
  if (answer.status === 401 || said.code === "too_many_failures") {
    needsKey = true;
    at("refusal").textContent = failure.message;
    at("refusal").hidden = !key;
    sessionStorage.removeItem("key");
  }
  throw failure;
}
const routes = [["/v1/updates", ["updates"]], ["/v1/health", ["health", "worst"]], ["/v1/budgets", ["budgets"]],
  ["/v1/sessions", ["sessions"]], ["/v1/supervision", ["tree"]]];
function arrange() {
  at("door").hidden = !needsKey;
  at("main").hidden = needsKey;
  at("leave").hidden = !sessionStorage.getItem("key");
  for (const section of document.querySelectorAll(".node")) section.hidden = !seesNode;
}
function tell(kind, text) {
  at("state").className = kind;
  at("state").textContent = text;
}
async function refresh() {
  clearTimeout(timer);
  const mine = ++round, failures = [];
  if (seesNode) await Promise.all(routes.map(async ([path, parts]) => {
    try {
      const report = await ask(path);
      for (const part of parts) {
        at(part).className = "";
        at(part).replaceChildren(...show[part](report));
      }
    } catch (failure) {
      if (failure.code === "forbidden") seesNode = false; // A tenant's key.
      else failures.push(failure.message);
      for (const part of parts) at(part).className = "dim";
    }
  }));
  if (mine !== round) return;
  arrange();
  if (needsKey) return tell("dim", "");
  if (failures.length) tell("dot bad", failures[0]);
  else if (seesNode) tell("dot good", "live, " + new Date().toLocaleTimeString());
  timer = setTimeout(refresh, document.hidden ? 10000 : 2000);
}
async function refreshBots() {
  clearTimeout(botTimer);
  const only = at("number").value.trim(), phase = at("phase").value, cursor = cursors[cursors.length - 1];
  try {
    let all;
    if (/^\d+$/.test(only)) {
      const [bot, state] = await Promise.all([ask("/v1/bots/" + only), ask("/v1/bots/" + only + "/updates")]);
      bot.update_state = state;
      all = { bots: [bot], next_cursor: null };
    } else {
      all = await ask("/v1/bots?with=updates&limit=25" + (phase ? "&status=" + phase : "") + (cursor ? "&cursor=" + cursor : ""));
    }
    following = all.next_cursor;
    const one = all.bots.find(b => b.id === chosen);
    if (one && one.update_state && one.update_state.dead_letters) {
      const page = await ask("/v1/bots/" + one.id + "/dead-letters?limit=20");
      letters = page.dead_letters;
      more = page.next_cursor !== null;
    } else {
      letters = null;
    }
    at("bots").className = "";
    at("bots").replaceChildren(...showBots(all.bots));
    showOne(one);
    if (!seesNode) tell("dot good", "this tenant's bots, " + new Date().toLocaleTimeString());
  } catch (failure) {
    at("bots").className = "dim";
    if (failure.code === "unknown_bot") at("bots").replaceChildren(...showBots([]));
    else at("bots").replaceChildren(sentence(failure.message));
    if (!seesNode) tell("dot bad", failure.message);
  }
  at("first").disabled = cursors.length < 2;
  at("next").disabled = !following;
  if (needsKey) return arrange();
  botTimer = setTimeout(refreshBots, document.hidden ? 60000 : 10000);
}
async function begin() {
  clearTimeout(timer);
  clearTimeout(botTimer);
  needsKey = false;
  seesNode = true;
  cursors = [null];
  try {
    await ask("/v1/bots?limit=1"); // One question finds out whether a key is wrong: the node counts those.
  } catch { // What is wrong is told by those below, or at the door.
    arrange();
    if (needsKey) return tell("dim", "");
  }
  refresh();
  refreshBots();
}
at("keyform").addEventListener("submit", event => {
  event.preventDefault();
  const key = at("key").value.trim();
  if (!key) return;
  sessionStorage.setItem("key", key);
  at("key").value = "";
  at("refusal").hidden = true;
  begin();
});
at("leave").addEventListener("click", () => {
  sessionStorage.removeItem("key");
  location.reload();
});
for (const id of ["phase", "number"]) at(id).addEventListener("change", () => { cursors = [null]; refreshBots(); });
at("next").addEventListener("click", () => { if (following) cursors.push(following); refreshBots(); });
at("first").addEventListener("click", () => { cursors = [null]; refreshBots(); });
begin();
</script></body></html>
)html";

} // namespace

std::string dashboard_script() {
  std::string script;
  for (auto part : {basics, reports, bots, asking})
    script += part;
  return script;
}

} // namespace troupe::api
