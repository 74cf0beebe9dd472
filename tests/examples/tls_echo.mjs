// docs/examples/tls_echo.c against clients made of Node's tls.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect, converse, endServer, launch, limit, program, run, startServer } from './support.mjs';

const certificates = path.join(process.argv[2], '..', 'tests', 'certificates');
const script = fileURLToPath(new URL('../net/peers/certificates.sh', import.meta.url));
execFileSync('bash', [script, certificates]);
const file = (name) => path.join(certificates, name);

const start = (t) => startServer(t, 'example-tls-echo', 0, file('server.pem'), file('server.key'));

async function connectSecurely(t, port) {
  const socket = tls.connect({ host: '127.0.0.1', port, servername: 'server.example', ca: fs.readFileSync(file('ca.pem')),
    allowHalfOpen: true });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

test('every client gets its own bytes back, then the end', limit, async (t) => {
  const server = await start(t);
  await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    const bytes = crypto.randomBytes(1 + i * 10007);
    const socket = await connectSecurely(t, server.port);
    assert.ok(socket.authorized);
    assert.ok(bytes.equals(await converse(socket, bytes)));
  }));
  await endServer(server, 'SIGTERM');
});

test('who does not speak TLS is named, and nobody else is disturbed', limit, async (t) => {
  const server = await start(t);
  const good = await connectSecurely(t, server.port);
  const bad = await connect(t, server.port);
  const { localPort } = bad;
  bad.on('error', () => {});
  bad.write('GET / HTTP/1.1\r\n\r\n');
  await server.says(new RegExp(`127.0.0.1 port ${localPort}, who asked for '': ERR_SSL_HTTP_REQUEST\n`));
  assert.strictEqual((await converse(good, 'still here')).toString(), 'still here');
  await endServer(server);
});

test('a handshake that is under way does not keep it from ending', limit, async (t) => {
  const server = await start(t);
  const idle = net.connect(server.port, '127.0.0.1');
  idle.on('error', () => {});
  t.after(() => idle.destroy());
  await once(idle, 'connect');
  idle.resume();
  await endServer(server);
});

test('a file that is no certificate is named as the fault', limit, async () => {
  const ended = await run('example-tls-echo', '0', file('server.key'), file('server.key'));
  assert.strictEqual(ended.code, 1);
  assert.match(ended.words, /server\.key/);
});

// A handshake that is good and one that is not, recorded.
async function recordBoth(t) {
  const trace = fs.mkdtempSync(path.join(os.tmpdir(), 'troupe-tls-'));
  t.after(() => fs.rmSync(trace, { recursive: true }));
  const server = launch(t, program('example-tls-echo'), ['0', file('server.pem'), file('server.key')],
    { env: { ...process.env, TR_TRACE: trace } });
  const [, port] = await server.says(/listening on port (\d+)\n/);
  await converse(await connectSecurely(t, Number(port)), 'x');
  const bad = await connect(t, Number(port));
  bad.on('error', () => {});
  bad.end('GET / HTTP/1.1\r\n\r\n');
  await server.says(/ERR_SSL_HTTP_REQUEST\n/);
  await endServer(server);
  return { trace, server };
}

test('its trace has what became of each handshake', limit, async (t) => {
  const { trace } = await recordBoth(t);
  const lines = async (event) => (await run('troupe-trace', 'dump', '--event', event, trace)).out.trim().split('\n');
  const good = await lines('handshake'), failed = await lines('handshake_failed');
  assert.strictEqual(good.length, 1, good.join('\n'));
  assert.match(good[0], /\(greeting\)/);
  assert.strictEqual(failed.length, 1, failed.join('\n'));
  assert.match(failed[0], /status ERR_SSL_PROTOCOL_ERROR$/);
});

// The lines of a file, and the number itself as it stands in memory, in halves.
function secretsOf(name) {
  const pem = fs.readFileSync(file(name), 'utf8');
  const number = Buffer.from(crypto.createPrivateKey(pem).export({ format: 'jwk' }).d, 'base64url');
  const lines = pem.split('\n').filter((line) => line.length > 20 && !line.includes('-----'));
  assert.ok(number.length === 32 && lines.length > 1);
  const halves = [number.subarray(0, 16), number.subarray(16)];
  return [...halves, ...[number.toString('hex'), ...lines].map((text) => Buffer.from(text))];
}

test('no part of a key is in its trace, or in what it says', limit, async (t) => {
  const { trace, server } = await recordBoth(t);
  const refused = await Promise.all([['server.pem', 'client.key'], ['client.key', 'server.key'], ['server.key', 'server.pem']]
    .map(([chain, key]) => run('example-tls-echo', '0', file(chain), file(key))));
  for (const { code, words } of refused) assert.ok(code === 1 && words.length > 20, words);
  const told = [server.words, server.out, ...refused.flatMap(({ words, out }) => [words, out])].map((text) => Buffer.from(text));
  told.push(...fs.readdirSync(trace).map((name) => fs.readFileSync(path.join(trace, name))));
  assert.ok(told.some((bytes) => bytes.length > 1000)); // the trace
  for (const secret of ['server.key', 'client.key'].flatMap(secretsOf)) {
    assert.ok(!told.some((bytes) => bytes.includes(secret)));
  }
});
