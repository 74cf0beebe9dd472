// docs/examples/chat.c against guests made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import { connect, endServer, limit, startServer } from './support.mjs';

// A guest keeps the lines that it hears; until(holds) waits for a condition on them, hears(line) for a line.
async function enter(t, port) {
  const socket = await connect(t, port);
  const guest = { socket, name: `guest ${socket.localPort}`, lines: [], waiting: [] };
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
  await guest.hears(`* ${guest.name} came in`);
  return guest;
}

function enterAll(t, port, count) {
  return Promise.all(Array.from({ length: count }, () => enter(t, port)));
}

test('a line reaches everybody else, and what one guest says stays in order', limit, async (t) => {
  const server = await startServer(t, 'example-chat');
  const guests = await enterAll(t, server.port, 30);
  const rounds = 10;
  for (let round = 0; round < rounds; round++)
    for (const guest of guests) guest.socket.write(`line ${round}\n`);
  for (const guest of guests) {
    const said = () => guest.lines.filter((line) => !line.startsWith('*'));
    await guest.until(() => said().length === rounds * (guests.length - 1));
    for (const other of guests) {
      const expected = other === guest ? [] : Array.from({ length: rounds }, (_, round) => `${other.name}: line ${round}`);
      assert.deepStrictEqual(said().filter((line) => line.startsWith(`${other.name}:`)), expected);
    }
  }
  await endServer(server);
});

test('who comes and who goes is told, whether by an end or by a reset', limit, async (t) => {
  const server = await startServer(t, 'example-chat');
  const [stays, hears] = [await enter(t, server.port), await enter(t, server.port)];
  const [ends, breaks] = [await enter(t, server.port), await enter(t, server.port)];
  await stays.hears(`* ${breaks.name} came in`);
  ends.socket.end();
  await stays.hears(`* ${ends.name} went out`);
  breaks.socket.resetAndDestroy();
  await stays.hears(`* ${breaks.name} went out`);
  stays.socket.write('anybody here?\n');
  await hears.hears(`${stays.name}: anybody here?`); // only now it is older than who enters next, on another worker
  const last = await enter(t, server.port);
  last.socket.write('me\n');
  await stays.hears(`${last.name}: me`);
  assert.deepStrictEqual(last.lines, [`* ${last.name} came in`]);
  await endServer(server);
});

test('a line that is too long becomes two, one in pieces stays one', limit, async (t) => {
  const server = await startServer(t, 'example-chat');
  const [hears, says] = [await enter(t, server.port), await enter(t, server.port)];
  says.socket.setNoDelay(true);
  says.socket.write('x'.repeat(1500) + '\n');
  for (const piece of ['in ', 'three ', 'pieces\n']) says.socket.write(piece);
  await hears.hears(`${says.name}: in three pieces`);
  const pieces = hears.lines.filter((line) => line.endsWith('x')).map((line) => line.slice(says.name.length + 2));
  assert.strictEqual(pieces.length, 2);
  assert.strictEqual(pieces.join(''), 'x'.repeat(1500));
  await endServer(server);
});

test('who does not read is thrown out, and the others hear everything', limit, async (t) => {
  const server = await startServer(t, 'example-chat');
  const [hears, says, sleeps] = await enterAll(t, server.port, 3);
  const line = 'x'.repeat(1000), burst = 200;
  const heard = () => hears.lines.filter((text) => text === `${says.name}: ${line}`).length;
  const thrownOut = `* ${sleeps.name} went out`;
  let said = 0;
  sleeps.socket.pause();
  while (!hears.lines.includes(thrownOut)) {
    assert.ok(said < 100000, 'the server takes more than any limit');
    says.socket.write(`${line}\n`.repeat(burst));
    said += burst;
    await hears.until(() => hears.lines.length >= said); /* so that nobody but the sleeper is slow */
  }
  await hears.until(() => heard() === said);
  await endServer(server);
});

test('Ctrl-C ends it while everybody talks', limit, async (t) => {
  const server = await startServer(t, 'example-chat');
  const guests = await enterAll(t, server.port, 20);
  const chatter = setInterval(() => guests.forEach((guest) => guest.socket.write('bla\n')), 1);
  t.after(() => clearInterval(chatter));
  await guests[0].until(() => guests[0].lines.length > 200);
  await endServer(server);
  await Promise.all(guests.map((guest) => guest.closed));
});
