// docs/examples/session.c, sessions that are state machines, against clients made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import { once } from 'node:events';
import { connect, converse, endServer, limit, startServer } from './support.mjs';

test('what comes while the password is checked is set aside, and done in order', limit, async (t) => {
  const server = await startServer(t, 'example-session');
  const books = await Promise.all(Array.from({ length: 30 }, async (_, i) => {
    const socket = await connect(t, server.port, { allowHalfOpen: true });
    const puts = Array.from({ length: 20 }, (_, k) => `put note ${i}.${k}\n`).join('');
    return String(await converse(socket, `login ann${i} secret\n${puts}list\nquit\n`));
  }));
  books.forEach((book, i) => {
    const notes = Array.from({ length: 20 }, (_, k) => `note ${i}.${k}\n`).join('');
    assert.strictEqual(book, `hello ann${i}\n${notes}.\nbye\n`);
  });
  await endServer(server);
});

test('lines may come in any pieces', limit, async (t) => {
  const server = await startServer(t, 'example-session');
  const socket = await connect(t, server.port, { allowHalfOpen: true, noDelay: true });
  let heard = '';
  socket.on('data', (data) => { heard += data; });
  for (const byte of 'login ann secret\nput a\nlist\nquit\n') {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await once(socket, 'end');
  assert.strictEqual(heard, 'hello ann\na\n.\nbye\n');
  await endServer(server);
});

test('a wrong password leads back to the greeting', limit, async (t) => {
  const server = await startServer(t, 'example-session');
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  const said = await converse(socket, 'put x\nlogin ann guess\nlist\nlogin ann secret\nlist\nwhat\nquit\n');
  assert.strictEqual(String(said),
    'login NAME PASSWORD\nno\nlogin NAME PASSWORD\nhello ann\n.\nput TEXT, list, quit\nbye\n');
  await endServer(server);
});

test('who sends more than may be set aside is told so', limit, async (t) => {
  const server = await startServer(t, 'example-session');
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  const said = String(await converse(socket, `login ann secret\n${'put x\n'.repeat(3000)}`));
  const inTime = `hello ann\n${'full\n'.repeat(2900)}`; // the password was checked before so many lines were cut
  assert.ok(said === 'too much\n' || said === inTime, said);
  await endServer(server);
});

test('who leaves while his password is checked harms nobody', limit, async (t) => {
  const server = await startServer(t, 'example-session');
  for (let i = 0; i < 50; i++) {
    const socket = await connect(t, server.port);
    socket.on('error', () => {});
    socket.write('login ann secret\nput x\n');
    if (i % 2 === 0) socket.resetAndDestroy(); else socket.destroy();
  }
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  assert.strictEqual(String(await converse(socket, 'login ann secret\nquit\n')), 'hello ann\nbye\n');
  await endServer(server);
});
