// What the tests of the examples share. They are started as: node NAME.mjs FOLDER-OF-PROGRAMS
import assert from 'node:assert';
import net from 'node:net';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export const limit = { timeout: 60000 };

export function program(name) {
  return path.join(process.argv[2], name);
}

// Starts a server and waits until it says on which port it listens. The test t ends it, whatever happens.
// It listens a moment before main() waits for the signals that end it, so they are blocked from the beginning: one that
// comes within this moment is not lost and does not kill.
export async function startServer(t, name, port = 0) {
  const args = ['--block-signal=INT,TERM', program(name), String(port)];
  const child = spawn('env', args, { stdio: ['ignore', 'inherit', 'pipe'] });
  const exited = once(child, 'exit');
  const server = { child, words: '', port: 0, workers: 0, exited };
  t.after(() => child.kill('SIGKILL'));
  child.stderr.setEncoding('utf8');
  await Promise.race([exited, new Promise((resolve) => {
    child.stderr.on('data', (text) => {
      server.words += text;
      const found = /listening on port (\d+), (\d+) workers/.exec(server.words);
      if (found) {
        [server.port, server.workers] = found.slice(1).map(Number);
        resolve();
      }
    });
  })]);
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

// Runs a program to its end.
export async function run(name, ...args) {
  const child = spawn(program(name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const result = { out: '', words: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { result.out += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { result.words += text; });
  [result.code] = await once(child, 'close');
  return result;
}
