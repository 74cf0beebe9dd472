// curl as a client of our pages; and what it reads from others, our client reads, too.
import assert from 'node:assert';
import { once } from 'node:events';
import fs from 'node:fs';
import https from 'node:https';
import test from 'node:test';
import { call, file, limit, pem, room, servePages, start } from './tls_kit.mjs';

const words = (name, port) => ['--silent', '--show-error', '--noproxy', '*', '--cacert', file('ca.pem'), '--resolve',
  `${name}:${port}:127.0.0.1`, `https://${name}:${port}/`];

async function curl(t, port, name, ...more) {
  const it = start(t, 'curl', ...words(name, port), ...more);
  it.code = await it.exit;
  return it;
}

for (const [version, ...flags] of [['1.2', '--tlsv1.2', '--tls-max', '1.2'], ['1.3', '--tlsv1.3']]) {
  test(`${version}: curl reads our page`, limit, async (t) => {
    const ours = await servePages(t, 'identity=deep_chain,server_rsa', 'names=a', 'alpn=http/1.1');
    for (const name of ['server.example', 'a.example']) {
      const it = await curl(t, ours.port, name, ...flags);
      assert.strictEqual(it.code, 0, it.words);
      assert.match(it.words, /read by a peer/);
    }
    const said = new RegExp(`^secure ${version} TLS_\\S+ alpn=http/1.1 name=server.example full`);
    assert.match((await ours.said(1, 1))[0], said);
    await ours.stop();
  });
}

test('curl shows its certificate, and a stranger, or nobody, reads nothing', limit, async (t) => {
  const ours = await servePages(t, 'identity=server', 'ca=ca', 'verify=require');
  const as = (name) => ['--cert', file(`${name}.pem`), '--key', file(`${name}.key`)];
  assert.match((await curl(t, ours.port, 'server.example', ...as('client'))).words, /read by a peer/);
  assert.match((await ours.said(1, 1))[0], / peer=client /);
  for (const more of [as('stranger'), []]) {
    const it = await curl(t, ours.port, 'server.example', ...more);
    assert.notStrictEqual(it.code, 0);
    assert.doesNotMatch(it.words, /read by a peer/);
    assert.match(it.words, /alert unknown ca|alert certificate required/);
  }
  await ours.stop();
});

test('curl believes us for our names alone, and no other version', limit, async (t) => {
  const ours = await servePages(t, 'identity=server');
  assert.strictEqual((await curl(t, ours.port, 'other.example')).code, 60);
  assert.strictEqual((await curl(t, ours.port, 'server.example', '--tls-max', '1.1', '--ciphers', 'ALL@SECLEVEL=0')).code,
    35);
  await ours.stop();
});

test('our client reads the page of an HTTPS server that curl reads', limit, async (t) => {
  const server = https.createServer({ cert: pem('server.pem'), key: pem('server.key') }, (request, response) => {
    response.end('a page of Node\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address();
  const place = room(t);
  fs.writeFileSync(place('request'), 'GET / HTTP/1.1\r\nHost: server.example\r\nConnection: close\r\n\r\n');
  const log = await call(t, port, 'ca=ca', 'name=server.example', 'alpn=h2,http/1.1', `send=${place('request')}`,
    `out=${place('out')}`);
  assert.match(log.join(), /^secure 1.3 TLS_\S+ alpn=http\/1.1 .*,end,close$/);
  const page = fs.readFileSync(place('out'), 'utf8');
  assert.match(page, /^HTTP\/1.1 200 OK[^]*a page of Node\n/);
  assert.match((await curl(t, port, 'server.example')).words, /a page of Node\n/);
});
