// tests/bench/load.c, whose word the demo takes: it must praise a server that echoes and find one that does not.
import test from 'node:test';
import assert from 'node:assert';
import net from 'node:net';
import { once } from 'node:events';
import { endServer, limit, run, startServer } from './support.mjs';

const args = (port) => ['--port', String(port), '--connections', '20', '--seconds', '1', '--size', '1000'];

// A server of Node's that does what answer says with each chunk.
async function nodeServer(t, answer) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => answer(socket, chunk));
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

test('a server that echoes has no errors and a figure for everything', limit, async (t) => {
  const server = await startServer(t, 'example-echo');
  const result = await run('troupe-load', ...args(server.port));
  assert.strictEqual(result.code, 0, result.words);
  const figures = Object.fromEntries(result.out.trim().split('\n').map((line) => line.split(' ')));
  assert.strictEqual(figures.connections, '20');
  assert.strictEqual(figures.errors, '0');
  assert.ok(Number(figures.round_trips) >= 20);
  assert.ok(Number(figures.latency_p99_us) >= Number(figures.latency_p50_us));
  assert.ok(Number(figures.latency_p50_us) > 0);
  await endServer(server);
});

test('a server that changes one byte is found', limit, async (t) => {
  let bytes = 0;
  const port = await nodeServer(t, (socket, chunk) => {
    if (bytes < 100000 && bytes + chunk.length >= 100000) chunk[chunk.length >> 1] ^= 1;
    bytes += chunk.length;
    socket.write(chunk);
  });
  const result = await run('troupe-load', ...args(port));
  assert.strictEqual(result.code, 1);
  assert.match(result.words, /other bytes came back/);
});

test('a server that says more than it was told is found', limit, async (t) => {
  const port = await nodeServer(t, (socket, chunk) => socket.write(Buffer.concat([chunk, chunk])));
  const result = await run('troupe-load', ...args(port));
  assert.strictEqual(result.code, 1);
  assert.match(result.words, /came back than/);
});

test('a server that never answers, or hangs up, is found', limit, async (t) => {
  const silent = await run('troupe-load', ...args(await nodeServer(t, () => {})));
  assert.strictEqual(silent.code, 1);
  assert.match(silent.out, /^errors 20$/m);
  const rude = await run('troupe-load', ...args(await nodeServer(t, (socket) => socket.destroy())));
  assert.strictEqual(rude.code, 1);
  assert.match(rude.out, /^errors 20$/m);
});
