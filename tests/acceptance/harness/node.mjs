import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program, runToEnd } from './program.mjs';
import { exchangeJson, request } from './http.mjs';
import { until } from './wait.mjs';

const directories = [];
process.on('exit', () => directories.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

/// A directory under the system's temporary one, removed when the process ends.
export function temporaryDirectory() {
  const dir = mkdtempSync(join(tmpdir(), 'troupe-acceptance-'));
  directories.push(dir);
  return dir;
}

/// Settings of a node whose bots are registered, by tests that are in no quota's way.
export const registered = {
  'gateway.unknown-tokens': 'reject',
  'api.creations-per-minute': 1000,
  'api.user-rpm': 100_000,
  'rate-governor.global-rps': 0,
};

function parsed(line) {
  try {
    const value = JSON.parse(line);
    return value && typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}

/// One trouped with directories and ports of its own.
export class Node {
  /// `upstream`: what the pool speaks to (a Sandbox or {url, tokens}). `options`: command line, by
  /// setting, undefined ones left out. `files`: config files, by name. Adopts unknown tokens unless
  /// told otherwise.
  /// `program`: another build of trouped, by its path.
  static async start(upstream, { options = {}, files = {}, env = {}, program = 'trouped' } = {}) {
    const node = new Node();
    node.upstream = upstream;
    node.dir = temporaryDirectory();
    for (const sub of ['config', 'data']) mkdirSync(join(node.dir, sub));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(node.dir, 'config', name), text);
    const settings = {
      'node.data-dir': join(node.dir, 'data'),
      'session-pool.api-root': upstream.url,
      'gateway.port': 0,
      'api.port': 0,
      'webhook.port': 0,
      'gateway.unknown-tokens': 'adopt',
      'rate-governor.global-rps': 500, // Tests of the budgets set their own.
      'log.format': 'json',
      ...options,
    };
    node.dataDir = settings['node.data-dir'];
    node.program = new Program(program, [`--config-dir=${join(node.dir, 'config')}`,
      ...Object.entries(settings).filter(([, value]) => value !== undefined)
        .map(([key, value]) => `--${key}=${value}`)], { env });
    try {
      node.gatewayPort = await node.listener('gateway');
      node.apiPort = await node.listener('api');
      await until('/readyz answers 200', async () => (await request(`${node.api}/readyz`)).status === 200);
    } catch (error) {
      node.program.kill();
      throw new Error(`${error.message}\n--- its output:\n${node.program.lines.slice(-30).join('\n')}`);
    }
    return node;
  }

  get root() { return `http://127.0.0.1:${this.gatewayPort}`; }
  get api() { return `http://127.0.0.1:${this.apiPort}`; }

  listener(which) {
    return this.program.line(`logs listener.started of ${which}`, (line) => {
      const event = parsed(line);
      return event?.event === 'listener.started' && event.listener === which && event.port;
    });
  }

  /// Log lines as objects; `event` filters by name.
  events(event) {
    const all = this.program.lines.map(parsed).filter((entry) => entry?.event);
    return event ? all.filter((entry) => entry.event === event) : all;
  }

  async logged(event, matches = () => true, options) {
    return until(`the event ${event} is logged`, () => this.events(event).find(matches), options);
  }

  /// The operator's key that the first start wrote.
  get operatorKey() { return readFileSync(join(this.dataDir, 'operator.key'), 'utf8').trim(); }

  /// GET on the API port as the operator, JSON expected.
  get(path) {
    return exchangeJson(`${this.api}${path}`, 'GET', undefined, { headers: { authorization: `Bearer ${this.operatorKey}` } });
  }

  /// A request to the control API: {status, headers, json, text}. `key`: the operator's unless given; null: none.
  ask(method, path, body, { key = this.operatorKey, headers = {} } = {}) {
    return request(`${this.api}${path}`, {
      method,
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  /// One Bot API call through the gateway.
  call(token, method, body, { headers = {}, ...options } = {}) {
    return request(`${this.root}/bot${token}/${method}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
  }

  /// troupectl, with the operator's key if there is a node.
  ctl(...args) {
    const env = this.dataDir ? { TROUPE_KEY: this.operatorKey } : {};
    return runToEnd('troupectl', [...args, `--url=${this.api}`], { env });
  }

  /// How many calls wait for budget or a session.
  async waiting() { return (await this.get('/v1/budgets')).waiting + (await this.get('/v1/sessions')).waiting; }

  /// Waits until no lease, no waiting call and no descriptor beyond `descriptors` is held, those
  /// aside of idle sessions that the pool knows of and shows.
  async quiet(descriptors, { within = 15_000 } = {}) {
    await until('the node holds no lease', async () => {
      const { leased, polls } = await this.get('/v1/sessions');
      const waiting = await this.waiting();
      if (leased === 0 && polls === 0 && waiting === 0) return true;
      throw new Error(`leased ${leased}, polls ${polls}, waiting ${waiting}`);
    }, { within });
    if (descriptors !== undefined)
      await until(`its descriptors return to ${descriptors}`, async () => {
        const { idle } = await this.get('/v1/sessions');
        const now = this.program.descriptors() - idle;
        if (now <= descriptors) return true;
        throw new Error(`${now} descriptors are open:\n${this.program.describeDescriptors()}`);
      }, { within });
  }

  /// Stops it: exit code 0 and no token in anything it ever wrote.
  async stop() {
    const code = await this.program.stop();
    assert.equal(code, 0, `trouped ended with ${code}:\n${this.program.lines.slice(-20).join('\n')}`);
    this.assertNoTokenIn(this.program.output, 'the log');
  }

  /// No piece of a secret (what follows the colon) may appear in `text`.
  assertNoTokenIn(text, where, tokens = this.upstream.tokens) {
    for (const token of tokens) {
      const [id, secret] = token.split(':');
      for (let at = 0; at + 10 <= secret.length; at += 5)
        assert.ok(!text.includes(secret.slice(at, at + 10)), `a piece of bot ${id}'s token is in ${where}`);
    }
  }
}
