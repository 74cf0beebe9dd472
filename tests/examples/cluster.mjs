// docs/examples/cluster.c against clients made of Node's net.
import test from 'node:test';
import assert from 'node:assert';
import { connect, converse, endServer, launch, limit, program, startServer } from './support.mjs';

async function echoes(t, port, text) {
  const bytes = Buffer.from(text);
  assert.ok(bytes.equals(await converse(await connect(t, port, { allowHalfOpen: true }), bytes)));
}

const listening = (server) => [...server.words.matchAll(/child 0 listening/g)].length;

test('all children serve one port, and Ctrl-C ends them', limit, async (t) => {
  const server = await startServer(t, 'example-cluster');
  for (let i = 0; i < 20; i++)
    await echoes(t, server.port, `number ${i}`);
  await endServer(server);
});

// A child that stops ends its connections, be all of the question there or not; so what comes back may be cut.
test('SIGHUP replaces the children, and nobody is refused', limit, async (t) => {
  const server = await startServer(t, 'example-cluster');
  await echoes(t, server.port, 'before');
  server.child.kill('SIGHUP');
  while (listening(server) < 2) {
    const back = await converse(await connect(t, server.port, { allowHalfOpen: true }), 'meanwhile');
    assert.ok('meanwhile'.startsWith(back.toString()));
  }
  await endServer(server, 'SIGTERM');
});

test('a port that is none is refused', limit, async (t) => {
  const server = launch(t, program('example-cluster'), ['x']);
  const [code] = await server.exited;
  assert.strictEqual(code, 1);
  assert.match(server.words, /cluster: not a decimal number/);
});
