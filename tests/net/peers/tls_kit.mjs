// What the tests of TLS with other makes have in common. Their usage: node tls_X.mjs PEER CERTIFICATES, where PEER is the
// program of tls_peer.c, and CERTIFICATES the directory of certificates.sh.
import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [, , peerProgram, certificates] = process.argv;

export const limit = { timeout: 280_000 };
export const file = (name) => path.join(certificates, name);
export const pem = (name) => fs.readFileSync(file(name));
export const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');

// A directory that goes with the test, and a file of random bytes in it.
export function room(t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tls-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return (name) => path.join(directory, name);
}

export function bulk(place, size) {
  const bytes = randomBytes(size);
  fs.writeFileSync(place('bulk'), bytes);
  return bytes;
}

// Starts a program. until(holds) waits for a condition on what it has said: `out` is its standard output, of `size` bytes,
// `words` that and its standard error as text; it fails if the program ends before that.
export function start(t, program, ...args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const it = { child, out: [], size: 0, words: '', ended: false };
  let waiting = [];
  const look = () => { waiting = waiting.filter((wait) => !wait()); };
  child.stdin.on('error', () => {}); // it may end before it has read all
  const hear = (bytes) => { it.words += bytes.toString('latin1'); look(); };
  child.stdout.on('data', (bytes) => { it.out.push(bytes); it.size += bytes.length; hear(bytes); });
  child.stderr.on('data', hear);
  it.exit = once(child, 'close').then(([code]) => { it.ended = true; look(); return code; });
  it.until = (holds) => new Promise((resolve, reject) => {
    const wait = () => {
      if (!holds() && !it.ended) return false;
      if (holds()) resolve(); else reject(new Error(`${path.basename(program)} ended with: ${it.words}`));
      return true;
    };
    if (!wait()) waiting.push(wait);
  });
  it.says = (pattern) => it.until(() => pattern.test(it.words));
  it.received = () => Buffer.concat(it.out);
  t.after(() => child.kill('SIGKILL'));
  return it;
}

function withEvents(it) {
  it.of = (number) => it.words.split('\n').filter((line) => line.startsWith(`${number} `))
    .map((line) => line.slice(line.indexOf(' ') + 1));
  // What it says of a connection comes through a pipe of its own, maybe after the peer's end: wait for so many lines.
  it.said = async (number, count) => {
    await it.until(() => it.of(number).length >= count);
    return it.of(number);
  };
  return it;
}

// Our server.
export async function serve(t, ...words) {
  const server = withEvents(start(t, peerProgram, 'serve', certificates, ...words));
  return listens(server);
}

// The same, of pages.
export async function servePages(t, ...words) {
  return listens(withEvents(start(t, peerProgram, 'page', certificates, ...words)));
}

async function listens(server) {
  await server.says(/^port \d+\n/);
  server.port = Number(server.words.match(/^port (\d+)/)[1]);
  server.stop = async () => {
    server.child.stdin.end();
    assert.strictEqual(await server.exit, 0, server.words);
  };
  return server;
}

// Our server's first two connections: the second one has resumed the session of the first one, on another worker.
export async function resumedElsewhere(server) {
  const both = [await server.said(1, 1), await server.said(2, 1)].map(([line]) => line.match(/(full|resumed) .*worker=(\d)/));
  assert.deepStrictEqual(both.map(([, how]) => how), ['full', 'resumed']);
  assert.notStrictEqual(both[0][2], both[1][2]);
}

// Our client, until it has ended: what it has said.
export async function call(t, port, ...words) {
  const client = withEvents(start(t, peerProgram, 'call', certificates, `port=${port}`, ...words));
  assert.strictEqual(await client.exit, 0, client.words);
  return client.of(0);
}

// Where a program listens that was told to take any port, and does not say which it took.
export async function portOf(child) {
  for (;;) {
    const sockets = new Set(fs.readdirSync(`/proc/${child.pid}/fd`).map((fd) => {
      try {
        return fs.readlinkSync(`/proc/${child.pid}/fd/${fd}`).match(/^socket:\[(\d+)\]$/)?.[1];
      } catch {
        return undefined; // it was closed
      }
    }));
    const rows = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((row) => row.trim().split(/\s+/));
    const row = rows.find((fields) => fields[3] === '0A' && sockets.has(fields[9]));
    if (row !== undefined) return parseInt(row[1].split(':')[1], 16);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
