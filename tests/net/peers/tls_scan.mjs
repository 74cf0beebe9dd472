// What scanners say of the default context. Usage: node tls_scan.mjs PEER CERTIFICATES sslscan|testssl PROGRAM.
//
// testssl can ask a hundred things, which takes minutes. Here it asks for versions, classes of ciphers, renegotiation,
// compression and early ChangeCipherSpec. What it would say of the certificates of the tests is left out: nobody knows
// who has signed them, and they are valid for decades. sslscan asks for all ciphers and groups, and for Heartbleed.
import assert from 'node:assert';
import fs from 'node:fs';
import test from 'node:test';
import { limit, room, servePages, start } from './tls_kit.mjs';

const [, , , , scanner, program] = process.argv;
const open = (t) => servePages(t, 'identity=server,server_rsa', 'alpn=http/1.1');

if (scanner === 'sslscan') {
  test('sslscan finds nothing but 1.2 and 1.3 with forward secrecy and authenticated encryption', limit, async (t) => {
    const ours = await open(t);
    const scan = start(t, program, '--no-colour', `127.0.0.1:${ours.port}`);
    assert.strictEqual(await scan.exit, 0, scan.words);
    for (const [version, state] of Object.entries({ SSLv2: 'disabled', SSLv3: 'disabled', 'TLSv1.0': 'disabled',
      'TLSv1.1': 'disabled', 'TLSv1.2': 'enabled', 'TLSv1.3': 'enabled' })) {
      assert.match(scan.words, new RegExp(`^${version} +${state}$`, 'm'));
    }
    assert.match(scan.words, /^Server supports TLS Fallback SCSV$/m);
    assert.match(scan.words, /^Session renegotiation not supported$/m);
    assert.doesNotMatch(scan.words, /^TLSv\S+ vulnerable|Compression enabled/m);
    const ciphers = scan.words.match(/^(Preferred|Accepted) .*$/mg);
    assert.strictEqual(ciphers.length, 9);
    for (const cipher of ciphers) assert.match(cipher, / (TLS_|ECDHE-).*(GCM|CHACHA20)/);
    for (const group of scan.words.match(/^TLSv1\.\d +\d+ bits .*$/mg)) assert.match(group, /x25519|secp256r1|secp384r1/);
    await ours.stop();
  });
} else {
  test('testssl finds nothing above LOW', limit, async (t) => {
    const ours = await open(t);
    const findings = room(t)('findings.json');
    const scan = start(t, program, '--quiet', '--color', '0', '--warnings', 'off', '--nodns', 'none', '-p', '-s', '-R', '-C',
      '-I', '--jsonfile', findings, `127.0.0.1:${ours.port}`);
    await scan.exit;
    const all = JSON.parse(fs.readFileSync(findings, 'utf8'));
    const told = new Set(all.map(({ id }) => id));
    for (const id of ['SSLv3', 'TLS1', 'TLS1_1', 'TLS1_2', 'TLS1_3', 'cipherlist_NULL', 'cipherlist_STRONG', 'CCS',
      'secure_renego', 'secure_client_renego', 'CRIME_TLS']) {
      assert.ok(told.has(id), `nothing of ${id}: ${scan.words}`);
    }
    const ofServer = all.filter(({ id }) => id !== 'engine_problem'); // that is testssl's own openssl
    const bad = ofServer.filter(({ severity }) => !['OK', 'INFO', 'LOW'].includes(severity));
    assert.deepStrictEqual(bad, []);
    await ours.stop();
  });
}
