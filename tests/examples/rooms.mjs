// docs/examples/rooms.c against guests made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import { connect, endServer, limit, startServer } from './support.mjs';

// A guest keeps the lines that it hears; until(holds) waits for a condition on them.
async function enter(t, port, room) {
  const socket = await connect(t, port);
  const guest = { socket, lines: [], waiting: [] };
  socket.on('error', () => {});
  guest.closed = new Promise((resolve) => socket.on('close', resolve));
  let rest = '';
  socket.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    guest.lines.push(...lines);
    guest.waiting = guest.waiting.filter(({ holds, resolve }) => !holds() || resolve());
  });
  guest.until = (holds) => new Promise((resolve) => (holds() ? resolve() : guest.waiting.push({ holds, resolve })));
  guest.hears = (line) => guest.until(() => guest.lines.includes(line));
  guest.said = () => guest.lines.filter((line) => !line.startsWith('*'));
  socket.write(`${room}\n`);
  await guest.until(() => guest.lines.length > 0);
  return guest;
}

test('a line reaches everybody else in its room, in order, and nobody elsewhere', limit, async (t) => {
  const server = await startServer(t, 'example-rooms');
  const names = ['kitchen', 'cellar'], guests = [];
  for (let i = 0; i < 20; i++) {
    const guest = await enter(t, server.port, names[i % 2]);
    guest.room = i % 2;
    guest.name = `guest ${i}`;
    assert.strictEqual(guest.lines[0], `* you are ${Math.floor(i / 2) + 1} here`);
    guests.push(guest);
  }
  for (let round = 0; round < 10; round++)
    for (const guest of guests) guest.socket.write(`${guest.name}: ${round}\n`);
  for (const guest of guests) {
    await guest.until(() => guest.said().length === 90);
    for (const other of guests) {
      const hears = other !== guest && other.room === guest.room;
      const expected = hears ? Array.from({ length: 10 }, (_, round) => `${other.name}: ${round}`) : [];
      assert.deepStrictEqual(guest.said().filter((line) => line.startsWith(`${other.name}:`)), expected);
    }
  }
  await endServer(server);
});

test('a room is gone with its last guest', limit, async (t) => {
  const server = await startServer(t, 'example-rooms');
  const [stays, goes] = [await enter(t, server.port, 'attic'), await enter(t, server.port, 'attic')];
  await stays.hears('* one more');
  goes.socket.resetAndDestroy();
  await stays.hears('* one less');
  stays.socket.end();
  await stays.closed;
  let first; // that its room is gone the server knows a moment after us
  do first = await enter(t, server.port, 'attic');
  while (first.lines[0] !== '* you are 1 here');
  await endServer(server);
});

test('a room without a name is none', limit, async (t) => {
  const server = await startServer(t, 'example-rooms');
  const guest = await enter(t, server.port, '');
  await guest.closed;
  assert.deepStrictEqual(guest.lines, ['* not let in: the name is empty, or too long']);
  await endServer(server);
});
