// docs/examples/tickets.c, one owner for all sockets, against clients made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import { once } from 'node:events';
import { connect, converse, endServer, limit, startServer, untilStill } from './support.mjs';

const numbersOf = (text) => String(text).trimEnd().split('\n').map(Number);

test('every line gets a number, and no number is given twice', limit, async (t) => {
  const server = await startServer(t, 'example-tickets');
  const [guests, lines] = [20, 500];
  const given = await Promise.all(Array.from({ length: guests }, async (_, i) => {
    const socket = await connect(t, server.port, { allowHalfOpen: true, noDelay: true });
    for (let asked = 0; asked < lines - i; asked++) socket.write(asked % 50 === 0 ? 'another one\n' : '\n');
    const numbers = numbersOf(await converse(socket, '\n'.repeat(i)));
    assert.strictEqual(numbers.length, lines);
    return numbers;
  }));
  for (const numbers of given) assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]));
  const all = given.flat().sort((a, b) => a - b);
  assert.deepStrictEqual(all, Array.from({ length: guests * lines }, (_, i) => i + 1));
  await endServer(server);
});

test('who asks and ends at once gets the number before the end', limit, async (t) => {
  const server = await startServer(t, 'example-tickets');
  const given = await Promise.all(Array.from({ length: 200 }, async () => {
    const socket = await connect(t, server.port, { allowHalfOpen: true });
    return numbersOf(await converse(socket, '\n'))[0];
  }));
  assert.deepStrictEqual(given.sort((a, b) => a - b), given.map((_, i) => i + 1));
  await endServer(server);
});

test('who asks and does not read is not asked on, and gets all numbers in the end', limit, async (t) => {
  const server = await startServer(t, 'example-tickets');
  const sleeper = await connect(t, server.port, { allowHalfOpen: true });
  const asked = 2000000; // their numbers are more than the system holds, and so is the rest, which asks for none
  sleeper.pause();
  sleeper.write('\n'.repeat(asked));
  sleeper.write('x'.repeat(16000000));
  await untilStill(() => sleeper.writableLength, async () => {
    const other = await connect(t, server.port, { allowHalfOpen: true });
    assert.strictEqual(numbersOf(await converse(other, '\n\n')).length, 2);
  });
  assert.ok(sleeper.writableLength > 0, 'the server took all of it into its memory');
  sleeper.end();
  let lines = 0;
  for await (const chunk of sleeper) for (const byte of chunk) lines += byte === 10;
  assert.strictEqual(lines, asked);
  await endServer(server);
});

test('Ctrl-C ends it while everybody asks', limit, async (t) => {
  const server = await startServer(t, 'example-tickets');
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connect(t, server.port)));
  const closed = sockets.map((socket) => new Promise((resolve) => {
    socket.on('error', () => {}).on('close', resolve).on('data', () => socket.write('\n\n\n'));
    socket.write('\n');
  }));
  await once(sockets[0], 'data');
  await endServer(server);
  await Promise.all(closed);
});
