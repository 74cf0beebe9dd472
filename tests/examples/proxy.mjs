// docs/examples/proxy.c between clients and servers of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import net from 'node:net';
import { once } from 'node:events';
import { connect, converse, endServer, limit, startServer, untilStill } from './support.mjs';

// A server of Node's, and the proxy before it.
async function startPair(t, serve, ...more) {
  const sockets = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    t.after(() => socket.destroy());
    sockets.push(socket.on('error', () => {}));
    serve(socket);
  });
  t.after(() => server.close());
  await once(server.listen(0, 'localhost'), 'listening');
  return { server, sockets, proxy: await startServer(t, 'example-proxy', 0, server.address().port, ...more) };
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

test('the server is told whose connection it gets, before all else', limit, async (t) => {
  for (const version of [1, 2]) {
    const { proxy } = await startPair(t, (socket) => {
      const question = [];
      socket.on('data', (chunk) => question.push(chunk));
      socket.on('end', () => socket.end(Buffer.concat(question)));
    }, 'localhost', version);
    const socket = await connect(t, proxy.port, { allowHalfOpen: true });
    const { localPort, remotePort } = socket;
    const answer = await converse(socket, 'hello');
    if (version === 1) {
      const header = /^PROXY TCP(4 127\.0\.0\.1 127\.0\.0\.1|6 ::1 ::1) (\d+) (\d+)\r\nhello$/.exec(String(answer));
      assert.ok(header, String(answer));
      assert.deepStrictEqual(header.slice(2).map(Number), [localPort, remotePort]);
    } else {
      const length = 16 + answer.readUInt16BE(14);
      assert.strictEqual(answer.toString('latin1', 0, 13), '\r\n\r\n\0\r\nQUIT\n!');
      assert.ok([0x11, 0x21].includes(answer[13]));
      assert.deepStrictEqual([answer.readUInt16BE(length - 4), answer.readUInt16BE(length - 2)], [localPort, remotePort]);
      assert.strictEqual(answer.toString('latin1', length), 'hello');
    }
    await endServer(proxy);
  }
});
