/*
 * Makes a random scenario of a seed: the same one each time. FORMAT.md, one folder up, says what its words mean.
 *
 *   node generator.js DIR SEED COUNT     writes DIR/random-SEED.json and those of the seeds that follow
 *
 * A scenario is a few steps, apart by sleeps, and rules for what comes of them. What it must not do is to depend on what
 * the format promises nothing about: the order between endpoints, and times that are too close to each other.
 *
 *   - A step acts on one endpoint, and what comes of it is over when the next one begins.
 *   - Of the two ends of a connection one is the leader: only its rules may do to the peer, at an event, what the peer
 *     notices. The other end may answer what the leader has done: its end, or all the bytes of a write.
 *   - Megabytes go where nobody ends or destroys a connection: how many of them came before is the machine's affair.
 *   - Steps are GRID_MS apart; timeouts end between two steps, TIMEOUTS_MS after one, and only the leader has any.
 *
 * Nor is it of use where the design's section 5 rules that we differ. What a scenario shows of that by itself is not
 * made; what depends on how it goes is sorted out by rulings.js.
 */
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const GRID_MS = 60;
const TIMED_GRID_MS = 150;
const TIMEOUTS_MS = [50, 100];
const QUIET_MS = 130;

/* xorshift32 of a hash of the seed, so that seeds which follow each other have nothing in common. */
class Dice {
  constructor(seed) {
    this.state = (Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) ^ 0x9e3779b9) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  next() {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    this.state >>>= 0;
    return this.state;
  }

  below(n) {
    return Math.floor((this.next() / 2 ** 32) * n);
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /* Of [weight, value] pairs. */
  weighted(pairs) {
    let left = this.below(pairs.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of pairs) {
      if (left < weight) return value;
      left -= weight;
    }
    return undefined;
  }
}

const ENCODINGS = ['utf8', 'ascii', 'latin1', 'hex', 'base64', 'utf16le'];
const ENCODED = [
  ['616263', 'hex'], ['YWJj', 'base64'], ['YQ==', 'base64'], ['abc', 'ascii'], ['grüße', 'latin1'], ['grüße', 'utf16le'],
  ['grüße', 'utf8'],
];
const TEXTS = ['a', 'hello', 'line one\r\nline two', 'grüße', '€ und 𝄞', '', 'x'.repeat(130)];
const SOCKET_PROPS = ['connecting', 'pending', 'destroyed', 'readyState', 'bytesRead', 'bytesWritten', 'buffering',
  'localAddress', 'localPort', 'address'];
const PEER_PROPS = ['remoteAddress', 'remoteFamily', 'remotePort']; /* known from connecting on */

const NOTE = { act: 'note', text: 'here' }; /* in place of what must not be done */

/* The abilities that a runner must have. */
function requirements(actions, { loop }) {
  const needs = {
    reset: ({ act }) => act === 'reset',
    fd: ({ act, fd }) => act === 'wrap' || fd,
    ipv6: ({ act, host }) => act === 'listen' && host === null,
    'lookup-function': ({ lookup }) => lookup !== undefined,
    loop: () => loop,
  };
  const requires = Object.keys(needs).filter((name) => actions.some(needs[name]));
  return requires.length > 0 ? { requires } : {};
}

class Generator {
  constructor(seed) {
    this.seed = seed;
    this.dice = new Dice(seed);
    this.transport = this.dice.pick(['tcp4', 'tcp6', 'unix']);
    this.isUnix = this.transport === 'unix';
    this.isTimed = this.dice.chance(25);
    this.isFlow = !this.isTimed && this.dice.chance(20);
    this.gridMs = this.isTimed ? TIMED_GRID_MS : GRID_MS;
    this.labels = 0;
    this.begun = new Set();
    this.again = new Set(); /* client and life: which rules connect it again */
    this.clientLeads = this.dice.chance(55);
  }

  label(letter) {
    return `${letter}${++this.labels}`;
  }

  maybe(percent, fields) {
    return this.dice.chance(percent) ? fields : {};
  }

  callback(percent, letter) {
    return this.dice.chance(percent) ? { cb: this.label(letter) } : {};
  }

  /* Endpoints. */

  serverOptions() {
    return {
      ...this.maybe(35, { allowHalfOpen: true }),
      ...this.maybe(12, { pauseOnConnect: true }),
      ...this.maybe(6, { noData: true }),
    };
  }

  clientOptions() {
    return { ...this.maybe(35, { allowHalfOpen: true }), ...this.maybe(6, { noData: true }) };
  }

  makeEndpoints() {
    this.servers = { S: this.serverOptions() };
    if (this.dice.chance(12)) this.servers.T = this.serverOptions();
    this.clients = { C: this.clientOptions() };
    if (this.dice.chance(25)) this.clients.D = this.clientOptions();
  }

  client() {
    return this.clients.D !== undefined && this.dice.chance(30) ? 'D' : 'C';
  }

  /* Data. */

  data() {
    return this.dice.weighted([
      [50, { text: this.dice.pick(TEXTS) }],
      [12, this.encoded()],
      [12, { hex: this.dice.pick(['00ff10', 'c3', 'a9e282', 'f09d849e', '']) }],
      [8, { repeat: this.dice.pick([{ text: 'ab', count: 9000 }, { text: 'ab', count: 10 }, { text: 'ü', count: 1000 }]) }],
      [12, { pattern: { size: this.dice.pick([1, 200, 5000, 16384, 20000]), seed: this.dice.below(9) } }],
      [this.isFlow ? 20 : 0, { pattern: { size: this.dice.pick([300000, 1500000]), seed: this.dice.below(9) } }],
    ]);
  }

  encoded() {
    const [text, encoding] = this.dice.pick(ENCODED);
    return { text, encoding };
  }

  write() {
    return {
      act: 'write',
      ...this.data(),
      /* From afar a write answers one question. */
      ...(this.dice.chance(55) ? { cb: this.label('w') } : this.maybe(30, { ret: true })),
    };
  }

  end() {
    return { act: 'end', ...(this.dice.chance(35) ? this.data() : {}), ...this.callback(45, 'e') };
  }

  destroy() {
    return { act: 'destroy', ...this.maybe(35, { error: 'EDICE' }) };
  }

  /* What a socket does that its peer notices. */
  loud() {
    const rough = this.isFlow ? 0 : 1;
    const lot = this.dice.weighted(
      [[45, 'write'], [25 * rough, 'end'], [18 * rough, 'destroy'], [7 * rough, 'reset'], [5, 'writes']]);
    switch (lot) {
      case 'write': return [this.write()];
      case 'writes': return [this.write(), this.write()];
      case 'end': return [this.end()];
      case 'destroy': return [this.destroy()];
      default:
        return this.isUnix ? [this.destroy()] : [{ act: 'reset' }];
    }
  }

  get(props) {
    const count = 1 + this.dice.below(4);
    const chosen = new Set();
    while (chosen.size < Math.min(count, props.length)) chosen.add(this.dice.pick(props));
    return { act: 'get', props: [...chosen] };
  }

  timeout() {
    if (!this.isTimed) return NOTE;
    return {
      act: 'setTimeout',
      ms: this.dice.pick([...TIMEOUTS_MS, ...TIMEOUTS_MS, 0]),
      ...this.callback(40, 't'),
    };
  }

  /* What a socket does that nobody else notices, or that only holds back. */
  quiet() {
    return this.dice.weighted([
      [22, () => this.get(SOCKET_PROPS)],
      [16, () => ({ act: 'pause' })],
      [14, () => ({ act: 'resume' })],
      [14, () => this.timeout()],
      [10, () => ({ act: 'setEncoding', encoding: this.dice.pick(ENCODINGS) })],
      [6, () => NOTE],
      [3, () => ({ act: 'setNoDelay', ...this.maybe(50, { on: this.dice.chance(50) }) })],
      [3, () => ({ act: 'setKeepAlive', on: true, ...this.maybe(50, { delay: 1000 }) })],
      [4, () => ({ act: this.dice.pick(['ref', 'unref']) })],
    ])();
  }

  /* Connecting. */

  lookUp() {
    const address = this.transport === 'tcp6' ? '::1' : '127.0.0.1';
    const family = this.transport === 'tcp6' ? 6 : 4;
    return {
      host: 'dice.example',
      lookup: this.dice.chance(70) ? { address, family } : { error: this.dice.pick(['ENOTFOUND', 'EDICE']) },
    };
  }

  target() {
    return this.dice.weighted([
      [70, () => ({})],
      [12, () => ({ to: 'X' })],
      [this.servers.T ? 20 : 0, () => ({ to: 'T' })],
      [this.isUnix ? 0 : 14, () => this.lookUp()],
      [this.isUnix ? 0 : 4, () => ({ localPort: 'L' })],
      [this.isUnix ? 0 : 3, () => ({ localAddress: this.transport === 'tcp6' ? '::1' : '127.0.0.1' })],
      [this.isUnix ? 4 : 0, () => ({ to: 'M' })],
    ])();
  }

  connect() {
    return {
      act: 'connect',
      ...this.target(),
      ...this.callback(30, 'c'),
      ...(this.isTimed ? this.maybe(15, { timeout: this.dice.pick(TIMEOUTS_MS) }) : {}),
    };
  }

  wrap() {
    return { act: 'wrap', ...this.maybe(15, { readable: false }), ...this.maybe(12, { writable: false }) };
  }

  begin() {
    return this.dice.chance(14) ? this.wrap() : this.connect();
  }

  /* Servers. */

  listen() {
    const lot = this.dice.weighted([
      [80, {}],
      [this.isUnix ? 0 : 8, { host: null }],
      [6, { backlog: 4 }],
      [this.isUnix ? 6 : 0, { readableAll: true, writableAll: this.dice.chance(50) }],
      [4, { fd: true }],
      [this.isUnix ? 3 : 0, { at: 'M' }],
    ]);
    return { act: 'listen', ...lot, ...this.callback(30, 'l') };
  }

  serverAction() {
    return this.dice.weighted([
      [25, () => ({ act: 'get', props: ['listening'] })],
      [20, () => ({ act: 'getConnections' })],
      [25, () => ({ act: 'close', ...this.callback(60, 's') })],
      [6, () => ({ act: this.dice.pick(['ref', 'unref']) })],
      [this.isUnix ? 8 : 0, () => ({ act: 'stat', at: 'S' })],
    ])();
  }

  /* Steps. */

  someOf(most, make) {
    return Array.from({ length: 1 + this.dice.below(most) }, make).flat();
  }

  on(endpoint, actions) {
    return actions.map((action) => ({ act: action.act, of: endpoint, ...action }));
  }

  deeds(most) {
    return this.someOf(most, () => (this.dice.chance(65) ? this.loud() : [this.quiet()]));
  }

  socketStep(endpoint) {
    const isUnconnected = endpoint in this.clients && !this.begun.has(endpoint);
    return this.on(endpoint, isUnconnected ? [this.get(SOCKET_PROPS)] : this.unruled(this.deeds(3)));
  }

  /* Of what is done in a row: the callback of an end that comes after destroying is one that Node may forget, and a
   * reset after our end is EINVAL there. After a write the peer may read, or not, before the reset comes. */
  unruled(actions, isOver = false) {
    let hasEnded = isOver;
    return actions.map((action) => {
      const { cb, ...bare } = action;
      if (action.act === 'reset' && hasEnded) return { act: 'destroy' };
      if (action.act === 'end' && isOver) return bare;
      hasEnded = hasEnded || action.act === 'end' || action.act === 'write';
      isOver = isOver || action.act === 'destroy' || action.act === 'reset';
      return action;
    });
  }

  /* What a socket that has just begun to connect does. The look-up's answer finds it, or it is destroyed with a word; a
   * server that leads acts on it at the same time. */
  restOfBegin({ lookup }) {
    if (!this.dice.chance(30)) return [];
    if (!this.clientLeads || lookup !== undefined || this.dice.chance(40)) return [this.quiet()];
    return this.dice.pick([() => [this.write()], () => [this.end()], () => [this.destroy()]])();
  }

  /* The first step that acts on a client begins its life: what is done to one that nobody has connected is ruled. */
  clientStep() {
    const fresh = Object.keys(this.clients).filter((name) => !this.begun.has(name));
    if (fresh.length === 0) return this.socketStep(this.client());
    const client = this.dice.pick(fresh);
    this.begun.add(client);
    const begin = this.begin();
    if (begin.act === 'wrap') return this.on(client, [begin]); /* until it is connected there is another socket */
    return this.on(client, [begin, ...this.restOfBegin(begin)]);
  }

  step() {
    return this.dice.weighted([
      [30, () => this.clientStep()],
      [24, () => this.socketStep(this.client())],
      [28, () => this.socketStep(this.dice.weighted([[90, 'S#1'], [10, 'S#2']]))],
      [12, () => this.on(this.dice.pick(Object.keys(this.servers)), [this.serverAction()])],
    ])();
  }

  makeStart() {
    const start = Object.keys(this.servers).flatMap((server) => this.on(server, [this.listen()]));
    if (this.isUnix && this.dice.chance(8))
      start.unshift({ act: 'file', at: 'S', kind: this.dice.pick(['stale-socket', 'regular']) });
    const steps = 1 + this.dice.below(this.isTimed ? 3 : 5);
    const first = this.dice.chance(85) ? [this.clientStep()] : [];
    for (const step of [...first, ...Array.from({ length: steps }, () => this.step())])
      start.push({ act: 'sleep', ms: this.gridMs }, ...step);
    start.push({ act: 'sleep', ms: this.gridMs }); /* what the last step has done may take its time to show */
    return start;
  }

  /* Rules. */

  when() {
    return this.dice.weighted([[82, {}], [10, { nth: 2 }], [8, { every: true }]]);
  }

  /* At any event of its own; what is written at every event must not be without end. */
  leaderRule(leader) {
    const on = this.dice.weighted([
      [20, leader.endsWith('#*') || leader.includes('#') ? 'accepted' : 'connect'],
      [leader.includes('#') ? 0 : 10, 'ready'],
      [20, 'data'],
      [18, 'end'],
      [14, 'close'],
      [12, 'error'],
      [8, 'drain'],
      [this.isTimed ? 14 : 0, 'timeout'],
      [leader.includes('#') ? 0 : 4, 'lookup'],
    ]);
    const deeds = on === 'lookup' ? [this.quiet()] : this.unruled(this.deeds(3), on === 'close' || on === 'error');
    const looks = on === 'connect' || on === 'accepted' ? this.maybe(20, this.get(PEER_PROPS)) : {};
    return {
      on,
      of: leader,
      ...(on === 'end' || on === 'connect' ? this.when() : {}),
      do: looks.act !== undefined ? [looks, ...deeds] : deeds,
    };
  }

  followerRule(follower) {
    const on = this.dice.weighted([[24, 'end'], [16, 'data'], [16, 'close'], [14, 'error'], [16, 'begin'], [8, 'drain']]);
    const quiet = this.someOf(2, () => [this.quiet()]);
    if (on === 'begin') return { on: follower.includes('#') ? 'accepted' : 'connect', of: follower, do: quiet };
    if (on === 'data' && this.dice.chance(40)) return { on, of: follower, every: true, do: [{ act: 'echo' }] };
    if (on === 'end') return { on, of: follower, do: this.unruled(this.someOf(2, () => this.loud())) };
    if (on === 'close' || on === 'error') return { on, of: follower, do: this.unruled(this.deeds(2), true) };
    return { on, of: follower, do: quiet };
  }

  /* A client connects again when it is closed, once or twice. What connects already cannot be connected. */
  againRule() {
    const nth = this.dice.chance(25) ? { nth: 2 } : {};
    const client = this.client();
    const life = `${client} ${nth.nth ?? 1}`;
    if (this.again.has(life)) return this.serverRule();
    this.again.add(life);
    return { on: 'close', of: client, ...nth, do: [this.begin()] };
  }

  /* One that listens again has its old path; a port may be somebody's by then. */
  serverRule() {
    const on = this.dice.weighted([[30, 'connection'], [30, 'listening'], [25, 'close'], [15, 'error']]);
    const of = this.dice.pick(Object.keys(this.servers));
    if (on === 'close' && this.isUnix && this.dice.chance(50))
      return { on, of, do: [{ act: 'listen', ...this.callback(30, 'l') }] };
    return { on, of, do: this.someOf(2, () => [this.serverAction()]) };
  }

  rule() {
    const accepted = this.dice.pick(['S#*', 'S#1', 'S#1']);
    const [leader, follower] = this.clientLeads ? [this.client(), accepted] : [accepted, this.client()];
    return this.steady(this.dice.weighted([
      [45, () => this.leaderRule(leader)],
      [30, () => this.followerRule(follower)],
      [12, () => this.againRule()],
      [13, () => this.serverRule()],
    ])());
  }

  /* Whether a connection that is reset when it is accepted was one for its client before is the machine's affair. */
  steady(rule) {
    const shows = ({ act }) => rule.on === 'accepted' && act === 'reset';
    return { ...rule, do: rule.do.map((action) => (shows(action) ? NOTE : action)) };
  }

  /* And so is how bytes are cut into events: nothing may begin or end between two of them that shows. */
  steadyData({ start, rules }) {
    const calm = (action) => (['resume', 'echo', 'ref', 'unref'].includes(action.act) ? action : { act: 'resume' });
    const isCut = ({ on, do: deeds }) => on === 'data' && deeds.some((action) => calm(action) !== action);
    const hasCut = rules.some(isCut);
    const notCut = (action) => (['setEncoding', 'pause', 'destroy', 'reset'].includes(action.act) ? NOTE : action);
    const onePiece = (actions) => {
      let hasWritten = false;
      return actions.map((action) => {
        const isMore = hasWritten && action.act === 'write';
        hasWritten = action.act !== 'sleep' && (hasWritten || action.act === 'write');
        return isMore ? { of: action.of, ...NOTE } : action.times !== undefined ? { ...action, times: undefined } : action;
      });
    };
    if (this.isFlow) {
      const still = (action) => (action.act === 'pause' ? { ...action, ...NOTE } : action);
      return {
        start: start.map(still),
        rules: rules.map((rule) => ({ ...rule, do: rule.do.map(rule.on === 'data' ? calm : still) })),
      };
    }
    if (!hasCut) return { start, rules };
    const steady = (rule) => onePiece(rule.on === 'data' ? rule.do.map(notCut) : rule.do);
    return { start: onePiece(start), rules: rules.map((rule) => ({ ...rule, do: steady(rule) })) };
  }

  /* What a life leaves to the next is ruled, and so is what becomes of a connection that more than one descriptor has.
   * Two timeouts that end together have no order. */
  steadyLives({ start, rules }) {
    const again = new Set([...this.again].map((life) => life.split(' ')[0]));
    const all = [...start, ...rules.flatMap(({ do: deeds, of }) => deeds.map((action) => ({ of, ...action })))];
    const wrapped = new Set(all.filter(({ act }) => act === 'wrap').map(({ of }) => of));
    const steady = (of, action) => {
      const { readable, writable, timeout, ...bare } = action;
      const leads = of in this.clients === this.clientLeads;
      if (action.act === 'wrap' && again.has(of)) return bare;
      if (action.act === 'connect' && !leads) return bare;
      if (action.act === 'setTimeout' && !leads) return { ...bare, ms: 0, cb: undefined };
      if (action.act === 'reset' && wrapped.has(of)) return { ...bare, act: 'destroy' };
      return action.act === 'pause' && again.has(of) ? { ...bare, ...NOTE } : action;
    };
    const loud = ['write', 'end', 'destroy', 'reset'];
    const quiet = (rule, action) =>
      (rule.on === 'close' && again.has(rule.of) && loud.includes(action.act) ? NOTE : action);
    const waits = (action, i) => action.act === 'end' && again.has(action.of) && start[i - 1].act === 'connect';
    return {
      start: start.map((action, i) => (waits(action, i) ? { of: action.of, ...NOTE } : steady(action.of, action))),
      rules: rules.map((rule) => ({ ...rule, do: rule.do.map((action) => quiet(rule, steady(rule.of, action))) })),
    };
  }

  /* Whether the program ends by itself. */
  makeLoop() {
    return this.maybe(3, { loop: true, quiet: 700 });
  }

  scenario() {
    this.makeEndpoints();
    const drawn = { start: this.makeStart(), rules: this.someOf(6, () => [this.rule()]) };
    const { start, rules } = this.steadyData(this.steadyLives(drawn));
    const loop = this.makeLoop();
    return {
      name: `random-${this.seed}`,
      level: 'node',
      ...requirements([...start, ...rules.flatMap((rule) => rule.do)], loop),
      transports: [this.transport],
      servers: this.servers,
      clients: this.clients,
      ...(this.isUnix ? { addresses: { M: { kind: 'missing-dir' } } } : {}),
      start,
      rules,
      quiet: QUIET_MS,
      ...loop,
    };
  }
}

/* A line for each action and each rule. */
function format(scenario) {
  const members = Object.entries(scenario).map(([key, value]) => {
    if (key !== 'start' && key !== 'rules') return `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`;
    return `  ${JSON.stringify(key)}: [\n${value.map((each) => `    ${JSON.stringify(each)}`).join(',\n')}\n  ]`;
  });
  return `{\n${members.join(',\n')}\n}\n`;
}

const [directory, first, count] = process.argv.slice(2);
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const scenario = new Generator(seed).scenario();
  fs.writeFileSync(path.join(directory, `${scenario.name}.json`), format(scenario));
}
