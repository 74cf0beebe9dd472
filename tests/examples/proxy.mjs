// docs/examples/proxy.c between clients and servers of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import net from 'node:net';
import { once } from 'node:events';
import { connect, converse, endServer, limit, startServer, untilStill } from './support.mjs';

// A server of Node's, and the proxy before it.
async function startPair(t, serve) {
  const sockets = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    t.after(() => socket.destroy());
    sockets.push(socket.on('error', () => {}));
    serve(socket);
  });
  t.after(() => server.close());
  await once(server.listen(0, 'localhost'), 'listening');
  return { server, sockets, proxy: await startServer(t, 'example-proxy', 0, server.address().port) };
}

test('what goes in comes out, both ways, each direction to its own end', limit, async (t) => {
  const { proxy } = await startPair(t, (socket) => {
    const question = [];
    socket.on('data', (chunk) => question.push(chunk));
    // The client's end must not have ended this side.
    socket.on('end', () => socket.end(Buffer.concat(question).reverse()));
  });
  await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    const bytes = crypto.randomBytes(1 + i * 40000);
    const socket = await connect(t, proxy.port, { allowHalfOpen: true });
    assert.ok((await converse(socket, bytes)).equals(Buffer.from(bytes).reverse()));
  }));
  await endServer(proxy);
});

test('a server that does not read stops the client, and gets everything once it reads', limit, async (t) => {
  const { proxy, server, sockets } = await startPair(t, (socket) => {
    if (sockets.length === 1) socket.pause();
    else socket.pipe(socket);
  });
  const socket = await connect(t, proxy.port, { allowHalfOpen: true });
  if (sockets.length === 0) await once(server, 'connection');
  const piece = crypto.randomBytes(1 << 16), pieces = 512;
  for (let i = 0; i < pieces; i++) socket.write(piece);
  await untilStill(() => socket.writableLength, async () => {
    assert.strictEqual(String(await converse(await connect(t, proxy.port, { allowHalfOpen: true }), 'x')), 'x');
  });
  assert.ok(socket.writableLength > 0, 'the proxy took all of it into its memory');
  socket.end();
  let size = 0;
  for await (const chunk of sockets[0]) size += chunk.length;
  assert.strictEqual(size, pieces * piece.length);
  await endServer(proxy);
});

test('a client that breaks its connection off closes the server\'s', limit, async (t) => {
  const { proxy, server, sockets } = await startPair(t, (socket) => socket.resume());
  const socket = await connect(t, proxy.port);
  if (sockets.length === 0) await once(server, 'connection');
  const closed = once(sockets[0], 'close');
  sockets[0].on('end', () => sockets[0].end());
  socket.resetAndDestroy();
  await closed;
  await endServer(proxy);
});

test('a server that breaks its connection off closes the client\'s', limit, async (t) => {
  const { proxy } = await startPair(t, (socket) => socket.resetAndDestroy());
  const socket = await connect(t, proxy.port);
  socket.resume().on('error', () => {});
  await once(socket, 'close');
  await endServer(proxy);
});

test('a server that cannot be reached closes the client, and the next one is served', limit, async (t) => {
  const { proxy, server } = await startPair(t, (socket) => socket.end('here\n'));
  const { port, address } = server.address();
  server.close();
  const socket = await connect(t, proxy.port);
  socket.resume().on('error', () => {});
  await once(socket, 'close');
  server.listen(port, address);
  await once(server, 'listening');
  assert.strictEqual(String(await converse(await connect(t, proxy.port))), 'here\n');
  await endServer(proxy);
});
