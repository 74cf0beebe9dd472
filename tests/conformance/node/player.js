/*
 * Plays scenarios with Node's own net module, whose event order is the measure. FORMAT.md, one folder up, says what the
 * words of a scenario mean; the section numbers here are its.
 *
 *   node player.js FILE...                 prints the results
 *   node player.js --write DIR FILE...     writes them to DIR/NAME.json; of a scenario that cannot be played, or not three
 *                                          times alike, it says so and writes nothing
 */
'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const SETTLE_MS = 40;
const QUIET_MS = 300;
const STUCK_MS = 10000;
const TIMES = 3;
const TICK_MS = 4;
const LATE_MS = 15; /* so late may a tick be before the play does not count */
const SCALE_MOST = 16;
const LOOPBACK = { tcp4: '127.0.0.1', tcp6: '::1' };
const PLAIN_SOCKET_EVENTS = ['connect', 'ready', 'end', 'timeout', 'drain'];

/* What cannot be played is no fault of Node's: the scenario is not valid. */
class Invalid extends Error {}

/* ---- data (sections 4 and 6) */

function fill({ size, seed }) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = seed + 7 * i + 13 * (i >> 8) + 101 * (i >> 16);
  return bytes;
}

function makeData(action) {
  if (action.text !== undefined) return action.text;
  if (action.hex !== undefined) return Buffer.from(action.hex, 'hex');
  if (action.repeat !== undefined) return action.repeat.text.repeat(action.repeat.count);
  if (action.pattern !== undefined) return fill(action.pattern);
  return undefined;
}

/* Made before the play begins: megabytes take so long that steps of a scenario would run into each other. */
const made = new WeakMap();

function dataOf(action) {
  if (!made.has(action)) made.set(action, makeData(action));
  return made.get(action);
}

function hash(data) {
  return createHash('sha256').update(data).digest('hex');
}

function isPrintable(byte) {
  return (byte >= 32 && byte <= 126) || byte === 9 || byte === 10 || byte === 13;
}

/* One entry for chunks that followed each other. */
function describe(chunks) {
  if (typeof chunks[0] === 'string') {
    const text = chunks.join('');
    const size = Buffer.byteLength(text);
    return size > 120 ? { utf8: size, sha256: hash(text) } : { string: text };
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length > 120) return { bytes: bytes.length, sha256: hash(bytes) };
  return bytes.every(isPrintable) ? { text: bytes.toString('latin1') } : { hex: bytes.toString('hex') };
}

function codeOf(error) {
  if (!error) return null;
  return error.code ?? error.message;
}

function matches(pattern, name) {
  if (!pattern.endsWith('#*')) return pattern === name;
  const stem = pattern.slice(0, -1);
  return name.startsWith(stem) && /^[0-9]+$/.test(name.slice(stem.length));
}

/* ---- free ports: below those that the system gives out by itself, different ones in each process */

let portsTaken = 0;

function isFree(port, host) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.on('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

async function freePort(host) {
  for (let tries = 0; tries < 64; tries++) {
    const port = 10000 + (process.pid % 300) * 64 + (portsTaken++ % 64);
    if (await isFree(port, host)) return port;
  }
  throw new Error('no port is free');
}

/* ---- one scenario on one transport */

/* scale: all times are so many times as long. */
class Play {
  constructor(scenario, transport, directory, scale) {
    Object.assign(this, { scenario, transport, directory, scale });
    this.latestMs = 0;
    this.isUnix = transport === 'unix';
    this.endpoints = new Map();
    this.addresses = new Map();
    this.rules = scenario.rules.map((rule) => ({ rule, seen: 0 }));
    this.asleep = 0;
    this.isOver = false;
    this.failure = null;
    this.lastMs = 0;
    for (const list of this.lists()) list.filter(({ act }) => act === 'write' || act === 'end').forEach(dataOf);
  }

  lists() {
    return [this.scenario.start, ...this.scenario.rules.map((rule) => rule.do)];
  }

  /* Addresses (section 3). */

  firstName() {
    return Object.keys(this.scenario.servers ?? {})[0] ?? 'S';
  }

  namesOfAddresses() {
    const names = new Set([this.firstName(), ...Object.keys(this.scenario.servers ?? {})]);
    for (const list of this.lists())
      for (const { at, to, localPort } of list)
        for (const name of [at, to, localPort]) if (name !== undefined) names.add(name);
    return names;
  }

  pathOf(name, { kind, bytes }) {
    if (kind === 'long') return path.join(this.directory, 'p'.repeat(bytes)).slice(0, bytes);
    return path.join(this.directory, kind === 'missing-dir' ? 'missing' : '', `${name}.sock`);
  }

  async prepareAddresses() {
    for (const name of this.namesOfAddresses()) {
      const setup = this.scenario.addresses?.[name] ?? {};
      const isServer = this.scenario.servers?.[name] !== undefined && setup.kind !== 'free';
      const address = { name, port: 0 };
      if (this.isUnix) address.path = this.pathOf(name, setup);
      else if (!isServer) address.port = await freePort(LOOPBACK[this.transport]);
      this.addresses.set(name, address);
    }
  }

  namePort(port) {
    if (port === undefined || port === null) return null;
    if (port === 0) return 0;
    for (const address of this.addresses.values()) if (address.port === port) return `${address.name}.port`;
    return 'ephemeral';
  }

  nameAddress(value) {
    if (value === null || value === undefined) return null;
    if (typeof value === 'object')
      return value.address === undefined
        ? null
        : { address: value.address, family: value.family, port: this.namePort(value.port) };
    for (const address of this.addresses.values()) if (address.path === value) return `${address.name}.path`;
    return 'other path';
  }

  /* Logs. */

  record(endpoint, entry) {
    if (this.isOver) return;
    this.lastMs = performance.now();
    endpoint.log.push(entry);
  }

  recordData(endpoint, chunk) {
    const last = endpoint.log.at(-1);
    this.lastMs = performance.now();
    if (last?.[0] === 'data' && typeof last[1][0] === typeof chunk) last[1].push(chunk);
    else endpoint.log.push(['data', [chunk]]);
  }

  /* Events and rules (sections 4 and 5). */

  happen(endpoint, event, details = [], chunk = undefined) {
    if (this.isOver) return;
    const before = endpoint.received;
    if (chunk !== undefined) {
      this.recordData(endpoint, chunk);
      endpoint.received += Buffer.byteLength(chunk);
    } else if (!this.scenario.ignore?.includes(event)) {
      this.record(endpoint, [event, ...details]);
    }
    const nth = (endpoint.counts.get(event) ?? 0) + 1;
    endpoint.counts.set(event, nth);
    for (const each of this.rules) {
      if (each.rule.on !== event || !matches(each.rule.of, endpoint.name)) continue;
      each.seen++;
      if (Play.fires(each, nth, before, endpoint.received)) this.perform(each.rule.do, 0, endpoint, chunk);
    }
  }

  static fires({ rule, seen }, nth, before, after) {
    if (rule.every) return true;
    if (rule.bytes !== undefined) return before < rule.bytes && after >= rule.bytes;
    if (rule.total !== undefined) return seen === rule.total;
    return nth === (rule.nth ?? 1);
  }

  perform(list, from, self, chunk) {
    try {
      this.performList(list, from, self, chunk);
    } catch (error) {
      this.failure ??= error;
    }
  }

  performList(list, from, self, chunk) {
    for (let i = from; i < list.length && !this.isOver; i++) {
      const action = list[i];
      if (action.act === 'sleep') {
        this.asleep++;
        setTimeout(() => {
          this.asleep--;
          this.perform(list, i + 1, self, chunk);
        }, action.ms * this.scale);
        return;
      }
      for (const endpoint of this.targets(action, self)) this.attempt(endpoint, action, chunk);
    }
  }

  targets({ act, of }, self) {
    if (act === 'file') return [null];
    if (of === undefined) return [self];
    const found = [...this.endpoints.values()].filter((endpoint) => matches(of, endpoint.name));
    if (found.length === 0 && !of.endsWith('#*')) throw new Invalid(`${act}: there is no endpoint ${of} yet`);
    return found;
  }

  attempt(endpoint, action, chunk) {
    try {
      if (action.act === 'file') this.makeFile(action);
      else endpoint.act(action, chunk);
    } catch (error) {
      if (error instanceof Invalid || error.code === undefined || endpoint === null) throw error;
      this.record(endpoint, ['throw', action.act, error.code]);
      if (endpoint.state === 'opening') endpoint.state = 'new';
    }
  }

  makeFile({ at, kind }) {
    const { path: file } = this.addresses.get(at);
    if (kind === 'remove') {
      fs.unlinkSync(file);
    } else if (kind === 'regular') {
      fs.writeFileSync(file, '');
    } else {
      /* Node unlinks what it has bound; under another name it does not find it. */
      const handle = net._createServerHandle(`${file}.new`, -1, -1);
      fs.renameSync(`${file}.new`, file);
      handle.close();
    }
  }

  stat(at) {
    const found = fs.lstatSync(this.addresses.get(at).path ?? '', { throwIfNoEntry: false });
    if (found === undefined) return { exists: false };
    const all = (bits) => (found.mode & bits) === bits;
    return { exists: true, socket: found.isSocket(), readableByAll: all(0o444), writableByAll: all(0o222) };
  }

  /* The life of a play (section 8). */

  add(endpoint) {
    this.endpoints.set(endpoint.name, endpoint);
    return endpoint;
  }

  addAll() {
    for (const [name, options] of Object.entries(this.scenario.servers ?? {}))
      this.add(new ServerEndpoint(this, name, options));
    for (const [name, options] of Object.entries(this.scenario.clients ?? {}))
      if (options.count === undefined) this.add(new SocketEndpoint(this, name, options));
      else
        for (let i = 1; i <= options.count; i++) this.add(new SocketEndpoint(this, `${name}#${i}`, options));
  }

  verdict(beganMs) {
    const now = performance.now();
    if (this.failure) throw this.failure;
    if (now - beganMs > STUCK_MS * this.scale) throw new Invalid('it does not come to an end');
    if (this.asleep > 0) return null;
    const isBusy = [...this.endpoints.values()].some(({ state }) => state === 'open' || state === 'opening');
    if (!isBusy && now - this.lastMs >= SETTLE_MS * this.scale) return 'closed';
    return now - this.lastMs >= this.quietMs() ? 'quiet' : null;
  }

  quietMs() {
    return (this.scenario.quiet ?? QUIET_MS) * this.scale;
  }

  waitForQuiet() {
    const beganMs = performance.now();
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        try {
          const how = this.verdict(beganMs);
          if (how === null) return;
          clearInterval(timer);
          resolve(how);
        } catch (error) {
          clearInterval(timer);
          reject(error);
        }
      }, TICK_MS);
    });
  }

  waitForExit() {
    return new Promise((resolve, reject) => {
      const settle = (how) => {
        clearTimeout(timer);
        process.removeListener('beforeExit', onExit);
        if (this.failure) reject(this.failure);
        else resolve(how);
      };
      const onExit = () => settle('exits');
      const timer = setTimeout(settle, this.quietMs(), 'stays').unref();
      process.on('beforeExit', onExit);
    });
  }

  result(ended) {
    const logs = {};
    for (const { name, log } of this.endpoints.values())
      logs[name] = log.map((entry) => (entry[0] === 'data' ? ['data', describe(entry[1])] : entry));
    return { ended, logs };
  }

  async cleanUp() {
    this.isOver = true;
    clearInterval(this.metronome);
    for (const endpoint of this.endpoints.values()) endpoint.clear();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /* Watches the clock: how late does a timer come that is due every few milliseconds? */
  startMetronome() {
    let before = performance.now();
    this.metronome = setInterval(() => {
      const now = performance.now();
      this.latestMs = Math.max(this.latestMs, now - before - TICK_MS);
      before = now;
    }, TICK_MS).unref();
  }

  /* Was the program kept from running for so long that times may have lost their order? */
  wasDisturbed() {
    return this.latestMs > LATE_MS * this.scale;
  }

  async run() {
    await this.prepareAddresses();
    this.startMetronome();
    this.addAll();
    this.lastMs = performance.now();
    try {
      const ended = this.scenario.loop ? this.waitForExit() : this.waitForQuiet();
      this.perform(this.scenario.start, 0, null, undefined);
      return this.result(await ended);
    } finally {
      await this.cleanUp();
    }
  }
}

/* ---- endpoints (sections 2, 6 and 7) */

class Endpoint {
  constructor(play, name, options) {
    Object.assign(this, { play, name, options });
    this.log = [];
    this.counts = new Map();
    this.received = 0;
    this.state = 'new';
  }

  /* A callback that logs what it is given, or undefined. */
  callback({ cb }) {
    if (cb === undefined) return undefined;
    return (error) => this.play.record(this, ['cb', cb, codeOf(error)]);
  }

  /* The same as a listener of an event, whose arguments are not errors. */
  listener(action) {
    const callback = this.callback(action);
    return callback && (() => callback(null));
  }

  act(action, chunk) {
    switch (action.act) {
      case 'note': return this.play.record(this, ['note', action.text]);
      case 'stat': return this.play.record(this, ['stat', this.play.stat(action.at)]);
      case 'get': return this.play.record(this, ['get', this.get(action.props)]);
      case 'ref': return void this.object.ref();
      case 'unref': return void this.object.unref();
      default: return this.actOwn(action, chunk);
    }
  }

  property(name) {
    const value = this.object[name];
    switch (name) {
      case 'address': return this.play.nameAddress(this.object.address());
      case 'buffering': return this.object.bufferSize > 0;
      case 'localPort':
      case 'remotePort': return this.play.namePort(value);
      default: return value ?? null;
    }
  }

  get(names) {
    return Object.fromEntries(names.map((name) => [name, this.property(name)]));
  }
}

class ServerEndpoint extends Endpoint {
  constructor(play, name, options) {
    super(play, name, options);
    const { allowHalfOpen, pauseOnConnect, maxConnections } = options;
    this.accepted = 0;
    this.at = name;
    this.object = net.createServer({ allowHalfOpen, pauseOnConnect });
    if (maxConnections !== undefined) this.object.maxConnections = maxConnections;
    this.object
      .on('listening', () => this.onListening())
      .on('connection', (socket) => this.onConnection(socket))
      .on('error', (error) => this.onError(error))
      .on('close', () => this.onClose());
  }

  onListening() {
    const address = this.object.address();
    this.state = 'open';
    if (typeof address?.port === 'number') this.play.addresses.get(this.at).port = address.port;
    this.play.happen(this, 'listening');
  }

  onConnection(socket) {
    const endpoint = new SocketEndpoint(this.play, `${this.name}#${++this.accepted}`, this.options, socket);
    this.play.add(endpoint);
    this.play.happen(this, 'connection', [endpoint.name]);
    this.play.happen(endpoint, 'accepted');
    if (this.options.noData) socket.resume();
  }

  onError(error) {
    if (this.state === 'opening') this.state = 'new';
    this.play.happen(this, 'error', [codeOf(error)]);
  }

  onClose() {
    this.state = this.object.listening ? 'opening' : 'closed';
    this.play.happen(this, 'close');
  }

  actOwn(action) {
    switch (action.act) {
      case 'listen': return this.listen(action);
      case 'close': return void this.object.close(this.callback(action));
      case 'setMaxConnections': return void (this.object.maxConnections = action.value);
      case 'getConnections':
        return void this.object.getConnections((error, count) =>
          this.play.record(this, ['getConnections', error ? codeOf(error) : count]));
      default: throw new Invalid(`${action.act} on a server`);
    }
  }

  listen(action) {
    this.at = action.at ?? this.name;
    if (this.state !== 'open') this.state = 'opening';
    this.object.listen(this.place(action), this.listener(action));
  }

  place(action) {
    const address = this.play.addresses.get(this.at);
    const place = {};
    for (const key of ['backlog', 'exclusive', 'readableAll', 'writableAll'])
      if (action[key] !== undefined) place[key] = action[key];
    if (action.nothing) return place;
    if (action.handle !== undefined) return this.play.endpoints.get(action.handle).object;
    if (action.fd) return { fd: this.bind(address) };
    if (this.play.isUnix) return { ...place, path: address.path };
    if (action.host !== null) place.host = action.host ?? LOOPBACK[this.play.transport];
    return { ...place, port: address.port };
  }

  /* The handle is kept for as long as the process lives, or it would close the descriptor. */
  bind(address) {
    const { isUnix, transport } = this.play;
    const handle = isUnix
      ? net._createServerHandle(address.path, -1, -1)
      : net._createServerHandle(LOOPBACK[transport], address.port, transport === 'tcp6' ? 6 : 4);
    if (typeof handle === 'number') throw new Invalid('no descriptor could be bound');
    ServerEndpoint.kept.push(handle);
    return handle.fd;
  }

  clear() {
    if (this.object.listening) this.object.close();
  }
}

ServerEndpoint.kept = [];

class SocketEndpoint extends Endpoint {
  /* socket: of a connection that was accepted; undefined: a client's, to be made. */
  constructor(play, name, options, socket = undefined) {
    super(play, name, options);
    if (socket !== undefined) this.state = 'open';
    this.watch(socket ?? new net.Socket({ allowHalfOpen: options.allowHalfOpen }));
  }

  watch(socket) {
    const { play } = this;
    this.object = socket;
    socket.on('lookup', (error, address, family, host) =>
      play.happen(this, 'lookup', [codeOf(error), address ?? null, family ?? null, host]));
    for (const event of PLAIN_SOCKET_EVENTS) socket.on(event, () => play.happen(this, event));
    if (!this.options.noData) socket.on('data', (chunk) => play.happen(this, 'data', [], chunk));
    socket.on('error', (error) => play.happen(this, 'error', [codeOf(error)]));
    socket.on('close', (hadError) => {
      this.state = 'closed';
      play.happen(this, 'close', [hadError]);
    });
  }

  actOwn(action, chunk) {
    const socket = this.object;
    switch (action.act) {
      case 'connect': return this.connect(action);
      case 'wrap': return this.wrap(action);
      case 'write': return this.write(action);
      case 'echo': return void socket.write(chunk);
      case 'end': return void socket.end(dataOf(action), action.encoding, this.callback(action));
      case 'destroy': return void socket.destroy(SocketEndpoint.errorOf(action));
      case 'reset': return this.reset();
      case 'pause': return void socket.pause();
      case 'resume': return void socket.resume();
      case 'setTimeout': return void socket.setTimeout(action.ms * this.play.scale, this.listener(action));
      case 'setNoDelay': return void socket.setNoDelay(action.on);
      case 'setKeepAlive': return void socket.setKeepAlive(action.on, action.delay);
      case 'setEncoding': return void socket.setEncoding(action.encoding);
      default: throw new Invalid(`${action.act} on a socket`);
    }
  }

  static errorOf({ error }) {
    return error === undefined ? undefined : Object.assign(new Error(error), { code: error });
  }

  reset() {
    if (this.play.isUnix) throw new Invalid('a reset of a unix socket');
    this.object.resetAndDestroy();
  }

  write(action) {
    const data = dataOf(action);
    const callback = this.callback(action);
    for (let i = 0; i < (action.times ?? 1); i++) {
      const flushed = this.object.write(data, action.encoding, callback);
      if (action.ret) this.play.record(this, ['ret', 'write', flushed]);
    }
  }

  /* A lookup function answers, not at once. */
  static lookupOf(answer) {
    return (host, options, callback) =>
      setImmediate(() => {
        if (answer.error !== undefined) callback(SocketEndpoint.errorOf(answer));
        else callback(null, answer.address, answer.family);
      });
  }

  where(action) {
    const address = this.play.addresses.get(action.to ?? this.play.firstName());
    if (action.nothing) return {};
    if (this.play.isUnix) return { path: address.path };
    const where = { port: address.port };
    if (action.host !== null) where.host = action.host ?? LOOPBACK[this.play.transport];
    if (action.family !== undefined) where.family = action.family;
    if (action.localAddress !== undefined) where.localAddress = action.localAddress;
    if (action.localPort !== undefined) where.localPort = this.play.addresses.get(action.localPort).port;
    if (action.lookup !== undefined) where.lookup = SocketEndpoint.lookupOf(action.lookup);
    return where;
  }

  connect(action) {
    const where = this.where(action);
    if (this.state !== 'open') this.state = 'opening';
    if (action.timeout !== undefined) this.object.setTimeout(action.timeout * this.play.scale);
    this.object.connect(where, this.listener(action));
    this.state = 'open';
    if (this.options.noData) this.object.resume();
  }

  /* Connects a handle without a socket, and makes a socket of its descriptor. */
  wrap(action) {
    const { play } = this;
    const address = play.addresses.get(action.to ?? play.firstName());
    const { TCP, TCPConnectWrap, constants: tcp } = process.binding('tcp_wrap');
    const { Pipe, PipeConnectWrap, constants: pipe } = process.binding('pipe_wrap');
    const handle = play.isUnix ? new Pipe(pipe.SOCKET) : new TCP(tcp.SOCKET);
    const request = play.isUnix ? new PipeConnectWrap() : new TCPConnectWrap();
    ServerEndpoint.kept.push(handle);
    this.state = 'open';
    play.asleep++;
    request.oncomplete = (status) => {
      play.asleep--;
      if (status !== 0) play.failure ??= new Invalid('a descriptor could not be connected');
      else if (!play.isOver) this.adopt(handle.fd, action);
    };
    let status = 0;
    if (play.isUnix) handle.connect(request, address.path);
    else if (play.transport === 'tcp6') status = handle.connect6(request, LOOPBACK.tcp6, address.port);
    else status = handle.connect(request, LOOPBACK.tcp4, address.port);
    if (status !== 0) request.oncomplete(status);
  }

  adopt(fd, { readable, writable }) {
    this.watch(new net.Socket({ fd, allowHalfOpen: this.options.allowHalfOpen, readable, writable }));
    this.play.happen(this, 'wrapped');
  }

  clear() {
    this.object.destroy();
  }
}

/* ---- scenarios */

async function playOnce(scenario, transport, root, scale) {
  const directory = fs.mkdtempSync(path.join(root, 'p'));
  try {
    const play = new Play(scenario, transport, directory, scale);
    const result = await play.run();
    return play.wasDisturbed() && scale < SCALE_MOST ? undefined : result;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/* What a busy machine has disturbed is played again, with longer times. */
async function playUndisturbed(scenario, transport, root) {
  for (let scale = 1; ; scale *= 2) {
    const result = await playOnce(scenario, transport, root, scale);
    if (result !== undefined) return result;
  }
}

async function playScenario(scenario, root) {
  const results = {};
  for (const transport of scenario.transports) results[transport] = await playUndisturbed(scenario, transport, root);
  return results;
}

/* A line for each entry, so that results can be compared with diff: as the runner's print.c does. */
function format(name, results) {
  const log = (entries) =>
    entries.length === 0 ? '[]' : `[\n${entries.map((e) => `          ${JSON.stringify(e)}`).join(',\n')}\n        ]`;
  const plays = Object.entries(results).map(([transport, { ended, logs }]) => {
    const lines = Object.entries(logs).map(([name, entries]) => `        ${JSON.stringify(name)}: ${log(entries)}`);
    return `    "${transport}": {\n      "ended": "${ended}",\n      "logs": {\n${lines.join(',\n')}\n      }\n    }`;
  });
  return `{\n  "name": ${JSON.stringify(name)},\n  "results": {\n${plays.join(',\n')}\n  }\n}\n`;
}

/* The formatted results if they are the same each time; undefined: they are not. */
async function playOften(scenario, times, root) {
  let first;
  for (let i = 0; i < times; i++) {
    const text = format(scenario.name, await playScenario(scenario, root));
    if (first !== undefined && text !== first) return undefined;
    first = text;
  }
  return first;
}

async function playFile(file, directory, root) {
  const scenario = JSON.parse(fs.readFileSync(file, 'utf8'));
  const text = await playOften(scenario, directory === undefined ? 1 : TIMES, root);
  if (directory === undefined) process.stdout.write(text);
  else if (text === undefined) console.log(`unsteady ${scenario.name}`);
  else fs.writeFileSync(path.join(directory, `${scenario.name}.json`), text);
}

async function main(files) {
  const directory = files[0] === '--write' ? files.splice(0, 2)[1] : undefined;
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'np-'));
  process.umask(0o077);
  process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
  net.setDefaultAutoSelectFamily(false);
  for (const file of files) {
    try {
      await playFile(file, directory, root);
    } catch (error) {
      if (directory === undefined || !(error instanceof Invalid)) throw error;
      console.log(`invalid ${path.basename(file, '.json')}: ${error.message}`);
    }
  }
}

/* Node keeps some sockets for ever, such as one that was reset after its end: the process must not wait for them. */
main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(2);
  },
);
