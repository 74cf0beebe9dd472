// GnuTLS's programs as peers of our sockets: gnutls-cli and gnutls-serv, whose TLS is not OpenSSL's.
import assert from 'node:assert';
import fs from 'node:fs';
import test from 'node:test';
import { call, file, limit, portOf, resumedElsewhere, room, serve, start } from './tls_kit.mjs';

const priorities = { 1.2: 'NORMAL:-VERS-ALL:+VERS-TLS1.2', 1.3: 'NORMAL:-VERS-ALL:+VERS-TLS1.3' };
const versions = ['1.2', '1.3'];

function client(t, port, version, ...words) {
  return start(t, 'gnutls-cli', '-p', port, '127.0.0.1', '--priority', priorities[version], '--x509cafile',
    file('ca.pem'), '--sni-hostname', 'server.example', '--verify-hostname', 'server.example', ...words);
}

async function server(t, version, name, ...words) {
  const it = start(t, 'gnutls-serv', '-p', '0', '--priority', priorities[version], '--x509certfile', file(`${name}.pem`),
    '--x509keyfile', file(`${name}.key`), ...words);
  it.port = await portOf(it.child);
  return it;
}

for (const version of versions) {
  test(`${version}: gnutls-cli gets its echo, by the protocol and the name that it wants`, limit, async (t) => {
    const ours = await serve(t, 'identity=server', 'alpn=a,b');
    const it = client(t, ours.port, version, '--alpn', 'b');
    await it.says(/Simple Client Mode/);
    it.child.stdin.write('hello\n');
    await it.says(/hello\n/);
    it.child.stdin.end();
    assert.strictEqual(await it.exit, 0, it.words);
    assert.match((await ours.said(1, 1))[0], new RegExp(`^secure ${version} TLS_\\S+ alpn=b name=server.example full`));
    await ours.until(() => ours.of(1).includes('close'));
    assert.deepStrictEqual(ours.of(1).slice(1), ['end', 'close']);
    await ours.stop();
  });

  test(`${version}: gnutls-cli resumes on the other worker, by a ticket and by an id`, limit, async (t) => {
    for (const words of [[], ['tickets=no']]) {
      const ours = await serve(t, 'identity=server', ...words);
      const it = client(t, ours.port, version, '--resume', '--waitresumption');
      await it.says(/This is a resumed session[^]*Simple Client Mode/);
      it.child.stdin.write('again\n');
      await it.says(/again\n/);
      it.child.stdin.end();
      assert.strictEqual(await it.exit, 0, it.words);
      await resumedElsewhere(ours);
      await ours.stop();
    }
  });

  test(`${version}: gnutls-cli is known by its certificate, and a stranger, or nobody, is refused`, limit, async (t) => {
    const ours = await serve(t, 'identity=server', 'ca=ca', 'verify=require');
    const good = client(t, ours.port, version, '--x509certfile', file('client.pem'), '--x509keyfile', file('client.key'));
    await good.says(/Simple Client Mode/);
    good.child.stdin.write('hello\n');
    await good.says(/hello\n/);
    good.child.stdin.end();
    await good.exit;
    assert.match((await ours.said(1, 1))[0], / peer=client /);
    const strangers = ['--x509certfile', file('stranger.pem'), '--x509keyfile', file('stranger.key')];
    for (const [count, words] of [[1, strangers], [2, []]]) {
      const bad = client(t, ours.port, version, ...words);
      await bad.exit;
      assert.match(bad.words, /Fatal error|fatal alert/);
      await ours.said(0, count); // the next one may meet the other worker
    }
    assert.deepStrictEqual(await ours.said(0, 2), ['failed UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'failed ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE']);
    await ours.stop();
  });

  test(`${version}: our client asks gnutls-serv for a page, with its certificate`, limit, async (t) => {
    const place = room(t);
    fs.writeFileSync(place('request'), 'GET / HTTP/1.0\r\n\r\n');
    const it = await server(t, version, 'server', '--http', '--x509cafile', file('ca.pem'), '--require-client-cert',
      '--verify-client-cert', '--alpn', 'a', '--alpn', 'b');
    const log = await call(t, it.port, 'ca=ca', 'name=server.example', 'identity=client', 'alpn=b',
      `send=${place('request')}`, `out=${place('out')}`);
    assert.match(log.join(), new RegExp(`^secure ${version} TLS_\\S+ alpn=b name=server.example .*,end.*,close$`));
    assert.match(fs.readFileSync(place('out'), 'latin1'), /^HTTP\/1\.0 200 OK[^]*CN=client/);
  });

  test(`${version}: our client resumes with gnutls-serv`, limit, async (t) => {
    const place = room(t);
    fs.writeFileSync(place('request'), 'GET / HTTP/1.0\r\n\r\n');
    const it = await server(t, version, 'server', '--http');
    for (const how of ['full', 'resumed']) {
      const log = await call(t, it.port, 'ca=ca', 'name=server.example', `send=${place('request')}`,
        `session=${place('session')}`);
      assert.match(log.join(), new RegExp(`^secure ${version} .* ${how} peer=server.example .*,end.*,close$`));
    }
  });

  test(`${version}: our client believes no gnutls-serv that it should not`, limit, async (t) => {
    for (const [name, code] of [['unknown', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'], ['expired', 'CERT_HAS_EXPIRED']]) {
      const it = await server(t, version, name, '--echo');
      assert.deepStrictEqual(await call(t, it.port, 'ca=ca', 'name=server.example'), [`error ${code}`, 'close!']);
    }
  });
}

test('gnutls-cli and we change keys whenever one of us likes', limit, async (t) => {
  const ours = await serve(t, 'identity=server', 'keys=both');
  const it = client(t, ours.port, '1.3', '--inline-commands');
  await it.says(/Simple Client Mode/);
  for (let round = 0; round < 4; round++) {
    it.child.stdin.write('^rekey^\n');
    await it.until(() => it.words.split(/[Rr]ekey was/).length === round + 2);
    it.child.stdin.write(`round ${round}\n`);
    await it.says(new RegExp(`round ${round}\\n`));
  }
  it.child.stdin.end();
  assert.strictEqual(await it.exit, 0, it.words);
  assert.ok(!ours.words.includes('error'), ours.words);
  await ours.stop();
});

test('gnutls-cli believes us only for our name', limit, async (t) => {
  const ours = await serve(t, 'identity=server');
  const it = client(t, ours.port, '1.3', '--verify-hostname', 'other.example');
  assert.strictEqual(await it.exit, 1);
  assert.match(it.words, /The name in the certificate does not match/);
  await ours.stop();
});
