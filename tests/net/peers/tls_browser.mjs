// A browser reads our page. Usage: node tls_browser.mjs PEER CERTIFICATES CHROMIUM.
import assert from 'node:assert';
import { X509Certificate, createHash } from 'node:crypto';
import test from 'node:test';
import { limit, pem, room, servePages, start } from './tls_kit.mjs';

const chromium = process.argv[4];
const key = new X509Certificate(pem('server.pem')).publicKey.export({ type: 'spki', format: 'der' });

function browse(t, port, ...more) {
  return start(t, chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking',
    '--no-first-run', '--no-proxy-server', `--user-data-dir=${room(t)('profile')}`,
    '--host-resolver-rules=MAP server.example 127.0.0.1', ...more, '--dump-dom', `https://server.example:${port}/`);
}

test('headless Chromium reads our page, from whom it is told to believe', limit, async (t) => {
  const ours = await servePages(t, 'identity=server', 'alpn=http/1.1');
  const known = createHash('sha256').update(key).digest('base64');
  const it = browse(t, ours.port, `--ignore-certificate-errors-spki-list=${known}`);
  await it.exit;
  assert.match(it.received().toString(), /<title>ours<\/title>[^]*read by a peer/);
  assert.match((await ours.said(1, 1))[0], /^secure 1.3 TLS_\S+ alpn=http\/1.1 name=server.example/);
  await ours.stop();
});

test('headless Chromium does not read it from whom it does not know', limit, async (t) => {
  const ours = await servePages(t, 'identity=server');
  const it = browse(t, ours.port);
  await it.exit;
  assert.doesNotMatch(it.received().toString(), /read by a peer/);
  assert.match((await ours.said(0, 1))[0], /^failed ERR_SSL_\S*CERTIFICATE_UNKNOWN|UNKNOWN_CA|ECONNRESET/);
  await ours.stop();
});
