// What the measurements of `make bench` share: programs started and stopped, CPU time, medians.
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, readdirSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
export const bin = resolve(process.argv[2] ?? 'build/release/bin');
export const out = resolve(process.argv[3] ?? 'build/bench');
export const pairs = Number(process.env.BENCH_PAIRS ?? 5);
export const seconds = Number(process.env.BENCH_SECONDS ?? 4);
export const work = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
export const bots = 100; // Each with a token that is made of its number: see wrk.lua.
export const children = [];
const clockTicks = 100; // USER_HZ on Linux.

export const freePort = () => new Promise((done, fail) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  }).on('error', fail);
});

export async function until(what, condition, deadline = 20000) {
  const end = Date.now() + deadline;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`${what}: not within ${deadline} ms`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

export const listening = (port) => new Promise((done) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
  socket.on('error', () => done(false));
});

export function start(name, command, args, env = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part) => { text = (text + part).slice(-4000); });
  child.on('exit', (code) => { if (!child.expected) console.error(`${name} ended with ${code}:\n${text}`); });
  children.push(child);
  return child;
}

export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.expected = true;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15000);
  await ended;
  clearTimeout(timer);
}

const read = (file) => { try { return readFileSync(file, 'utf8'); } catch { return ''; } };
function processTree(pid) {
  const all = [pid];
  for (const task of readdirSync(`/proc/${pid}/task`))
    for (const child of read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean))
      all.push(...processTree(Number(child)));
  return all;
}
/** CPU seconds of a process and its children. */
export const cpu = (pid) => processTree(pid).reduce((sum, x) => {
  const fields = read(`/proc/${x}/stat`).split(') ')[1]?.split(' ') ?? [];
  return sum + (Number(fields[11]) + Number(fields[12])) / clockTicks;
}, 0);

/** The share of the machine's CPU time that nobody uses, over two seconds. */
export async function idleShare() {
  const times = () => read('/proc/stat').split('\n')[0].split(/\s+/).slice(1, 9).map(Number);
  const before = times();
  await new Promise((done) => setTimeout(done, 2000));
  const spent = times().map((x, i) => x - before[i]);
  return (spent[3] + spent[4]) / spent.reduce((sum, x) => sum + x); // idle, iowait
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
export const spread = (values) => ({ median: median(values), min: Math.min(...values), max: Math.max(...values) });

export function run(name, args) {
  const text = execFileSync(join(bin, name), args,
    { encoding: 'utf8', maxBuffer: 1 << 24, timeout: 900000, cwd: work });
  return JSON.parse(text.trim().split('\n').pop());
}

/** As many sendMessage as come through over so many connections, closed loop. */
export function wrk(port, connections = 64) {
  return new Promise((done, fail) => {
    const child = spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s',
      join(here, 'wrk.lua'), `http://127.0.0.1:${port}`], { env: { ...process.env, BENCH_BOTS: bots } });
    let text = '';
    child.stdout.on('data', (part) => { text += part; });
    child.on('exit', (code) => {
      const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
      const total = Number(/(\d+) requests in/.exec(text)?.[1]);
      const errors = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
      const socket = /Socket errors: (.*)/.exec(text)?.[1];
      if (code || !rps) fail(new Error(`wrk failed: ${text}`));
      else done({ rps, total, errors, socket });
    });
  });
}

/** Open-loop load; an error of single requests is part of the result, not a failure of the run. */
export function load(port, rate) {
  return new Promise((done, fail) => {
    const child = spawn(join(bin, 'bench-load'), [`--port=${port}`, `--rate=${rate}`, `--seconds=${seconds}`,
      `--bots=${bots}`]);
    let text = '';
    child.stdout.on('data', (part) => { text += part; });
    child.on('exit', () => (text ? done(JSON.parse(text)) : fail(new Error('bench-load failed'))));
  });
}

/** Ends every program that was started, and removes what they wrote. */
export async function finish() {
  for (const child of [...children].reverse()) await stop(child);
  rmSync(work, { recursive: true, force: true });
}
