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
nav { margin-left:auto; font-size:.85rem } nav a, nav button { margin-left:.9rem } a { color:var(--accent) }
main { display:grid; gap:1rem; padding:1rem 1.5rem; grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));
  max-width:100rem; margin:auto; align-items:start }
section { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:1rem;
  overflow-x:auto }
section.wide { grid-column:1/-1 }
dl { display:grid; grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr)); gap:.6rem 1rem; margin:0 0 .8rem }
dt { color:var(--dim); font-size:.78rem } dd { margin:0; font-size:1.2rem; font-variant-numeric:tabular-nums }
table { border-collapse:collapse; width:100%; font-size:.87rem; font-variant-numeric:tabular-nums }
th { text-align:left; color:var(--dim); font-weight:500 }
th,td { padding:.25rem .6rem .25rem 0; white-space:nowrap } th:last-child, td:last-child { padding-right:0 }
tr + tr td { border-top:1px solid var(--line) } td.n, th.n { text-align:right }
ul.tree, ul.tree ul { list-style:none; margin:0; padding-left:1.15rem } ul.tree { padding-left:0 }
ul.tree li { padding:.1rem 0; border-left:1px solid var(--line); padding-left:.7rem }
.dim { color:var(--dim) } .good { color:var(--good) } .warn { color:var(--warn) } .bad { color:var(--bad) }
.dot::before { content:"●"; margin-right:.35em; font-size:.8em }
.bar { background:var(--bar); border-radius:4px; height:.55rem; min-width:4.5rem; overflow:hidden }
.bar i { display:block; height:100%; background:var(--accent) } .bar i.full { background:var(--warn) }
#state { font-size:.9rem }
button, input, select { font:inherit; color:inherit; background:var(--bg); border:1px solid var(--line);
  border-radius:6px; padding:.25rem .6rem } button { cursor:pointer } button:disabled { opacity:.5; cursor:default }
button.row { background:none; border:none; padding:0; color:var(--accent); text-align:left }
.tools { display:flex; flex-wrap:wrap; gap:.5rem .8rem; align-items:center; margin:0 0 .8rem; font-size:.87rem }
td.note { white-space:normal; min-width:8rem; overflow-wrap:anywhere } td.note p { margin:0 } td.when { color:var(--dim) }
td { vertical-align:top } td .bar { margin-top:.4rem } tr.chosen td { background:var(--bar) } [hidden] { display:none !important }
#door { max-width:34rem; margin:3rem auto; padding:0 1rem } #door form { display:flex; gap:.5rem; margin:1rem 0 }
#door input { flex:1; min-width:0 } pre { white-space:pre-wrap; word-break:break-word; font-size:.8rem; margin:.3rem 0 }
details summary { cursor:pointer; color:var(--accent) }
</style></head><body>
<header><h1>Troupe</h1><span id="state" role="status" class="dim">asking the node…</span>
<nav><a href="/metrics">metrics</a><a href="/readyz">readiness</a><a href="/openapi.json">API</a>
<button id="leave" type="button" hidden>forget the key</button></nav></header>
<div id="door" hidden><section><h2>This node asks for an API key</h2>
<form id="keyform"><input id="key" type="password" autocomplete="off" spellcheck="false" aria-label="API key"
placeholder="trp_…"><button>show the node</button></form>
<p id="refusal" class="bad" role="alert" hidden></p>
<p class="dim">An operator's key shows all of the node, a tenant's key the tenant's bots. The first operator key is in
<code>operator.key</code> in the node's data directory. The key stays in this tab and is forgotten with it.</p></section></div>
<main id="main" hidden>
<section class="node"><h2>Updates</h2><div id="updates" class="dim">…</div></section>
<section class="node"><h2>Upstream and bots</h2><div id="health" class="dim">…</div></section>
<section class="node"><h2>Budgets</h2><div id="budgets" class="dim">…</div></section>
<section class="wide" id="botsbox"><h2>Bots</h2><div class="tools">
<label>phase <select id="phase"><option value="">any</option><option>pending</option><option>active</option>
<option>passive</option><option>suspended</option><option>quarantined</option><option>unauthorized</option></select></label>
<label>number <input id="number" inputmode="numeric" size="12" placeholder="of one bot"></label>
<button id="first" type="button" disabled>first page</button><button id="next" type="button" disabled>next page</button>
<span id="botsaid" class="dim" role="status"></span></div><div id="bots" class="dim">…</div></section>
<section class="wide" id="onebox" hidden><h2 id="onehead"></h2><div id="one"></div></section>
<section class="node"><h2>Sessions</h2><div id="sessions" class="dim">…</div></section>
<section class="node"><h2>Supervision tree</h2><div id="tree" class="dim">…</div></section>
<section class="node wide"><h2>Bots whose calls fail</h2><div id="worst" class="dim">…</div></section>
</main>
)html";

} // namespace

std::string dashboard_page() {
  std::string page;
  page += head;
  page += dashboard_script();
  return page;
}

} // namespace troupe::api
