// docs/examples/echo.c against clients made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import { connect, converse, endServer, limit, run, startServer, untilStill } from './support.mjs';

// Gives what came back until the other side ended.
async function roundTrip(t, port, bytes) {
  return converse(await connect(t, port, { allowHalfOpen: true }), bytes);
}

test('every connection gets its own bytes back, then the end', limit, async (t) => {
  const server = await startServer(t, 'example-echo');
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const bytes = crypto.randomBytes(1 + i * 4099);
    assert.ok(bytes.equals(await roundTrip(t, server.port, bytes)));
  }));
  await endServer(server);
});

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
  await untilStill(() => socket.writableLength, () => roundTrip(t, server.port, 'x'));
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
