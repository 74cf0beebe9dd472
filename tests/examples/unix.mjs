// What goes over unix sockets and descriptors: docs/examples/unix.c, client.c, send-fd.c, receive-fd.c and activation.c
// against Node's net, against each other, and with systemd-socket-activate and Python where they are installed.
import test from 'node:test';
import assert from 'node:assert';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { converse, endServer, eventually, launch, limit, program, run } from './support.mjs';

function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'troupe-examples-'));
  t.after(() => fs.rmSync(made, { recursive: true }));
  return made;
}

async function startAt(t, name, where) {
  const server = launch(t, program(name), [where]);
  await server.says(/listening on (.*)\n/);
  return server;
}

async function connectAt(t, where, options = {}) {
  const socket = net.connect({ path: where, ...options });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('unix: says hello on its path, then what it is told, and takes the path away', limit, async (t) => {
  const where = path.join(folder(t), 'echo.sock');
  const server = await startAt(t, 'example-unix', where);
  assert.strictEqual(server.words, `unix: listening on ${where}\n`);
  const bytes = crypto.randomBytes(3000000);
  const socket = await connectAt(t, where, { allowHalfOpen: true });
  assert.ok((await converse(socket, bytes)).equals(Buffer.concat([Buffer.from('hello\r\n'), bytes])));
  await endServer(server);
  assert.strictEqual(fs.existsSync(where), false);
});

test('unix: a path in use is refused, one of a killed server is taken over', limit, async (t) => {
  const where = path.join(folder(t), 'echo.sock');
  const first = await startAt(t, 'example-unix', where);
  const second = await run('example-unix', where);
  assert.deepStrictEqual(second, { code: 1, out: '', words: 'unix: address already in use\n' });
  first.child.kill('SIGKILL');
  await first.exited;
  assert.strictEqual(fs.existsSync(where), true);
  const third = await startAt(t, 'example-unix', where);
  const socket = await connectAt(t, where, { allowHalfOpen: true });
  assert.strictEqual(String(await converse(socket)), 'hello\r\n');
  await endServer(third);
});

test('client: the conversation of the documents, over a unix socket', limit, async (t) => {
  const work = folder(t);
  const [ours, theirs] = ['ours', 'theirs'].map((name) => path.join(work, name));
  const server = await startAt(t, 'example-unix', ours);
  const foreign = net.createServer((socket) => socket.pipe(socket).write('hello\r\n')).listen(theirs);
  t.after(() => foreign.close());
  await once(foreign, 'listening');
  const expected = { code: 0, out: 'connected to server!\nhello\r\nworld!\r\ndisconnected from server\n', words: '' };
  assert.deepStrictEqual(await run('example-client', ours), expected);
  assert.deepStrictEqual(await run('example-client', theirs), expected);
  await endServer(server);
});

test('client: a path at which nobody listens is named as the fault', limit, async (t) => {
  const result = await run('example-client', path.join(folder(t), 'nobody'));
  assert.deepStrictEqual(result, { code: 1, out: '', words: 'client: connect: no such file or directory\n' });
});

test('send-fd and receive-fd: what is in the files arrives, also in those that are gone by then', limit, async (t) => {
  const work = folder(t);
  const receiver = await startAt(t, 'example-receive-fd', path.join(work, 'files.sock'));
  const file = path.join(work, 'file');
  const known = `/proc/${receiver.child.pid}/fd`;
  const descriptors = () => (fs.existsSync(known) ? fs.readdirSync(known).length : 0);
  const before = descriptors();
  for (const size of [0, 1, 100000]) {
    const text = crypto.randomBytes(size).toString('hex');
    fs.writeFileSync(file, `<${text}>`);
    const sent = run('example-send-fd', path.join(work, 'files.sock'), file);
    assert.deepStrictEqual(await sent, { code: 0, out: '', words: '' });
    fs.unlinkSync(file);
    await receiver.until(() => receiver.out.endsWith(`<${text}>`));
  }
  const device = await run('example-send-fd', path.join(work, 'files.sock'), '/dev/null');
  assert.strictEqual(device.code, 0);
  await receiver.says(/that is no file/);
  await eventually(() => descriptors() === before);
  await endServer(receiver);
});

test('send-fd: faults are named', limit, async (t) => {
  const work = folder(t);
  const nobody = await run('example-send-fd', path.join(work, 'nobody'), '/dev/null');
  assert.deepStrictEqual(nobody, { code: 1, out: '', words: 'send-fd: connect: no such file or directory\n' });
  assert.match((await run('example-send-fd', path.join(work, 'nobody'), path.join(work, 'none'))).words, /^usage/);
});

// Is a program there that works? Its tests are skipped otherwise.
const works = (...command) => spawnSync(command[0], command.slice(1)).status === 0;
const noPython = !works('python3', '-c', 'import socket; socket.recv_fds') && 'Python 3.9 was not found';

// Our sender and a receiver of Python's, then the other way round.
test('send-fd and receive-fd: Python understands them, and they Python', { ...limit, skip: noPython }, async (t) => {
  const work = folder(t);
  const [where, file] = ['files.sock', 'file'].map((name) => path.join(work, name));
  fs.writeFileSync(file, 'from hand to hand');
  const python = launch(t, 'python3', ['-c', `
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print('listening', file=sys.stderr, flush=True)
data, fds, flags, address = socket.recv_fds(server.accept()[0], 100, 4)
print(data, len(fds), os.read(fds[0], 100))`, where]);
  await python.says(/listening/);
  assert.strictEqual((await run('example-send-fd', where, file)).code, 0);
  await python.exited;
  assert.strictEqual(python.out, "b'file\\n' 1 b'from hand to hand'\n");

  fs.unlinkSync(where);
  const receiver = await startAt(t, 'example-receive-fd', where);
  await promisify(execFile)('python3', ['-c', `
import os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
socket.send_fds(client, [b'x'], [os.open(sys.argv[2], os.O_RDONLY), os.open(sys.argv[2], os.O_RDONLY)])`, where, file]);
  await receiver.until(() => receiver.out === 'from hand to hand'.repeat(2));
  await endServer(receiver);
});

test('activation: serves descriptors that listened before it began', limit, async (t) => {
  const tcp = net.createServer(), unix = net.createServer();
  const work = folder(t);
  const [where, same] = ['service', 'same'].map((name) => path.join(work, name));
  await once(tcp.listen(0, '127.0.0.1'), 'listening');
  await once(unix.listen(where), 'listening');
  t.after(() => [tcp, unix].forEach((server) => server.close()));
  const { port } = tcp.address();
  const script = 'export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin; exec "$0"';
  const stdio = ['ignore', 'pipe', 'pipe', tcp._handle.fd, unix._handle.fd];
  const server = launch(t, 'sh', ['-c', script, program('example-activation')], { stdio });
  await server.says(/port \d+ of 127\.0\.0\.1 \(web\)\n[^]*\(admin\)\n/);
  fs.linkSync(where, same); // Node takes the path away when it closes, which it must, lest it accepts too
  tcp.close();
  unix.close();
  const sockets = [net.connect(port, '127.0.0.1'), net.connect(same)];
  for (const socket of sockets) assert.strictEqual(String(await converse(socket)), 'here I am\n');
  await endServer(server);
});

test('activation: refuses when it was given nothing, or what was meant for another process', limit, async () => {
  const expected = { code: 1, out: '', words: 'activation: nothing to listen on was given\n' };
  assert.deepStrictEqual(await run('example-activation'), expected);
  process.env.LISTEN_FDS = '1';
  process.env.LISTEN_PID = String(process.pid);
  assert.deepStrictEqual(await run('example-activation'), expected);
  delete process.env.LISTEN_FDS;
  delete process.env.LISTEN_PID;
});

const noSystemd = !works('systemd-socket-activate', '--version') && 'systemd-socket-activate was not found';

test('activation: systemd starts it with its first client', { ...limit, skip: noSystemd }, async (t) => {
  const where = path.join(folder(t), 'service');
  const server = launch(t, 'systemd-socket-activate', ['-l', where, program('example-activation')]);
  await server.says(/Listening on .*\n/);
  assert.strictEqual(String(await converse(await connectAt(t, where))), 'here I am\n');
  await endServer(server);
});
