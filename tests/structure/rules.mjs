// The rules, as functions over { path, text }: each returns a list of complaints.

// Who may include what, by longest matching folder. `third` are system and library headers that are
// out of bounds, as regular expressions; `own` are our folders that are allowed.
export const rooms = [
  { folder: "messages/", own: ["messages/"], third: [/^boost\//, /^spdlog\//, /^openssl\//] },
  { folder: "runtime/policy/", own: ["runtime/policy/"],
    third: [/^caf\//, /^boost\//, /^spdlog\//, /^openssl\//] },
  { folder: "runtime/main/", own: ["messages/", "runtime/", "actors/"], third: [] },
  { folder: "runtime/", own: ["messages/", "runtime/"], not: ["runtime/main/"], third: [] },
  { folder: "actors/", own: ["messages/", "runtime/", "actors/"],
    not: ["runtime/api/", "runtime/main/"], third: [] },
  { folder: "tests/", own: ["messages/", "runtime/", "actors/", "tests/"], not: ["runtime/main/"],
    third: [] },
];

export function roomOf(path) {
  return rooms.find((room) => path.startsWith(room.folder));
}

export function includesOf(text) {
  const found = [];
  for (const match of text.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm))
    found.push({ name: match[2], quoted: match[1] === "\"" });
  return found;
}

export function forbiddenIncludes({ path, text }) {
  const room = roomOf(path);
  if (!room) return [];
  const complaints = [];
  for (const { name, quoted } of includesOf(text)) {
    const ours = /^(messages|runtime|actors|tests)\//.test(name);
    if (quoted && !ours) complaints.push(`${path}: "${name}" is not a path from the repository's root`);
    if (!quoted && ours) complaints.push(`${path}: <${name}> is ours and needs quotes`);
    if (ours && !room.own.some((folder) => name.startsWith(folder)))
      complaints.push(`${path}: ${room.folder} may not include ${name}`);
    if (ours && room.not?.some((folder) => name.startsWith(folder)))
      complaints.push(`${path}: ${room.folder} may not include ${name}`);
    if (!ours && room.third.some((rule) => rule.test(name)))
      complaints.push(`${path}: ${room.folder} may not include <${name}>`);
    if (name === "caf/all.hpp" && path.endsWith(".hpp") && room.folder !== "tests/")
      complaints.push(`${path}: a header may not include <caf/all.hpp>`);
  }
  return complaints;
}

// Digits, a colon, 35 characters of a token, not part of something longer.
const token = /(?<![A-Za-z0-9_-])\d{3,}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/;

export function tokens({ path, text }) {
  if (path.startsWith("tests/")) return [];
  const lines = text.split("\n");
  return lines.flatMap((line, i) =>
    token.test(line) ? [`${path}:${i + 1}: holds something like a bot token`] : []);
}

// In C++; a wait in a test needs a condition and a deadline instead.
const sleep = /\b(sleep_for|sleep_until|usleep|nanosleep|::sleep)\s*\(/;

export function sleeps({ path, text }) {
  if (!/^tests\/.*_test\.cpp$/.test(path)) return [];
  return text.split("\n").flatMap((line, i) =>
    sleep.test(line.replace(/\/\/.*/, "")) ? [`${path}:${i + 1}: sleeps`] : []);
}

// What is simulated goes by its actor's own clock, and by a wall clock and entropy that are given to
// it (tests/simulation). Here they are given, or nothing of it is simulated:
const givers = new Map([
  ["actors/gateway/session_find.hpp", "system_clock::now"], // A socket's coroutine.
  ["actors/gateway/connection.cpp", "clock_gettime"], // The same.
  ["actors/journal/journal.cpp", "wall_now"], // Unless another one is given.
  ["actors/store/context.hpp", "system_clock::now"], // The same.
  ["actors/health/health.hpp", "wall_now"], // The same.
  ["actors/tree/tree.hpp", "wall_now"], // The same.
  ["actors/tree/tree.cpp", "steady_clock::now"], // tree::start_bot, called from outside.
  ["actors/registrar/restore.cpp", "wall_now"], // Where nothing deals with updates.
]);
const clock = new RegExp("\\b(wall_now|(?:system|steady|high_resolution)_clock::now|random_device"
  + "|RAND_(?:priv_)?bytes|getrandom|getentropy|clock_gettime|gettimeofday|s?rand\\s*\\(|fill_random"
  + "|std::time\\s*\\()");

export function clocks({ path, text }) {
  if (!/^(actors|runtime\/policy)\/.*\.[ch]pp$/.test(path)) return [];
  return text.split("\n").flatMap((line, i) => {
    const found = clock.exec(line.replace(/\/\/.*/, ""))?.[1];
    return found && givers.get(path) !== found
      ? [`${path}:${i + 1}: reads a clock, or entropy, of the machine's`] : [];
  });
}

// Twice the house's sizes: what is larger is two things.
export function sizes({ path, text }) {
  const lines = text.split("\n").length;
  const limit = path.endsWith(".hpp") ? 400 : 600;
  return /\.[ch]pp$/.test(path) && !path.startsWith("tests/") && lines > limit
    ? [`${path}: ${lines} lines, more than ${limit}`] : [];
}
