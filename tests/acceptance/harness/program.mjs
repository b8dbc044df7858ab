import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expectNone, reporting, reportOf } from './reports.mjs';
import { slowness, soon, until } from './wait.mjs';

const running = new Set();
process.on('exit', () => running.forEach((program) => program.kill()));

/// Where the programs under test are. A path is itself.
export function binary(name) {
  if (name.includes('/')) return name;
  if (!process.env.TROUPE_BIN) throw new Error('TROUPE_BIN is not set; use tests/acceptance/run');
  return `${process.env.TROUPE_BIN}/${name}`;
}

/// A child process whose output is kept line by line.
export class Program {
  constructor(name, args, { env = {} } = {}) {
    this.name = name;
    this.lines = [];
    this.child = spawn(binary(name), args, {
      env: reporting({ ...process.env, ...env }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this);
    expectNone(this);
    this.child.unref(); // A test that failed must not wait for what it left running; exit kills it.
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
      stream.unref();
    }
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => resolve({ error: error.message }));
      // 'close', not 'exit': all output has been read by then.
      this.child.on('close', (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      running.delete(this);
      this.end = end;
      return end;
    });
  }

  get pid() { return this.child.pid; }
  get output() { return this.lines.join('\n'); }

  /// The first line that `match` (line → value) turns into something truthy, as that value.
  async line(what, match, within = 20_000) {
    const look = () => this.lines.map(match).find(Boolean);
    await until(`${this.name} ${what}`, () => this.end ?? look(), { within });
    const found = look();
    if (found) return found;
    throw new Error(`${this.name} ended with ${JSON.stringify(this.end)}:\n${this.lines.slice(-20).join('\n')}`);
  }

  /// SIGTERM, then its exit code; killed and an error after the deadline; an error if a sanitizer found a fault.
  async stop(within = 20_000) {
    if (!this.end) this.child.kill('SIGTERM');
    try {
      const { code } = await soon(`${this.name} ends after SIGTERM`, this.exited, within);
      this.assertNoReport();
      return code;
    } finally {
      this.kill();
    }
  }

  /// Throws what a sanitizer has said of it, if anything.
  assertNoReport() {
    const report = reportOf(this);
    if (report) throw new Error(`${this.name}, instrumented:\n${report}`);
  }

  kill() {
    if (!this.end) this.child.kill('SIGKILL');
  }

  /// Open descriptors, right now.
  descriptors() { return readdirSync(`/proc/${this.pid}/fd`).length; }

  /// What they are, a line each: for the message of a test that finds too many.
  describeDescriptors() {
    const port = (address) => parseInt(address.split(':')[1], 16);
    const sockets = new Map(readFileSync(`/proc/${this.pid}/net/tcp`, 'utf8').split('\n').slice(1)
      .map((line) => line.trim().split(/\s+/)).filter((fields) => fields.length > 9)
      .map((fields) => [fields[9], `tcp ${port(fields[1])} -> ${port(fields[2])}, state ${fields[3]}`]));
    return readdirSync(`/proc/${this.pid}/fd`).map((fd) => {
      try {
        const target = readlinkSync(`/proc/${this.pid}/fd/${fd}`);
        return `  ${fd}: ${sockets.get(/^socket:\[(\d+)\]$/.exec(target)?.[1]) ?? target}`;
      } catch { return `  ${fd}: closed meanwhile`; }
    }).join('\n');
  }

  /// Resident memory in KiB; 0 of an instrumented program, most of whose memory is the instruments'.
  resident() {
    if (slowness > 1) return 0;
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
  }
}

/// Runs a program to its end: {code, output}.
export async function runToEnd(name, args, { within = 15_000, env = {} } = {}) {
  const program = new Program(name, args, { env });
  try {
    const end = await soon(`${name} ${args.join(' ')} ends`, program.exited, within);
    program.assertNoReport();
    return { code: end.code, output: program.output };
  } finally {
    program.kill();
  }
}
