// What the tests of the examples share. They are started as: node NAME.mjs FOLDER-OF-PROGRAMS
import assert from 'node:assert';
import net from 'node:net';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export const limit = { timeout: 250000 };

export function program(name) {
  return path.join(process.argv[2], name);
}

// Starts a program, of which the test t takes care, whatever happens. says(pattern) waits until stderr, of which
// server.words is all so far, matches; it fails if the program ends before.
// A server listens a moment before main() waits for the signals that end it, so they are blocked from the beginning:
// one that comes within this moment is not lost and does not kill.
export function launch(t, command, args, options = {}) {
  const stdio = ['ignore', 'pipe', 'pipe'];
  const child = spawn('env', ['--block-signal=INT,TERM', command, ...args], { stdio, ...options });
  const server = { child, words: '', out: '', waiting: [], exited: once(child, 'close') };
  const look = () => { server.waiting = server.waiting.filter((wait) => !wait()); };
  t.after(() => child.kill('SIGKILL'));
  child.stderr.setEncoding('utf8').on('data', (text) => { server.words += text; look(); });
  child.stdout.setEncoding('utf8').on('data', (text) => { server.out += text; look(); });
  server.until = (holds) => new Promise((resolve, reject) => {
    const wait = () => {
      const found = holds();
      if (found) resolve(found);
      return found;
    };
    if (wait()) return;
    server.waiting.push(wait);
    server.exited.then(() => reject(new Error(`it ended: ${server.words}`)));
  });
  server.says = (pattern) => server.until(() => pattern.exec(server.words));
  return server;
}

// Starts a server, by default on a port that the system chooses, and waits until it says where it listens.
export async function startServer(t, name, ...args) {
  const server = launch(t, program(name), args.length > 0 ? args.map(String) : ['0']);
  const found = await server.says(/listening on port (\d+)(?: of (\S+))?(?:, (\d+) workers)?\n/);
  server.port = Number(found[1]);
  server.host = found[2];
  server.workers = Number(found[3]);
  return server;
}

// Asks a server to end, as Ctrl-C does, and expects that it does so without a fault.
export async function endServer(server, signal = 'SIGINT') {
  server.child.kill(signal);
  const [code, killer] = await server.exited;
  assert.deepStrictEqual([code, killer], [0, null], server.words);
}

export async function connect(t, port, options = {}) {
  const socket = net.connect({ host: '127.0.0.1', port, ...options });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

// Sends bytes, ends, and gives what came from the beginning until the other side ended.
export async function converse(socket, bytes = '') {
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

// Looks until something holds; the limit of the test ends it otherwise.
export async function eventually(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

// Looks until a value has not changed while the server, ten times over, served somebody else from beginning to end and had
// a tenth of a second for itself besides: so it could have gone on.
export async function untilStill(look, serveOther) {
  for (let same = 0, last = look(); same < 10; last = look()) {
    await Promise.all([serveOther(), new Promise((resolve) => setTimeout(resolve, 100))]);
    same = look() === last ? same + 1 : 0;
  }
}

// Runs a program to its end.
export async function run(name, ...args) {
  const child = spawn(program(name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const result = { out: '', words: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { result.out += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { result.words += text; });
  [result.code] = await once(child, 'close');
  return result;
}
