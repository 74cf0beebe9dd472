// Node's net as the peer of our sockets, both ways round. Usage: node node.mjs PEER, where PEER is the program of peer.c.
import assert from 'node:assert';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import test from 'node:test';

const peerProgram = process.argv[2];

// Starts the program; until(holds) waits for a condition on the lines that it has printed.
function startPeer(t, ...args) {
  const child = spawn(peerProgram, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const peer = { child, lines: [], waiting: [], exit: once(child, 'exit') };
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    peer.lines.push(...lines);
    peer.waiting = peer.waiting.filter(({ holds, resolve }) => !holds() || resolve());
  });
  peer.until = (holds) => new Promise((resolve) => (holds() ? resolve() : peer.waiting.push({ holds, resolve })));
  peer.of = (number) => peer.lines.filter((line) => line.startsWith(`${number} `)).map((line) => line.split(' ')[1]);
  t.after(() => child.kill('SIGKILL'));
  return peer;
}

async function startServer(t) {
  const peer = startPeer(t, 'serve');
  await peer.until(() => peer.lines[0]?.startsWith('port '));
  peer.port = Number(peer.lines[0].split(' ')[1]);
  peer.stop = async () => {
    peer.child.stdin.end();
    const [code] = await peer.exit;
    assert.strictEqual(code, 0);
  };
  return peer;
}

// A client whose log has the events of the conformance kit.
function connect(port) {
  const socket = net.connect(port, '127.0.0.1');
  const client = { socket, log: [], chunks: [] };
  for (const name of ['connect', 'ready', 'end']) socket.on(name, () => client.log.push(name));
  socket.on('data', (chunk) => client.chunks.push(chunk));
  socket.on('error', (error) => client.log.push(error.code));
  socket.on('close', (hadError) => client.log.push(hadError ? 'close!' : 'close'));
  client.closed = once(socket, 'close').catch(() => {});
  client.received = () => Buffer.concat(client.chunks);
  return client;
}

test('a Node client gets its echo, the goodbye and a clean end', async (t) => {
  const peer = await startServer(t);
  const client = connect(peer.port);
  client.socket.end('hello');
  await client.closed;
  assert.strictEqual(client.received().toString(), 'hellogoodbye');
  assert.deepStrictEqual(client.log, ['connect', 'ready', 'end', 'close']);
  await peer.until(() => peer.of(1).includes('close'));
  assert.deepStrictEqual(peer.of(1), ['accepted', 'end', 'close']);
  await peer.stop();
});

test('eight megabytes come back unchanged, with back-pressure on both sides', async (t) => {
  const peer = await startServer(t);
  const client = connect(peer.port);
  const bytes = randomBytes(8 << 20);
  client.socket.pause();
  client.socket.end(bytes);
  for (let i = 0; i < 10; i++) { // the peer serves others: so it had the time to fill what it can
    const other = connect(peer.port);
    other.socket.end('x');
    await other.closed;
  }
  client.socket.resume();
  await client.closed;
  const received = client.received();
  const sha = (b) => createHash('sha256').update(b).digest('hex');
  assert.strictEqual(received.length, bytes.length + 7);
  assert.strictEqual(sha(received.subarray(0, bytes.length)), sha(bytes));
  await peer.stop();
});

test('a reset by Node is an error on our side', async (t) => {
  const peer = await startServer(t);
  const client = connect(peer.port);
  client.socket.write('x');
  await once(client.socket, 'data');
  client.socket.resetAndDestroy();
  await peer.until(() => peer.of(1).includes('close!'));
  assert.deepStrictEqual(peer.of(1), ['accepted', 'ECONNRESET', 'close!']);
  await peer.stop();
});

test('a hundred Node clients at once each get their own bytes', async (t) => {
  const peer = await startServer(t);
  const clients = Array.from({ length: 100 }, (_, i) => {
    const client = connect(peer.port);
    client.socket.end(`I am number ${i}.`);
    return client;
  });
  await Promise.all(clients.map((client) => client.closed));
  clients.forEach((client, i) => assert.strictEqual(client.received().toString(), `I am number ${i}.goodbye`));
  await peer.until(() => peer.lines.filter((line) => line.endsWith(' close')).length === 100);
  await peer.stop();
});

test('our server ends its connections when it stops', async (t) => {
  const peer = await startServer(t);
  const client = connect(peer.port);
  await once(client.socket, 'ready');
  await peer.until(() => peer.of(1).includes('accepted'));
  await peer.stop();
  await client.closed;
  assert.deepStrictEqual(client.log, ['connect', 'ready', 'end', 'close']);
});

async function listen(t, options, onConnection) {
  const server = net.createServer(options, onConnection).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

test('our client talks to a Node server and follows its end', async (t) => {
  let heard = '';
  const port = await listen(t, {}, (socket) => {
    socket.setEncoding('utf8').on('data', (text) => {
      heard += text;
      if (heard === 'hello') socket.write('echo me');
      if (heard === 'helloecho me') socket.end();
    });
  });
  const peer = startPeer(t, 'client', String(port));
  const [code] = await peer.exit;
  assert.strictEqual(code, 0);
  assert.deepStrictEqual(peer.of(0), ['connect', 'ready', 'end', 'close']);
  assert.strictEqual(heard, 'helloecho megoodbye');
});

test('our client sees that a Node server resets', async (t) => {
  const port = await listen(t, {}, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  const peer = startPeer(t, 'client', String(port));
  await peer.exit;
  assert.deepStrictEqual(peer.of(0), ['connect', 'ready', 'ECONNRESET', 'close!']);
});
