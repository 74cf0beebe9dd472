// Node's tls as the peer of our sockets, both ways round.
import assert from 'node:assert';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import test from 'node:test';
import tls from 'node:tls';
import { bulk, call, file, limit, pem, resumedElsewhere, room, serve, sha } from './tls_kit.mjs';

const MUCH = 6 << 20;
const versions = ['1.2', '1.3'];
const identity = (name) => ({ cert: pem(`${name}.pem`), key: pem(`${name}.key`) });

// A client that keeps what comes; `closed` is the error, or undefined.
function connect(port, options = {}) {
  const socket = tls.connect({ host: '127.0.0.1', port, servername: 'server.example', ca: pem('ca.pem'), ...options });
  const client = { socket, chunks: [] };
  socket.on('data', (chunk) => client.chunks.push(chunk));
  client.closed = new Promise((resolve) => {
    socket.on('error', resolve);
    socket.on('close', () => resolve(undefined));
  });
  client.received = () => Buffer.concat(client.chunks);
  return client;
}

for (const version of versions) {
  const only = { minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` };

  test(`${version}: much comes back to a Node client, and then our goodbye and a clean end`, limit, async (t) => {
    const server = await serve(t, 'identity=server', 'alpn=b,a');
    const bytes = bulk(room(t), MUCH);
    const client = connect(server.port, { ...only, ALPNProtocols: ['x', 'a'] });
    client.socket.end(bytes);
    assert.strictEqual(await client.closed, undefined);
    const received = client.received();
    assert.strictEqual(received.subarray(MUCH).toString(), 'goodbye');
    assert.strictEqual(sha(received.subarray(0, MUCH)), sha(bytes));
    assert.ok(client.socket.authorized);
    assert.strictEqual(client.socket.alpnProtocol, 'a');
    await server.until(() => server.of(1).includes('close'));
    const [secure, ...rest] = server.of(1);
    assert.match(secure, new RegExp(`^secure ${version} TLS_\\S+ alpn=a name=server.example full peer= `));
    assert.deepStrictEqual(rest, ['end', 'close']);
    await server.stop();
  });

  test(`${version}: much goes from our client to a Node server, and back`, limit, async (t) => {
    const place = room(t);
    const [there, back] = [bulk(place, MUCH), bulk((name) => place(`${name}-back`), MUCH)];
    let ended;
    const heard = new Promise((resolve) => { ended = resolve; });
    const port = await listen(t, { ...only, ...identity('server'), ca: pem('ca.pem'), requestCert: true,
      ALPNProtocols: ['a', 'b'] }, (socket) => {
      const chunks = [];
      const peer = socket.getPeerCertificate().subject.CN;
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('end', () => ended({ name: socket.servername, alpn: socket.alpnProtocol, peer,
        sha: sha(Buffer.concat(chunks)) }));
      socket.end(back);
    });
    const log = await call(t, port, 'ca=ca', 'name=server.example', 'identity=client', 'alpn=b',
      `send=${place('bulk')}`, `out=${place('out')}`);
    assert.match(log[0], new RegExp(`^secure ${version} TLS_\\S+ alpn=b name=server.example full peer=server.example `));
    assert.deepStrictEqual(log.slice(1), ['end', 'close']);
    assert.deepStrictEqual(await heard, { name: 'server.example', alpn: 'b', peer: 'client', sha: sha(there) });
    assert.strictEqual(sha(fs.readFileSync(place('out'))), sha(back));
  });

  test(`${version}: a Node client is known by its certificate, and a stranger, or nobody, is refused`, limit, async (t) => {
    const server = await serve(t, 'identity=server', 'ca=ca', 'verify=require');
    const good = connect(server.port, { ...only, ...identity('client') });
    good.socket.end('x');
    assert.strictEqual(await good.closed, undefined);
    assert.match((await server.said(1, 1))[0], / peer=client /);
    const stranger = connect(server.port, { ...only, ...identity('stranger') });
    assert.strictEqual((await stranger.closed).code, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA');
    await server.said(0, 1); // the next one may meet the other worker
    const nobody = connect(server.port, only);
    assert.strictEqual((await nobody.closed).code, version === '1.3' ? 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'
      : 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE');
    assert.deepStrictEqual(await server.said(0, 2), ['failed UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'failed ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE']);
    await server.stop();
  });

  // Node destroys what it does not believe, without an alert.
  test(`${version}: a Node server refuses the certificate of our client, which notices`, limit, async (t) => {
    const port = await listen(t, { ...only, ...identity('server'), ca: pem('ca.pem'), requestCert: true,
      rejectUnauthorized: true }, (socket) => socket.resume());
    const log = await call(t, port, 'ca=ca', 'name=server.example', 'identity=stranger');
    assert.ok(log.includes('error ECONNRESET') || log.includes('end truncated'), log.join('\n'));
  });

  test(`${version}: a Node client resumes its session on the other worker`, limit, async (t) => {
    for (const words of [[], ['tickets=no']]) {
      const server = await serve(t, 'identity=server', ...words);
      const first = connect(server.port, only);
      const [session] = await once(first.socket, 'session');
      first.socket.end();
      assert.strictEqual(await first.closed, undefined);
      const second = connect(server.port, { ...only, session });
      await once(second.socket, 'secureConnect');
      assert.ok(second.socket.isSessionReused());
      second.socket.end('again');
      assert.strictEqual(await second.closed, undefined);
      assert.strictEqual(second.received().toString(), 'againgoodbye');
      await resumedElsewhere(server);
      await server.stop();
    }
  });
}

// Node 20 ends at once without close_notify, if it is told to in secureConnection.
for (const version of versions) {
  test(`${version}: our client resumes its session with a Node server`, limit, async (t) => {
    const place = room(t);
    const port = await listen(t, { minVersion: `TLSv${version}`, maxVersion: `TLSv${version}`, ...identity('server') },
      (socket) => socket.end('x'));
    for (const how of ['full', 'resumed']) {
      const log = await call(t, port, 'ca=ca', 'name=server.example', `session=${place('session')}`);
      assert.match(log.join(), new RegExp(`^secure ${version} .* ${how} peer=server.example .*,end.*,close$`));
    }
  });
}

test('a Node client that sends FIN without close_notify has truncated its stream', limit, async (t) => {
  const server = await serve(t, 'identity=server');
  const raw = net.connect(server.port, '127.0.0.1');
  const client = connect(undefined, { socket: raw });
  client.socket.write('half');
  await once(client.socket, 'data');
  assert.strictEqual(client.received().toString(), 'half');
  raw.end();
  await server.until(() => server.of(1).includes('close'));
  assert.deepStrictEqual(server.of(1).slice(1), ['end truncated', 'close']);
  client.socket.destroy();
  await server.stop();
});

test('a Node server that sends FIN without close_notify has truncated its stream', limit, async (t) => {
  const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  server.on('connection', (raw) => {
    const socket = new tls.TLSSocket(raw, { isServer: true, ...identity('server') });
    socket.on('error', () => {});
    socket.on('secure', () => socket.write('half', () => raw.end()));
  });
  await once(server, 'listening');
  t.after(() => server.close());
  const place = room(t);
  const log = await call(t, server.address().port, 'ca=ca', 'name=server.example', `out=${place('out')}`);
  assert.deepStrictEqual(log.slice(1), ['end truncated', 'close']);
  assert.strictEqual(fs.readFileSync(place('out'), 'utf8'), 'half');
});

test('a Node client gets the certificate for the name that it asks for', limit, async (t) => {
  const server = await serve(t, 'identity=server', 'names=a,b');
  for (const [servername, expected] of [['a.example', 'a.example'], ['b.example', 'b.example'],
    ['server.example', 'server.example']]) {
    const client = connect(server.port, { servername });
    await once(client.socket, 'secureConnect');
    assert.strictEqual(client.socket.getPeerCertificate().subject.CN, expected);
    client.socket.end();
    assert.strictEqual(await client.closed, undefined);
  }
  await server.stop();
});

async function listen(t, options, onConnection) {
  const server = tls.createServer(options, onConnection).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

test('our client believes no Node server that it should not, and says why as Node does', limit, async (t) => {
  const reasons = {
    expired: 'CERT_HAS_EXPIRED', not_yet: 'CERT_NOT_YET_VALID', self: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    unknown: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', deep: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    a: 'ERR_TLS_CERT_ALTNAME_INVALID',
  };
  for (const [name, code] of Object.entries(reasons)) {
    const port = await listen(t, identity(name));
    const ours = await call(t, port, 'ca=ca', 'name=server.example');
    assert.deepStrictEqual(ours, [`error ${code}`, 'close!'], name);
    assert.strictEqual((await connect(port).closed)?.code, code, name);
  }
});

test('our client and a Node server without a version in common refuse each other', limit, async (t) => {
  const port = await listen(t, { ...identity('server'), maxVersion: 'TLSv1.2' });
  assert.deepStrictEqual(await call(t, port, 'ca=ca', 'name=server.example', 'lowest=1.3'),
    ['error ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'close!']);
});
