// docs/examples/kv.c against raw bytes: pipelines, cuts, errors, subscribers; and against redis itself, if it is there.
import test from 'node:test';
import assert from 'node:assert';
import net from 'node:net';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, converse, endServer, eventually, limit, startServer } from './support.mjs';

const seed = Number(process.env.KV_SEED) || (Date.now() & 0x7fffffff);
console.log(`KV_SEED=${seed}`);

// A generator of numbers that a seed repeats (mulberry32).
function numbers(from) {
  let state = from;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return { below: (limit) => next() % limit, pick: (list) => list[next() % list.length] };
}

const bulk = (text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const array = (...replies) => `*${replies.length}\r\n${replies.join('')}`;
const command = (...words) => array(...words.map((word) => bulk(String(word))));

// A client that keeps what it got; when(holds) waits for a condition on that, and takes it all.
async function enter(t, port) {
  const socket = await connect(t, port, { noDelay: true });
  const client = { socket, got: '', look: () => {} };
  socket.on('error', () => {});
  socket.setEncoding('latin1').on('data', (text) => { client.got += text; client.look(); });
  client.when = (holds) => new Promise((resolve) => {
    client.look = () => {
      if (!holds(client.got)) return;
      client.look = () => {};
      const all = client.got;
      client.got = '';
      resolve(all);
    };
    client.look();
  });
  client.until = (text) => client.when((got) => got.endsWith(text));
  client.hears = async (expected) => {
    assert.strictEqual(await client.when((got) => got.length >= expected.length), expected);
  };
  client.expects = (sent, expected) => {
    socket.write(sent);
    return client.hears(expected);
  };
  return client;
}

// Sends bytes in pieces of random lengths; between two of them the server may read.
async function sendCut(socket, bytes, random, longest) {
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + 1 + random.below(longest));
    at += piece.length;
    if (!socket.write(piece)) await once(socket, 'drain');
    await new Promise(setImmediate);
  }
}

test('replies come in the order of the commands, whichever shards they are from', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2, 16);
  const [client, count] = [await enter(t, server.port), 3000];
  const each = (make) => Array.from({ length: count }, (_, i) => make(i)).join('');
  await client.expects(each((i) => command('SET', `key ${i}`, `value ${i}`)), '+OK\r\n'.repeat(count));
  await client.expects(each((i) => command('GET', `key ${i}`)), each((i) => bulk(`value ${i}`)));
  const keys = Array.from({ length: 100 }, (_, i) => `key ${i * 7}`);
  const values = array(...keys.map((key) => bulk(`value ${key.slice(4)}`)), '$-1\r\n');
  await client.expects(command('MGET', ...keys, 'nobody') + command('PING'), `${values}+PONG\r\n`);
  await client.expects(command('DEL', ...keys) + command('DBSIZE'), `:100\r\n:${count - 100}\r\n`);
  await endServer(server);
});

test('what one client sets another one finds, and one that increments is never lost', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2, 4);
  const clients = await Promise.all(Array.from({ length: 8 }, () => enter(t, server.port)));
  const replies = await Promise.all(clients.map(async (client) => {
    client.socket.write(command('INCR', 'n').repeat(500) + command('ECHO', 'end'));
    return client.until(bulk('end'));
  }));
  const seen = replies.flatMap((text) => text.match(/^:\d+/gm).map((number) => Number(number.slice(1))));
  assert.deepStrictEqual(seen.sort((a, b) => a - b), Array.from({ length: 4000 }, (_, i) => i + 1));
  await endServer(server);
});

test('a client that ends after its last command gets all replies', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  const sent = Array.from({ length: 5000 }, (_, i) => command('INCR', `key ${i % 10}`)).join('');
  const got = String(await converse(socket, sent));
  assert.strictEqual(got.split('\r\n').length - 1, 5000);
  assert.ok(got.endsWith(':500\r\n'));
  await endServer(server);
});

test('a large value comes back whole, in whatever pieces it came', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const client = await enter(t, server.port);
  const value = 'x\r\ny'.repeat(500000);
  const sent = Buffer.from(command('SET', 'large', value) + command('GET', 'large'));
  await sendCut(client.socket, sent, numbers(seed), 90000);
  assert.ok(await client.until('y\r\n') === `+OK\r\n${bulk(value)}`);
  await endServer(server);
});

test('words in a line are commands, too, with quotes as redis has them', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const client = await enter(t, server.port);
  await client.expects('\r\nPING\r\n   ping  hello  \n', '+PONG\r\n$5\r\nhello\r\n');
  await client.expects('set "a key" "\\x41\\n\\"\\z\\x"\r\nget \'a key\'\r\n', `+OK\r\n${bulk('A\n"zx')}`);
  await client.expects("set b 'it\\'s \\n'\r\nget b\r\n", `+OK\r\n${bulk("it's \\n")}`);
  await client.expects('set empty ""\r\nget empty\r\n', `+OK\r\n${bulk('')}`);
  await client.expects('PUBLISH "c d" "e f"\r\nGET b\r\nPUBLISH "c d" x\r\n', `:0\r\n${bulk("it's \\n")}:0\r\n`);
  await endServer(server);
});

test('what is no command gets the replies before it, an error that says why, and the end', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const wrong = [
    ['*1\r\nPING\r\n', "expected '$', got 'P'"],
    ['*x\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'invalid bulk length'],
    ['*1\r\n$4x\r\n', 'invalid bulk length'],
    ['*' + '1'.repeat(70000), 'too big mbulk count string'],
    ['*1\r\n$' + '1'.repeat(70000), 'too big bulk count string'],
    ['x'.repeat(70000), 'too big inline request'],
    ['set "a\r\n', 'unbalanced quotes in request'],
    ['set "a"b c\r\n', 'unbalanced quotes in request'],
  ];
  for (const [bytes, error] of wrong) {
    const socket = await connect(t, server.port, { allowHalfOpen: true });
    const chunks = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(command('SET', 'a', 1) + command('INCR', 'a') + bytes);
    await once(socket, 'end'); // the server's, though we have not ended
    assert.strictEqual(String(Buffer.concat(chunks)), `+OK\r\n:2\r\n-ERR Protocol error: ${error}\r\n`);
    socket.end();
  }
  const socket = await connect(t, server.port, { allowHalfOpen: true });
  const got = await converse(socket, command('PING') + command('QUIT') + command('PING'));
  assert.strictEqual(String(got), '+PONG\r\n+OK\r\n');
  await endServer(server);
});

test('a command that cannot be carried out gets an error, and the next one its reply', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2, 4);
  const client = await enter(t, server.port);
  const type = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
  const unknown = (name, rest) => `-ERR unknown command '${name}', with args beginning with: ${rest}\r\n`;
  await client.expects(command('LPUSH', 'l', 'a', 'b') + command('MGET', 'l'), `:2\r\n${array('$-1\r\n')}`);
  await client.expects(command('GET', 'l') + command('INCR', 'l') + command('SADD', 'l', 'x'), type.repeat(3));
  await client.expects(command('SET', 'l', 'x') + command('LPOP', 'l'), `+OK\r\n${type}`);
  await client.expects(command('NOSUCH', 'a', 'b c'), unknown('NOSUCH', "'a' 'b c' "));
  await client.expects(command('NO\r\nSUCH'), unknown('NO  SUCH', ''));
  await client.expects(command('GET'), "-ERR wrong number of arguments for 'get' command\r\n");
  await client.expects(command('MSET', 'a', 'b', 'c'), "-ERR wrong number of arguments for 'mset' command\r\n");
  await client.expects(command('INCR', 'l'), '-ERR value is not an integer or out of range\r\n');
  await client.expects(command('SET', 'm', '9223372036854775807') + command('INCR', 'm'),
    '+OK\r\n-ERR increment or decrement would overflow\r\n');
  await client.expects(command('SELECT', '1') + command('HELLO', '3'),
    '-ERR DB index is out of range\r\n-NOPROTO unsupported protocol version\r\n');
  await client.expects(command('PING'), '+PONG\r\n');
  await endServer(server);
});

test('a key lives as long as it was told, and those that nobody asks for are removed as well', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2, 4);
  const client = await enter(t, server.port);
  const begin = Date.now();
  await client.expects(command('SET', 'b', 1, 'EX', 1000) + command('TTL', 'b'), '+OK\r\n:1000\r\n');
  await client.expects(command('SET', 'a', 1, 'PX', 300) + command('SET', 'c', 1) + command('PEXPIRE', 'c', 300) +
    command('DBSIZE'), '+OK\r\n+OK\r\n:1\r\n:3\r\n');
  for (let gone = false; !gone;) { // no look at the keys themselves
    client.socket.write(command('DBSIZE'));
    gone = (await client.until('\r\n')) === ':1\r\n';
  }
  assert.ok(Date.now() - begin >= 299);
  await client.expects(command('EXISTS', 'a', 'b', 'c') + command('TTL', 'a'), ':1\r\n:-2\r\n');
  await client.expects(command('EXPIRE', 'b', 0) + command('GET', 'b'), ':1\r\n$-1\r\n');
  await endServer(server);
});

const subscribed = (channel, count) => array(bulk('subscribe'), bulk(channel), `:${count}\r\n`);
const unsubscribed = (channel, count) => array(bulk('unsubscribe'), bulk(channel), `:${count}\r\n`);
const pushed = (channel, text) => array(bulk('message'), bulk(channel), bulk(text));

test('two subscribers hear all that is published from their confirmations on, in order', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const [one, two, says] = [await enter(t, server.port), await enter(t, server.port), await enter(t, server.port)];
  await one.expects(command('SUBSCRIBE', 'news', 'other', 'news'),
    subscribed('news', 1) + subscribed('other', 2) + subscribed('news', 2));
  await two.expects(command('GET', 'a') + command('SUBSCRIBE', 'news'), `$-1\r\n${subscribed('news', 1)}`);
  const texts = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
  await says.expects(texts.map((text) => command('PUBLISH', 'news', text)).join(''), ':2\r\n'.repeat(1000));
  await says.expects(command('PUBLISH', 'other', 'last') + command('PUBLISH', 'nobody', 'x'), ':1\r\n:0\r\n');
  const news = texts.map((text) => pushed('news', text)).join('');
  await one.hears(news + pushed('other', 'last'));
  await two.hears(news);
  await two.expects(command('GET', 'a'), "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / " +
    'QUIT / RESET are allowed in this context\r\n');
  await two.expects(command('PING') + command('PING', 'x'),
    array(bulk('pong'), bulk('')) + array(bulk('pong'), bulk('x')));
  await two.expects(command('UNSUBSCRIBE', 'news') + command('GET', 'a'), `${unsubscribed('news', 0)}$-1\r\n`);
  await says.expects(command('PUBLISH', 'news', 'x'), ':1\r\n');
  one.socket.destroy();
  await eventually(() => { says.socket.write(command('PUBLISH', 'news', 'x')); return says.got.endsWith(':0\r\n'); });
  await endServer(server);
});

test('nobody hears of a channel before he is told that he has subscribed, or after he has left', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const [hears, says] = [await enter(t, server.port), await enter(t, server.port)];
  let talks = true;
  const talking = (async () => {
    while (talks) {
      says.socket.write(command('PUBLISH', 'c', 'x').repeat(20));
      await says.when((got) => got.length === 80); // ":0" or ":1", twenty times
    }
  })();
  for (let round = 0; round < 200; round++) {
    hears.socket.write(command('MGET', 'a', 'b', 'd') + command('SUBSCRIBE', 'c'));
    const began = await hears.when((got) => got.includes('message'));
    hears.socket.write(command('UNSUBSCRIBE') + command('ECHO', 'end'));
    const got = began + (await hears.until(bulk('end')));
    const frames = got.replaceAll(pushed('c', 'x'), '!').replace(/!+/g, '!');
    const nothing = array('$-1\r\n', '$-1\r\n', '$-1\r\n');
    assert.strictEqual(frames, `${nothing}${subscribed('c', 1)}!${unsubscribed('c', 0)}${bulk('end')}`);
  }
  talks = false;
  await talking;
  await endServer(server);
});

test('who hears of something finds it done', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2, 8);
  const [hears, asks, says] = [await enter(t, server.port), await enter(t, server.port), await enter(t, server.port)];
  await hears.expects(command('SUBSCRIBE', 'set'), subscribed('set', 1));
  for (let i = 0; i < 300; i++) {
    says.socket.write(command('SET', `key ${i}`, i) + command('PUBLISH', 'set', i));
    await hears.until(pushed('set', String(i)));
    await asks.expects(command('GET', `key ${i}`), bulk(String(i)));
  }
  await endServer(server);
});

test('a client that does not read is not read either, and then gets all', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const [lazy, other] = [await enter(t, server.port), await enter(t, server.port)];
  const value = 'x'.repeat(2000), commands = command('GET', 'v').repeat(100);
  await other.expects(command('SET', 'v', value), '+OK\r\n');
  lazy.socket.pause();
  let sent = 0;
  while (lazy.socket.writableLength < 1000000) { // until the server takes no more: its side is full
    assert.ok(sent < 4000000, 'the server takes more than any limit');
    lazy.socket.write(commands);
    sent += 100;
    await other.expects(command('PING'), '+PONG\r\n');
  }
  let got = 0;
  lazy.socket.removeAllListeners('data').on('data', (text) => { got += text.length; });
  lazy.socket.resume();
  await eventually(() => got === sent * bulk(value).length);
  await endServer(server);
});

test('a subscriber who does not read is thrown out, and the others hear all', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2);
  const [lazy, hears, says] = [await enter(t, server.port), await enter(t, server.port), await enter(t, server.port)];
  for (const client of [lazy, hears]) await client.expects(command('SUBSCRIBE', 'c'), subscribed('c', 1));
  lazy.socket.pause();
  let [got, said] = [0, 0];
  const text = 'x'.repeat(100000), push = pushed('c', text).length;
  hears.socket.removeAllListeners('data').on('data', (part) => { got += part.length; });
  for (let listeners = 2; listeners === 2; said++) {
    assert.ok(said < 10000, 'the server keeps more than any limit');
    says.socket.write(command('PUBLISH', 'c', text));
    listeners = Number((await says.until('\r\n')).slice(1));
    await eventually(() => got >= said * push); // so that nobody but the sleeper is slow
  }
  await eventually(() => got === said * push);
  await endServer(server);
});

test('Ctrl-C ends it while everybody talks', limit, async (t) => {
  const server = await startServer(t, 'example-kv', 0, 2, 8);
  const clients = await Promise.all(Array.from({ length: 20 }, () => enter(t, server.port)));
  const say = (client, i) => client.socket.write(command('INCR', `key ${i}`) + command('MGET', 'a', 'b', 'c'));
  const chatter = setInterval(() => clients.forEach(say), 1);
  t.after(() => clearInterval(chatter));
  await eventually(() => clients[0].got.length > 2000);
  await endServer(server);
});

// Against redis. What it does with a key of a wrong type, with numbers that are none, with counts and ranges out of
// range: the same bytes must come back. redis-check-rdb is the same program as redis-server, and goes by its name; in
// Debian it comes with redis-cli, and nothing is started when it is installed.
const redis = { program: 'redis-check-rdb', options: { argv0: 'redis-server' } };

function hasRedis() {
  try {
    return execFileSync(redis.program, ['--version'], redis.options).length > 0;
  } catch {
    return false;
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function startRedis(t) {
  for (;;) {
    const port = await freePort();
    const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', '/'];
    const child = spawn(redis.program, options.map(String), { stdio: ['ignore', 'pipe', 'ignore'], ...redis.options });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
    const ended = once(child, 'close').then(() => { said += ' ended'; });
    await eventually(() => /Ready to accept connections| ended/.test(said));
    if (!said.includes(' ended')) return { port, end: () => { child.kill(); return ended; } };
  }
}

function randomCommand(random) {
  const key = () => random.pick(['a', 'b', 'c', 'd', 'e f', '', 'a key that is longer than the others']);
  const text = () => random.pick(['', 'x', '0', '7', '-3', '12', 'word', '9223372036854775807',
    '-9223372036854775808', ' 1', '1 ', '+1', '01', '1.5', 'abc\r\ndef', 'é', 'x'.repeat(random.below(300))]);
  const number = () => random.pick(['0', '1', '2', '-1', '-2', '5', '-100', '100', '3000000000', 'x', '', '1.0']);
  const time = () => random.pick(['100000', '0', '-5', 'x', '9223372036854775807']);
  const score = () => random.pick(['0', '1', '-1', '1.5', '0.1', '1e3', 'inf', '-inf', 'nan', 'x', '', '3.25', '17']);
  const member = () => random.pick(['m', 'n', 'o', 'mm', '', 'é']);
  const some = (make) => Array.from({ length: 1 + random.below(4) }, make);
  return random.pick([
    () => ['SET', key(), text()], () => ['SET', key(), text(), random.pick(['NX', 'XX', 'nx', 'xx', 'EX', 'zz'])],
    () => ['SET', key(), text(), random.pick(['EX', 'px']), time()],
    () => ['SET', key(), text(), 'EX', '100000', random.pick(['NX', 'XX', 'PX'])],
    () => ['GET', key()], () => ['get', key()], () => ['STRLEN', key()], () => ['APPEND', key(), text()],
    () => ['INCR', key()], () => ['DECR', key()], () => ['INCRBY', key(), text()], () => ['DECRBY', key(), text()],
    () => ['DEL', ...some(key)], () => ['EXISTS', ...some(key)], () => ['MGET', ...some(key)],
    () => ['MSET', ...some(() => [key(), text()]).flat()], () => ['TYPE', key()], () => ['DBSIZE'],
    () => ['EXPIRE', key(), time()],
    () => ['LPUSH', key(), ...some(text)], () => ['RPUSH', key(), ...some(text)], () => ['LLEN', key()],
    () => [random.pick(['LPOP', 'RPOP']), key()], () => [random.pick(['LPOP', 'RPOP']), key(), number()],
    () => ['LRANGE', key(), number(), number()], () => ['LRANGE', key(), '0', '-1'],
    () => ['SADD', key(), ...some(member)], () => ['SCARD', key()],
    () => ['HSET', key(), ...some(() => [member(), text()]).flat()], () => ['HGET', key(), member()],
    () => ['HSET', key(), member(), text(), member()],
    () => ['ZADD', key(), ...some(() => [score(), member()]).flat()], () => ['ZCARD', key()],
    () => ['ZADD', key(), score(), member()], () => ['ZPOPMIN', key()], () => ['ZPOPMIN', key(), number()],
    () => ['PING'], () => ['PING', text()], () => ['ECHO', text()], () => ['SELECT', random.pick(['0', '99', 'x'])],
    () => [random.pick(['GET', 'SET', 'MSET', 'ECHO', 'LRANGE', 'HSET', 'DBSIZE', 'PING', 'INCRBY']), ...some(text),
      ...some(text)],
    () => [random.pick(['GET', 'DEL', 'MGET', 'LPUSH', 'ZADD', 'PUBLISH', 'SUBSCRIBE'])],
    () => ['NOSUCH', ...some(text)],
    () => ['PUBLISH', key(), text()], () => (random.below(10) === 0 ? ['FLUSHALL'] : ['DEL', key()]),
  ])();
}

test('random commands, in random cuts, get from it what they get from redis', limit, async (t) => {
  if (!hasRedis()) {
    t.skip(`${redis.program} was not found`);
    return;
  }
  const [other, server] = [await startRedis(t), await startServer(t, 'example-kv', 0, 2, 5)];
  for (let round = 0; round < 40; round++) {
    const random = numbers(seed + round);
    const commands = [['FLUSHALL'], ...Array.from({ length: 400 }, () => randomCommand(random)), ['ECHO', 'the end']];
    const bytes = Buffer.from(commands.map((words) => command(...words)).join(''));
    const [ours, theirs] = await Promise.all([server, other].map(async ({ port }) => {
      const client = await enter(t, port);
      await sendCut(client.socket, bytes, numbers(seed + round), random.pick([3, 100, 5000]));
      const all = await client.until(bulk('the end'));
      client.socket.destroy();
      return all;
    }));
    if (ours !== theirs) explain(commands, ours, theirs, seed + round);
  }
  await endServer(server);
  await other.end();
});

// Cuts a text into replies.
function replies(text) {
  let at = 0;
  const one = () => {
    const end = text.indexOf('\r\n', at), line = text.slice(at, end), number = Number(line.slice(1));
    at = end + 2;
    if (line[0] === '$' && number >= 0) at += number + 2;
    let reply = line[0] === '$' ? text.slice(end - line.length, at) : line;
    for (let i = 0; line[0] === '*' && i < number; i++) reply += ` ${one()}`;
    return reply;
  };
  const list = [];
  while (at < text.length) list.push(one());
  return list;
}

function explain(commands, ours, theirs, from) {
  const [here, there] = [replies(ours), replies(theirs)];
  const index = here.findIndex((reply, i) => reply !== there[i]);
  const [what, mine, other] = [commands[index], here[index], there[index]].map((part) => JSON.stringify(part));
  assert.fail(`KV_SEED=${from}: ${what} gets ${mine}, from redis ${other}`);
}
