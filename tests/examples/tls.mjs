// The examples of TLS beside tls_echo.c: https.c, and starttls.c and set_secure.c with each other and with Node's tls.
import test from 'node:test';
import assert from 'node:assert';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import tls from 'node:tls';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect, endServer, limit, run, startServer } from './support.mjs';

const certificates = path.join(process.argv[2], '..', 'tests', 'certificates');
const script = fileURLToPath(new URL('../net/peers/certificates.sh', import.meta.url));
execFileSync('bash', [script, certificates]);
const file = (name) => path.join(certificates, name);
const ca = fs.readFileSync(file('ca.pem'));

const hosts = ['server', 'a', 'b'].flatMap((name) => [`${name}.example`, file(`${name}.pem`), file(`${name}.key`)]);

// A page, and for whom the certificate of who gave it is.
function read(port, servername, options = {}) {
  return new Promise((resolve, reject) => {
    const request = https.get({ host: '127.0.0.1', port, servername, ca, agent: false, ...options }, (answer) => {
      const subject = answer.socket.getPeerCertificate().subject.CN;
      let page = '';
      answer.setEncoding('utf8').on('data', (text) => { page += text; });
      answer.on('end', () => resolve({ status: answer.statusCode, page, subject }));
    });
    request.on('error', reject);
  });
}

test('https: the name that is asked for chooses the host and its certificate', limit, async (t) => {
  const server = await startServer(t, 'example-https', 0, ...hosts);
  for (const name of ['server.example', 'a.example', 'b.example']) {
    const { status, page, subject } = await read(server.port, name);
    assert.strictEqual(status, 200);
    assert.strictEqual(subject, name);
    assert.match(page, new RegExp(`This is ${name}, over TLS 1.3 with TLS_AES_128_GCM_SHA256`));
  }
  await endServer(server);
});

test('https: who asks for another host sees the first, and is refused nothing', limit, async (t) => {
  const server = await startServer(t, 'example-https', 0, ...hosts);
  const { page, subject } = await read(server.port, 'other.example', { checkServerIdentity: () => undefined });
  assert.strictEqual(subject, 'server.example');
  assert.match(page, /This is server.example/);
  await endServer(server);
});

test('https: speaks 1.2, and agrees on http/1.1', limit, async (t) => {
  const server = await startServer(t, 'example-https', 0, ...hosts);
  assert.match((await read(server.port, 'a.example', { maxVersion: 'TLSv1.2' })).page, /over TLS 1.2 with TLS_ECDHE_/);
  const socket = tls.connect({ host: '127.0.0.1', port: server.port, servername: 'a.example', ca,
    ALPNProtocols: ['h2', 'http/1.1'] });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  assert.strictEqual(socket.alpnProtocol, 'http/1.1');
  socket.end();
  socket.resume();
  await once(socket, 'close');
  await endServer(server);
});

test('https: a client that speaks no protocol of ours is told of, and others are served', limit, async (t) => {
  const server = await startServer(t, 'example-https', 0, ...hosts);
  await assert.rejects(read(server.port, 'a.example', { ALPNProtocols: ['h2'] }));
  await server.says(/who asked for 'a.example': ERR_SSL_NO_APPLICATION_PROTOCOL\n/);
  assert.strictEqual((await read(server.port, 'a.example')).status, 200);
  await endServer(server);
});

const startStarttls = (t) => startServer(t, 'example-starttls', 0, file('server.pem'), file('server.key'));

test('set-secure and starttls: a stream becomes secure, and the peer is looked at', limit, async (t) => {
  const server = await startStarttls(t);
  const { code, out, words } = await run('example-set-secure', String(server.port), file('ca.pem'), 'server.example');
  assert.strictEqual(words, '');
  assert.strictEqual(code, 0);
  assert.match(out, /^220 hello\r\n220 begin\r\nsubject: CN=server.example\nissuer: CN=Troupe test ca\nvalid_from: Jan  1 /);
  assert.match(out, /\nvalid_to: .* GMT\nthe peer is the one\n250 protected\r\n$/);
  await endServer(server);
});

test('set-secure: a peer that is not the one gets no secret', limit, async (t) => {
  const server = await startStarttls(t);
  for (const [authority, host, why] of [['other_ca.pem', 'server.example', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['ca.pem', 'other.example', 'ERR_TLS_CERT_ALTNAME_INVALID']]) {
    const { code, out } = await run('example-set-secure', String(server.port), file(authority), host);
    assert.strictEqual(code, 1);
    assert.match(out, new RegExp(`the peer is not the one: ${why}\n$`));
  }
  await endServer(server);
});

// Gives what comes until a line has ended.
async function line(socket) {
  let text = '';
  while (!text.endsWith('\n')) text += (await once(socket, 'data'))[0];
  return text;
}

test('starttls: answers Node in clear, and then protected', limit, async (t) => {
  const server = await startStarttls(t);
  const socket = await connect(t, server.port);
  assert.strictEqual(await line(socket), '220 hello\r\n');
  socket.write('EHLO there\r\n');
  assert.strictEqual(await line(socket), '250 in clear\r\n');
  socket.write('STARTTLS\r\n');
  assert.strictEqual(await line(socket), '220 begin\r\n');
  const secure = tls.connect({ socket, servername: 'server.example', ca });
  await once(secure, 'secureConnect');
  secure.write('EHLO there\r\n');
  assert.strictEqual(await line(secure), '250 protected\r\n');
  secure.write('QUIT\r\n');
  secure.resume();
  await once(secure, 'end');
  secure.end();
  await endServer(server);
});

test('starttls: a command that was put behind STARTTLS is never obeyed', limit, async (t) => {
  const server = await startStarttls(t);
  const socket = await connect(t, server.port);
  let heard = '';
  socket.on('data', (bytes) => { heard += bytes; });
  socket.on('error', () => {});
  socket.write('STARTTLS\r\nEHLO injected\r\n');
  await server.says(/handshake: ERR_SSL_WRONG_VERSION_NUMBER\n/);
  assert.ok(!heard.includes('250'));
  await endServer(server);
});
