// The sample programs of Node's net documents, written in C, page and counter: docs/examples against clients and servers
// of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { connect, converse, endServer, launch, limit, program, run, startServer } from './support.mjs';

test('hello: hello to who connects, goodbye to who ends', limit, async (t) => {
  const server = await startServer(t, 'example-hello');
  const socket = await connect(t, server.port, { host: server.host, allowHalfOpen: true });
  assert.strictEqual(String(await converse(socket, 'grüß dich\r\n')), 'hello\r\ngrüß dich\r\ngoodbye\r\n');
  await endServer(server);
});

test('hello: a character that comes in two pieces goes out whole', limit, async (t) => {
  const server = await startServer(t, 'example-hello');
  const socket = await connect(t, server.port, { host: server.host, allowHalfOpen: true, noDelay: true });
  const [euro, chunks] = [Buffer.from('€'), []];
  const all = () => Buffer.concat(chunks);
  const gets = async (text) => {
    while (String(all()) !== text) chunks.push((await once(socket, 'data'))[0]);
  };
  await gets('hello\r\n');
  socket.write(Buffer.concat([Buffer.from('a'), euro.subarray(0, 1)]));
  await gets('hello\r\na');
  socket.end(euro.subarray(1));
  await gets('hello\r\na€goodbye\r\n');
  await endServer(server);
});

test('pipe: says hello, then what it is told', limit, async (t) => {
  const server = await startServer(t, 'example-pipe');
  const bytes = crypto.randomBytes(3000000);
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  assert.ok((await converse(socket, bytes)).equals(Buffer.concat([Buffer.from('hello\r\n'), bytes])));
  await server.says(/client connected\n[^]*client disconnected\n/);
  await endServer(server);
});

test('goodbye: tells where it listens and says goodbye there', limit, async (t) => {
  const server = launch(t, program('example-goodbye'), []);
  const [, text] = await server.says(/opened server on (.*)\n/);
  const { port, family, address } = JSON.parse(text);
  assert.strictEqual(family, `IPv${net.isIP(address)}`);
  assert.strictEqual(String(await converse(await connect(t, port))), 'goodbye\n');
  await endServer(server);
});

// The documents' own server, by Node.
async function nodeServer(t, ...where) {
  const server = net.createServer((socket) => {
    socket.write('hello\r\n');
    socket.pipe(socket);
  });
  t.after(() => server.close());
  server.listen(...where);
  await once(server, 'listening');
  return server;
}

const conversation = 'connected to server!\nhello\r\nworld!\r\ndisconnected from server\n';

test('client: says world! to a server of Node and hears it again', limit, async (t) => {
  const server = await nodeServer(t, 0, '127.0.0.1');
  const result = await run('example-client', String(server.address().port));
  assert.deepStrictEqual(result, { code: 0, out: conversation, words: '' });
});

test('client: says world! to our server and hears it again', limit, async (t) => {
  const server = await startServer(t, 'example-pipe');
  const result = await run('example-client', String(server.port));
  assert.deepStrictEqual(result, { code: 0, out: conversation, words: '' });
  await endServer(server);
});

test('client: names the fault when nobody listens', limit, async (t) => {
  const server = await nodeServer(t, 0, 'localhost');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  const result = await run('example-client', String(port));
  assert.deepStrictEqual(result, { code: 1, out: '', words: 'client: connect: connection refused\n' });
});

test('retry: waits until the port is free', limit, async (t) => {
  const occupant = await nodeServer(t, 0, 'localhost');
  const { port } = occupant.address();
  const server = launch(t, program('example-retry'), [String(port), '20']);
  await server.says(/(Address in use, retrying\.\.\.\n){2}/);
  occupant.close();
  const [, bound, host] = await server.says(/listening on port (\d+) of (\S+)\n/);
  assert.strictEqual(Number(bound), port);
  assert.strictEqual(String(await converse(await connect(t, port, { host }))), 'goodbye\n');
  await endServer(server);
});

test('retry: ends on Ctrl-C while it waits', limit, async (t) => {
  const occupant = await nodeServer(t, 0, 'localhost');
  const server = launch(t, program('example-retry'), [String(occupant.address().port), '3600000']);
  await server.says(/Address in use/);
  await endServer(server);
});

test('exclusive: shares its port with nobody', limit, async (t) => {
  const server = await startServer(t, 'example-exclusive');
  const second = await run('example-exclusive', String(server.port));
  assert.deepStrictEqual(second, { code: 1, out: '', words: 'exclusive: EADDRINUSE: address already in use\n' });
  const foreign = net.createServer().listen({ host: server.host, port: server.port, exclusive: true });
  const [error] = await once(foreign, 'error');
  assert.strictEqual(error.code, 'EADDRINUSE');
  assert.strictEqual(String(await converse(await connect(t, server.port, { host: server.host }))), 'mine\n');
  await endServer(server);
});

test('shards: a server on each worker, all on one port, each counts its own visits', limit, async (t) => {
  const server = await startServer(t, 'example-shards');
  const visits = new Map();
  for (let i = 0; i < 20; i++) {
    const text = String(await converse(await connect(t, server.port)));
    const [, worker, visit] = /^worker (\d+), visit (\d+)\n$/.exec(text);
    visits.set(worker, (visits.get(worker) ?? 0) + 1);
    assert.strictEqual(Number(visit), visits.get(worker), text);
  }
  for (const [, port] of server.words.matchAll(/listening on port (\d+)/g))
    assert.strictEqual(Number(port), server.port);
  await endServer(server);
});

test('timeout: ends who says nothing, not before the time', limit, async (t) => {
  const server = await startServer(t, 'example-timeout', 0, 200);
  const begin = performance.now();
  const socket = await connect(t, server.port);
  await once(socket.resume(), 'end');
  assert.ok(performance.now() - begin >= 199, 'it came too early');
  await server.says(/^socket timeout$/m);
  await endServer(server);
});

test('isip: says of every text what Node says', limit, async () => {
  const texts = ['127.0.0.1', '74.125.127.100', '2001:4860:a005::68', '::', '::1', 'fe80::1%eth0', '::ffff:1.2.3.4',
    '1.2.3', '1.2.3.4.5', '256.1.1.1', '127.000.000.001', '1::2::3', ':::', '12345::', 'localhost', '', ' ::1',
    '1.2.3.4\n'];
  const result = await run('example-isip', ...texts);
  const word = (value) => String(value).padEnd(5);
  const row = (text) => `${net.isIP(text)} ${word(net.isIPv4(text))} ${word(net.isIPv6(text))} '${text}'\n`;
  assert.deepStrictEqual(result, { code: 0, out: texts.map(row).join(''), words: '' });
  assert.match((await run('example-isip')).out, /^4 true  false '127\.0\.0\.1'\n/);
});

// A file of that many bytes, which ends with the test.
function fileOf(t, bytes) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'page-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const name = path.join(folder, 'file');
  fs.writeFileSync(name, bytes);
  return name;
}

test('page: gives a file, logs the visit and tells who reads slowly', limit, async (t) => {
  const bytes = crypto.randomBytes(6000000);
  const server = await startServer(t, 'example-page', fileOf(t, bytes), 0);
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  socket.write('GET / HTTP/1.0\r\n\r\n');
  const [, name, waiting] = await server.says(/visit (\d+:\d+\.\d+): (\d+) bytes wait\n/);
  assert.ok(Number(waiting) > 0 && Number(waiting) < bytes.length + 100);
  const answer = await converse(socket);
  const head = `HTTP/1.0 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  assert.strictEqual(String(answer.subarray(0, head.length)), head);
  assert.ok(answer.subarray(head.length).equals(bytes));
  await server.says(new RegExp(`visit ${name.replace('.', '\\.')}: over after \\d+ ms\n`));
  await endServer(server);
  assert.match(server.words, /page: 0 refused, 0 lost\n$/);
});

test('page: counts whom it refuses, and sends what waits when it is told to end', limit, async (t) => {
  const bytes = crypto.randomBytes(6000000);
  const server = await startServer(t, 'example-page', fileOf(t, bytes), 0, 1);
  const socket = await connect(t, server.port);
  socket.write('GET / HTTP/1.0\r\n\r\n');
  await server.says(/bytes wait/);
  const refused = await connect(t, server.port);
  refused.on('error', () => {});
  await once(refused.resume(), 'close');
  server.child.kill('SIGINT');
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  assert.ok(Buffer.concat(chunks).subarray(-bytes.length).equals(bytes));
  const [code] = await server.exited;
  assert.strictEqual(code, 0, server.words);
  assert.match(server.words, /page: 1 refused, 0 lost\n$/);
});

test('counter: adds up what main() sends, in the order of the sends, and ends', limit, async () => {
  const { code, out, words } = await run('example-counter');
  assert.strictEqual(out, '1\n3\n6\n10\n15\n21\n28\n36\n45\n55\n');
  assert.strictEqual(code, 0, words);
});

test('typed: a till takes what is declared, and nothing else', limit, async () => {
  const { code, out, words } = await run('example-typed');
  assert.strictEqual(out, 'not for a till: 1\ncoupon: ten off\n5.40 to pay\n5.40, thank you\n1 dead letter\n');
  assert.strictEqual(code, 0, words);
});
