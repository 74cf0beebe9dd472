// docs/examples/echo.c against clients made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import { once } from 'node:events';
import { connect, endServer, limit, run, startServer } from './support.mjs';

// Sends bytes, ends, and gives what came back until the other side ended.
async function roundTrip(t, port, bytes) {
  const socket = await connect(t, port, { allowHalfOpen: true });
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

test('every connection gets its own bytes back, then the end', limit, async (t) => {
  const server = await startServer(t, 'example-echo');
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const bytes = crypto.randomBytes(1 + i * 4099);
    assert.ok(bytes.equals(await roundTrip(t, server.port, bytes)));
  }));
  await endServer(server);
});

// Looks ten times a second until a value has not changed for a second.
async function untilStill(look) {
  for (let same = 0, last = look(); same < 10; last = look()) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    same = look() === last ? same + 1 : 0;
  }
}

test('a peer that does not read stops the server from reading, and loses nothing once it reads', limit, async (t) => {
  const server = await startServer(t, 'example-echo');
  const socket = await connect(t, server.port);
  const piece = crypto.randomBytes(1 << 16), pieces = 1024;
  const sent = crypto.createHash('sha256'), received = crypto.createHash('sha256');
  socket.pause();
  for (let i = 0; i < pieces; i++) {
    socket.write(piece);
    sent.update(piece);
  }
  await untilStill(() => socket.writableLength);
  assert.ok(socket.writableLength > 0, 'the server took all of it into its memory');
  socket.end();
  for await (const chunk of socket) received.update(chunk);
  assert.strictEqual(received.digest('hex'), sent.digest('hex'));
  await endServer(server);
});

test('Ctrl-C ends it, open connections included', limit, async (t) => {
  const server = await startServer(t, 'example-echo');
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connect(t, server.port)));
  const closed = sockets.map((socket) => new Promise((resolve) => {
    socket.on('error', () => {}).on('close', resolve).resume(); // whether it ends or breaks is all the same here
  }));
  await endServer(server);
  await Promise.all(closed);
});

test('a port that is taken is named as the fault', limit, async (t) => {
  const server = await startServer(t, 'example-echo');
  const second = await run('example-echo', String(server.port));
  assert.strictEqual(second.code, 1);
  assert.match(second.words, /address already in use/);
  await endServer(server, 'SIGTERM');
});
