import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Cluster } from './cluster.mjs';
import { Sandbox } from './sandbox.mjs';
import { pause, soon, until } from './wait.mjs';

/// The shard of a bot: docs/cluster.md.
export function shardOf(id) {
  const wide = (1n << 64n) - 1n;
  let x = BigInt(id);
  x = ((x ^ (x >> 30n)) * 0xBF58476D1CE4E5B9n) & wide;
  x = ((x ^ (x >> 27n)) * 0x94D049BB133111EBn) & wide;
  return Number((x ^ (x >> 31n)) % 1024n);
}

/// A cluster under load on every node, counted at both ends: clients that call every bot at their node, clients
/// that wait for updates at any node, people who write to the bots, and the emulated Telegram that counts what
/// arrives. Calls are told apart by who asked where; see `end`.
export class Fleet {
  /// `budget`: requests a second of the whole cluster, watched by the emulated Telegram. `start`: of Cluster.
  static async start(t, { bots = 24, talkers = 6, budget = 60, loops = 2, deadline = '10s', ...start } = {}) {
    const fleet = new Fleet();
    Object.assign(fleet, { budget, deadline, said: [], clients: [], work: [], loops: [], stopped: false, away: new Set(), killed: new Set(), unheard: 0, busy: {} });
    fleet.sandbox = await Sandbox.start({ args: ['--limits=telegram', `--global-rps=${budget}`] });
    t.after(() => { fleet.stopped = true; });
    t.after(() => fleet.sandbox.stop());
    const options = { 'rate-governor.global-rps': budget, ...start.options };
    const cluster = fleet.cluster = await Cluster.start(t, fleet.sandbox, { ...start, options });
    fleet.bots = [];
    fleet.scenes = [];
    for (let i = 0; i < bots + talkers; ++i) {
      const scene = await fleet.sandbox.stage();
      const made = await cluster.all[i % cluster.all.length].ask('POST', '/v1/bots', { token: scene.bot.token, trusted: true });
      assert.equal(made.status, 201, made.text);
      if (i < bots) fleet.bots.push(scene.bot);
      else fleet.scenes.push(scene);
    }
    fleet.before = await fleet.sandbox.requests('getMe');
    for (const scene of fleet.scenes) fleet.#listen(scene);
    fleet.#talk();
    for (const name of Object.keys(cluster.nodes))
      for (let i = 0; i < loops; ++i) fleet.loops.push(fleet.#call(name, i));
    await until('calls are answered at every node', () => Object.keys(cluster.nodes).every((name) => fleet.answered({ name }) > 20));
    fleet.stalls = monitorEventLoopDelay({ resolution: 5 });
    fleet.stalls.enable();
    return fleet;
  }

  /// Answers so far that fit: {name (of the node asked), status, since}.
  all({ name, status, since = 0 } = {}) {
    return this.work.filter((one) => (!name || one.name === name) && (!status || one.status === status)
      && one.asked >= since);
  }

  answered(which) { return this.all({ ...which, status: 200 }).length; }

  async #call(name, offset) {
    for (let i = offset * 7; !this.stopped; ++i) {
      const bot = this.bots[i % this.bots.length];
      const one = this.away.has(name) ? { status: 0 } : await this.#ask(name, bot);
      if (one.status !== 200) await pause(100);
    }
  }

  async #ask(name, bot) {
    const one = { name, bot: bot.id, asked: performance.now() };
    this.busy[name] = (this.busy[name] ?? 0) + 1;
    try {
      const said = await this.cluster.nodes[name].call(bot.token, 'getMe', undefined,
        { headers: { 'x-troupe-deadline': this.deadline }, timeout: 120_000 });
      const more = said.status === 200 ? {} : { text: said.text, retry: Number(said.headers['retry-after'] ?? 0) };
      Object.assign(one, { status: said.status, attempts: Number(said.headers['x-troupe-attempts']), ...more });
    } catch (error) {
      Object.assign(one, { status: 0, text: error.message, attempts: 0 });
    }
    one.at = performance.now();
    --this.busy[name];
    if (one.status === 0 && this.killed.has(name)) ++this.unheard;
    else this.work.push(one);
    return one;
  }

  /// A client that polls for updates, at another node with each poll.
  async #listen(scene) {
    const client = { scene, seen: new Map(), again: 0 };
    this.clients.push(client);
    let offset = 0;
    for (let i = this.clients.length; !this.stopped; ++i) {
      const alive = this.cluster.all;
      if (alive.length === 0) return; // The test is over.
      let said;
      try {
        said = await alive[i % alive.length].call(scene.bot.token, 'getUpdates', { offset, timeout: 1 },
          { headers: { 'x-troupe-deadline': '2s' } });
      } catch { continue; }
      if (said.status !== 200) await pause(100);
      for (const update of said.json?.result ?? []) {
        if (update.update_id < offset) ++client.again; // It was confirmed, and that was answered.
        const text = update.message?.text;
        client.seen.set(text, (client.seen.get(text) ?? 0) + 1);
        offset = Math.max(offset, update.update_id + 1);
      }
    }
  }

  async #talk() {
    for (let n = 0; !this.stopped && !this.quiet; ++n) {
      for (const scene of this.scenes) {
        const text = `message ${n} to ${scene.bot.id}`;
        await this.sandbox.say(scene.chat, scene.user, text).catch(() => { this.quiet = true; });
        if (!this.quiet) this.said.push({ scene, text });
      }
      await pause(250);
    }
  }

  /// No call goes to the node any more, as a balancer does that takes it out, until `name` is removed from `away`.
  async takeOut(name) {
    this.away.add(name);
    await until(`no call is under way at ${name}`, () => !this.busy[name]);
  }

  /// kill -9 of a node. What its clients had asked nobody answers: `unheard` counts it.
  async kill(name) {
    this.away.add(name);
    this.killed.add(name);
    await this.cluster.kill(name);
  }

  /// Every bot is called at one of the nodes given, all at once and until it answers.
  /// @returns how long after `since` the last one did, in milliseconds
  async everyBot(names, since = performance.now(), bots = this.bots) {
    const times = await Promise.all(bots.map((bot, i) => until(`bot ${bot.id} answers at ${names[i % names.length]}`, async () => {
      const one = await this.#ask(names[i % names.length], bot);
      if (one.status === 200) return one.at;
      throw new Error(JSON.stringify(one));
    }, { within: 30_000 })));
    return Math.max(...times) - since;
  }

  /// Waits until so many more calls were answered at each of the nodes.
  async goesOn(names = Object.keys(this.cluster.nodes), count = 20) {
    const since = performance.now();
    await until(`calls go on at ${names.join(', ')}`, () => names.every((name) => this.answered({ name, since }) >= count), { within: 20_000 });
  }

  /// From now on the database notes which node writes what of a bot that only the bot's owner may write.
  async witness() {
    await this.cluster.database.query(`CREATE TABLE witness (node TEXT, what TEXT, at TIMESTAMPTZ, bot BIGINT);
      CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE x JSONB; BEGIN
        x := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
        INSERT INTO witness VALUES (current_setting('application_name'), TG_TABLE_NAME || ' ' || TG_OP, clock_timestamp(),
          (CASE WHEN TG_TABLE_NAME = 'bots' THEN x->>'id' ELSE x->>'bot' END)::BIGINT);
        RETURN NULL; END $$;`
      + ['updates', 'dead_letters', 'bots', 'virtual_tokens'].map((table) => `
      CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION witness();`).join(''));
  }

  /// What the node wrote between two times (Date).
  async written(name, from, to) {
    const rows = await this.cluster.database.query(`SELECT what, at FROM witness WHERE node = '${name}' AND at BETWEEN '${from.toISOString()}' AND '${to.toISOString()}'`);
    return rows.split('\n').filter(Boolean);
  }

  /// Which nodes wrote of each bot what only its owner may, one after the other: [{bot, nodes}].
  async owners() {
    const runs = new Map();
    for (const line of (await this.cluster.database.query('SELECT bot, node FROM witness ORDER BY at')).split('\n').filter(Boolean)) {
      const [bot, node] = line.split('|');
      if (!runs.has(bot)) runs.set(bot, []);
      if (runs.get(bot).at(-1) !== node) runs.get(bot).push(node);
    }
    return [...runs].map(([bot, nodes]) => ({ bot, nodes }));
  }

  /// The bots that a node has now, by what etcd says.
  async botsOf(name, bots = this.bots) {
    const owners = await this.cluster.owners();
    return bots.filter(({ id }) => owners.get(shardOf(id)) === name);
  }

  /// The end of the load: every update that Telegram gave away has reached its client, and the counts of both
  /// ends agree. `refusals` (answer → whether it may be): of calls that were not carried out.
  /// `unsure`: so many requests at most were begun and not heard of. `conflicts`: polls that a node which stands
  /// still has open. `delayed`: so many requests at most arrived in a later window than they were granted in.
  async end(t, { refusals = () => false, unsure = 0, conflicts = 0, delayed = 0 } = {}) {
    this.quiet = true;
    await until('every update has come', () => {
      const missing = this.said.filter(({ scene, text }) => !this.clients.find((x) => x.scene === scene).seen.has(text));
      if (missing.length === 0) return true;
      throw new Error(`${missing.length} of ${this.said.length} are missing, first: ${missing[0].text}`);
    }, { within: 60_000 });
    this.stopped = true;
    await soon('all calls are answered', Promise.all(this.loops), 120_000);
    const ok = this.answered();
    const refused = this.work.filter(({ status }) => status !== 200);
    const { methods } = await this.sandbox.stats();
    const arrived = (await this.sandbox.requests('getMe')) - this.before;
    const attempts = this.work.reduce((sum, one) => sum + one.attempts, 0);
    const { limits, jitter_tolerance_ms: tolerance } = await this.sandbox.violations();
    const twice = this.clients.flatMap(({ seen }) => [...seen.values()]).filter((n) => n > 1).length;
    const stalled = this.cluster.gated ? Math.ceil(this.stalls.max / 1e6) : 0;
    const clashes = methods.getUpdates?.outcomes?.[409] ?? 0;
    t.diagnostic(`calls: ${this.work.length} asked, ${ok} answered, ${refused.length} refused, ${arrived} arrived at Telegram`);
    t.diagnostic(`updates: ${this.said.length} made, all delivered, ${twice} more than once; polls that met another one: ${clashes}`);
    t.diagnostic(`Telegram's answers: ${JSON.stringify(methods.getMe.outcomes)}; windows: ${JSON.stringify(limits.global)}; the gates stood still for up to ${stalled} ms`);
    const wrong = refused.filter((one) => ![429, 502, 503].includes(one.status) || !(one.retry > 0) || !refusals(one));
    assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} refusals that should not be`);
    // An attempt that a node does not begin, for it lost its lease, arrives nowhere.
    assert.ok(arrived >= ok && arrived <= attempts + unsure + this.unheard,
      `${arrived} requests arrived, ${ok} were answered in ${attempts} attempts, ${unsure} may be unheard of`);
    // What goes through gates of this process arrives that much later when it stood still.
    for (const [name, { violations, early_ms }] of Object.entries(limits))
      assert.ok(violations <= ({ polls: conflicts, global: delayed }[name] ?? 0) || (name === 'global' && early_ms <= tolerance + stalled),
        `${name}: ${JSON.stringify(limits)}`);
    assert.equal(this.clients.reduce((sum, x) => sum + x.again, 0), 0, 'what was confirmed came again');
    assert.ok(clashes <= conflicts, `${clashes} polls of one bot met another`);
    return { ok, refused, arrived, attempts };
  }
}
