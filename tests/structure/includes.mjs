import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { clocks, forbiddenIncludes, includesOf, roomOf, sizes, sleeps, tokens } from "./rules.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

// What is in the repository, or would be with the next commit.
// The checkout may belong to another user than the one who tests it.
const paths = execFileSync(
  "git", ["-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
  { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 })
  .split("\0").filter((path) => path && existsSync(join(root, path)));
const texts = /\.(cpp|hpp|c|h|mjs|js|ts|json|conf|md|txt|cmake|yml|yaml|sh|html|py)$|^[^.]*$/;
const files = paths.filter((path) => texts.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
const sources = files.filter(({ path }) => /\.[ch]pp$/.test(path));

test("the walk sees the source tree", () => {
  assert.ok(sources.length > 50, `only ${sources.length} sources`);
  for (const folder of ["messages/", "runtime/", "tests/"])
    assert.ok(sources.some(({ path }) => path.startsWith(folder)), folder);
  assert.ok(sources.some(({ text }) => includesOf(text).length > 0));
});

test("no room includes what the table of rooms forbids", () => {
  assert.deepEqual(sources.flatMap(forbiddenIncludes), []);
});

// SCENARIO names its types by lines, and each suite's fixture is called fixture.
const suites = ({ path, text }) => {
  const name = /([^/]+)_test\.cpp$/.exec(path)?.[1];
  return name && /^SCENARIO\(/m.test(text) && !new RegExp(`^namespace troupe::(\\w+::)*${name}_suite \\{`, "m").test(text)
    ? [`${path}: no namespace troupe::${name}_suite`] : [];
};

test("every include of ours leads to a file", () => {
  const known = new Set(paths);
  const lost = sources.flatMap(({ path, text }) => includesOf(text)
    .filter(({ name, quoted }) => quoted && !known.has(name))
    .map(({ name }) => `${path}: there is no ${name}`));
  assert.deepEqual(lost, []);
});

test("nothing outside the tests looks like a bot token", () => {
  assert.deepEqual(files.flatMap(tokens), []);
});

test("each file of a suite has a namespace of its own, as several are compiled as one", () => {
  assert.deepEqual(sources.flatMap(suites), []);
});

test("no test sleeps", () => {
  assert.deepEqual(sources.flatMap(sleeps), []);
});

test("no actor and no policy reads the machine's clocks or entropy", () => {
  assert.deepEqual(sources.flatMap(clocks), []);
});

test("no file is several times as long as the house's files are", () => {
  assert.deepEqual(sources.flatMap(sizes), []);
});

test("each folder says what lives in it", () => {
  const folders = new Set(sources.map(({ path }) => dirname(path))
    .filter((path) => roomOf(path + "/") && !path.startsWith("tests"))
    // A part of an executable is described beside it.
    .map((path) => path.startsWith("runtime/main/") ? "runtime/main" : path));
  const silent = [...folders].filter((path) => !existsSync(join(root, path, "README.md")));
  assert.deepEqual(silent, []);
});

test("planted violations are found", () => {
  const planted = (path, text) => [forbiddenIncludes, tokens, sleeps, suites, clocks]
    .flatMap((rule) => rule({ path, text })).length;
  const bad = [
    ["messages/x.hpp", '#include "runtime/log/log.hpp"'],
    ["messages/x.hpp", "#include <boost/json.hpp>"],
    ["runtime/policy/x.hpp", "#include <caf/timespan.hpp>"],
    ["runtime/policy/x.hpp", '#include "messages/call.hpp"'],
    ["runtime/net/x.cpp", '  #  include "actors/bot/bot.hpp"'],
    ["runtime/net/x.cpp", '#include "tests/sandbox/sandbox.hpp"'],
    ["runtime/api/x.cpp", '#include "actors/bot/bot.hpp"'],
    ["runtime/api/x.cpp", '#include "runtime/main/trouped/node.hpp"'],
    ["actors/bot/x.cpp", '#include "runtime/api/routes.hpp"'],
    ["actors/bot/x.cpp", '#include "bot.hpp"'],
    ["actors/bot/x.hpp", "#include <caf/all.hpp>"],
    ["actors/bot/x.cpp", "#include <messages/call.hpp>"],
    ["runtime/main/trouped.cpp", '#include "tests/sandbox/sandbox.hpp"'],
    ["docs/x.md", "token: 123456" + ":" + "x".repeat(35)],
    ["tests/net/x_test.cpp", "std::this_thread::sleep_for(1s);"],
    ["actors/bot/x.cpp", "auto at = std::chrono::steady_clock::now();"],
    ["actors/journal/journal.cpp", "std::random_device seed;"],
    ["runtime/policy/x.hpp", "auto at = wall_now();"],
    ["tests/net/x_test.cpp", 'namespace troupe::y_suite {\nSCENARIO("a thing is done") {'],
  ];
  for (const [path, text] of bad) assert.equal(planted(path, text), 1, `${path}: ${text}`);
  const good = [
    ["messages/x.hpp", "#include <caf/timespan.hpp>\n#include <vector>"],
    ["runtime/policy/x.hpp", "#include <chrono>\n#include \"runtime/policy/y.hpp\""],
    ["runtime/main/trouped.cpp", '#include "actors/bot/bot.hpp"\n#include "runtime/main/trouped/node.hpp"'],
    ["tests/net/x_test.cpp", '#include "runtime/api/routes.hpp"\n#include <caf/all.hpp> // sleep_for('],
    ["tests/net/x_test.cpp", 'namespace troupe::net::x_suite {\nSCENARIO("a thing is done") {'],
    ["actors/bot/x.cpp", "auto at = self->clock().now(); // Not steady_clock::now."],
    ["runtime/net/x.cpp", "auto at = std::chrono::steady_clock::now();"],
    ["docs/x.md", "123456:*** and 12:30:45"],
  ];
  for (const [path, text] of good) assert.equal(planted(path, text), 0, `${path}: ${text}`);
});
