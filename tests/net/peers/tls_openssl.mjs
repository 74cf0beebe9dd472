// OpenSSL's programs as peers of our sockets: s_client and s_server.
import assert from 'node:assert';
import fs from 'node:fs';
import test from 'node:test';
import { bulk, call, file, limit, portOf, resumedElsewhere, room, serve, sha, start } from './tls_kit.mjs';

const MUCH = 4 << 20;
const expected = ['-CAfile', file('ca.pem'), '-verify_return_error', '-verify_hostname', 'server.example'];

function client(t, port, ...words) {
  return start(t, 'openssl', 's_client', '-connect', `127.0.0.1:${port}`, ...words);
}

async function server(t, name, ...words) {
  const it = start(t, 'openssl', 's_server', '-accept', '127.0.0.1:0', '-cert', file(`${name}.pem`), '-key',
    file(`${name}.key`), ...words);
  it.port = await portOf(it.child);
  return it;
}

for (const [version, flag] of [['1.2', '-tls1_2'], ['1.3', '-tls1_3']]) {
  test(`${version}: much comes back to s_client`, limit, async (t) => {
    const ours = await serve(t, 'identity=server', 'alpn=a,b', 'names=a');
    const bytes = bulk(room(t), MUCH);
    const it = client(t, ours.port, flag, ...expected, '-quiet', '-nbio', '-alpn', 'b', '-servername', 'server.example');
    it.child.stdin.write(bytes);
    await it.until(() => it.size >= MUCH);
    assert.strictEqual(sha(it.received()), sha(bytes));
    assert.match((await ours.said(1, 1))[0], new RegExp(`^secure ${version} TLS_\\S+ alpn=b name=server.example full`));
    await ours.stop();
  });

  test(`${version}: much goes from our client to s_server, and back`, limit, async (t) => {
    const place = room(t);
    const [there, back] = [bulk(place, MUCH), bulk((name) => place(`${name}-back`), MUCH)];
    const it = await server(t, 'server', flag, '-quiet', '-naccept', '1', '-alpn', 'b,a', '-CAfile', file('ca.pem'),
      '-Verify', '1', '-verify_return_error');
    it.child.stdin.write(back); // whatever comes to it before a connection waits
    const log = call(t, it.port, 'ca=ca', 'name=server.example', 'identity=client', 'alpn=b,a', `send=${place('bulk')}`,
      `out=${place('out')}`);
    await it.until(() => it.size >= MUCH);
    const [secure, ...rest] = await log;
    assert.match(secure, new RegExp(`^secure ${version} TLS_\\S+ alpn=b name=server.example full peer=server.example `));
    assert.match(rest.join(), /^end.*,close$/);
    assert.strictEqual(sha(it.received()), sha(there));
    const came = fs.readFileSync(place('out'));
    assert.strictEqual(sha(came), sha(back.subarray(0, came.length))); // it ends with the first end
  });

  test(`${version}: s_client resumes on the other worker, by a ticket and by an id`, limit, async (t) => {
    for (const words of [[], ['tickets=no']]) {
      const place = room(t);
      const ours = await serve(t, 'identity=server', ...words);
      for (const [way, session] of [['New', '-sess_out'], ['Reused', '-sess_in']]) {
        const it = client(t, ours.port, flag, ...expected, session, place('session'));
        it.child.stdin.write('hello\n');
        await it.says(/hello\n/);
        it.child.stdin.end();
        assert.strictEqual(await it.exit, 0);
        assert.match(it.words, new RegExp(`${way}, TLSv`));
      }
      await resumedElsewhere(ours);
      await ours.stop();
    }
  });

  test(`${version}: our client resumes with s_server, by a ticket and by an id`, limit, async (t) => {
    const place = room(t);
    fs.writeFileSync(place('request'), 'GET / HTTP/1.0\r\n\r\n');
    for (const words of [[], ['-no_ticket']]) {
      const it = await server(t, 'server', flag, '-www', ...words);
      const session = place(`session${words}`);
      for (const how of ['full', 'resumed']) {
        const log = await call(t, it.port, 'ca=ca', 'name=server.example', `send=${place('request')}`, `session=${session}`);
        assert.match(log.join(), new RegExp(`^secure ${version} .* ${how} peer=server.example .*,end.*,close$`));
      }
    }
  });

  test(`${version}: s_client is known by its certificate, and a stranger is not`, limit, async (t) => {
    const ours = await serve(t, 'identity=server', 'ca=ca', 'verify=request');
    for (const [name, peer] of [['client', 'client'], ['stranger', 'stranger']]) {
      const it = client(t, ours.port, flag, ...expected, '-cert', file(`${name}.pem`), '-key', file(`${name}.key`));
      it.child.stdin.write('hello\n');
      await it.says(/hello\n/);
      it.child.stdin.end();
      await it.exit;
      const number = peer === 'client' ? 1 : 2;
      await ours.until(() => ours.of(number).includes('close'));
      const lines = ours.of(number);
      assert.match(lines[0], new RegExp(` peer=${peer} `));
      assert.strictEqual(lines.includes('unverified UNABLE_TO_VERIFY_LEAF_SIGNATURE'), peer === 'stranger');
    }
    await ours.stop();
  });
}

test('s_client and we change keys whenever one of us likes', limit, async (t) => {
  const ours = await serve(t, 'identity=server', 'keys=both');
  const it = client(t, ours.port, '-tls1_3', ...expected);
  for (let round = 0; round < 6; round++) {
    it.child.stdin.write(round % 2 === 0 ? 'K\n' : 'k\n');
    await it.until(() => it.words.split('KEYUPDATE\n').length === round + 2);
    it.child.stdin.write(`round ${round}\n`);
    await it.says(new RegExp(`round ${round}\\n`));
  }
  it.child.stdin.end();
  assert.strictEqual(await it.exit, 0);
  await ours.until(() => ours.of(1).includes('close'));
  assert.ok(!ours.words.includes('error'), ours.words);
  await ours.stop();
});

test('s_client may not renegotiate, and others are not disturbed', limit, async (t) => {
  const ours = await serve(t, 'identity=server');
  const other = client(t, ours.port, '-tls1_2', ...expected);
  other.child.stdin.write('hello\n');
  await other.says(/hello\n/);
  const it = client(t, ours.port, '-tls1_2', ...expected);
  it.child.stdin.write('hello\n');
  await it.says(/hello\n/);
  it.child.stdin.write('R\n');
  assert.notStrictEqual(await it.exit, 0);
  assert.match(it.words, /RENEGOTIATING[^]*no renegotiation/);
  other.child.stdin.write('still here\n');
  await other.says(/still here\n/);
  await ours.stop();
});

test('s_client gets the certificate for the name that it asks for', limit, async (t) => {
  const ours = await serve(t, 'identity=server,server_rsa', 'names=a,b');
  for (const name of ['a.example', 'b.example', 'server.example', 'other.example']) {
    const it = client(t, ours.port, '-CAfile', file('ca.pem'), '-verify_return_error', '-servername', name);
    await it.says(/subject=CN = .*\n/);
    const subject = name === 'other.example' ? 'server.example' : name;
    assert.match(it.words, new RegExp(`subject=CN = ${subject}\\n`));
    it.child.stdin.end();
    assert.strictEqual(await it.exit, 0);
  }
  const rsa = client(t, ours.port, '-tls1_2', '-cipher', 'aRSA', ...expected);
  await rsa.says(/Server public key is 2048 bit/);
  rsa.child.stdin.end();
  assert.strictEqual(await rsa.exit, 0);
  await ours.stop();
});

test('s_client without anything in common with us is refused, and told why', limit, async (t) => {
  const ours = await serve(t, 'identity=server', 'lowest=1.3', 'alpn=a');
  const old = client(t, ours.port, '-tls1_2');
  assert.notStrictEqual(await old.exit, 0);
  assert.match(old.words, /alert protocol version/);
  await ours.said(0, 1); // the next one may meet the other worker
  const other = client(t, ours.port, '-alpn', 'x');
  assert.notStrictEqual(await other.exit, 0);
  assert.match(other.words, /alert no application protocol/);
  assert.deepStrictEqual(await ours.said(0, 2), ['failed ERR_SSL_UNSUPPORTED_PROTOCOL',
    'failed ERR_SSL_NO_APPLICATION_PROTOCOL']);
  await ours.stop();
});

test('our client asks s_server for a page', limit, async (t) => {
  const place = room(t);
  fs.writeFileSync(place('request'), 'GET / HTTP/1.0\r\n\r\n');
  const it = await server(t, 'deep', '-www', '-cert_chain', file('between.pem'));
  const log = await call(t, it.port, 'ca=ca', 'name=server.example', `send=${place('request')}`, `out=${place('out')}`);
  assert.match(log.join(), /^secure 1.3 .*end,close$/);
  assert.match(fs.readFileSync(place('out'), 'utf8'), /^HTTP\/1.0 200 ok\r\n[^]*TLS_AES_128_GCM_SHA256|TLS_AES_256_GCM_SHA384/);
});
