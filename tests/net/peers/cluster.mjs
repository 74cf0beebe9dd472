// Node's cluster, our cluster and our workers play the same steps, and each step has the same outcome in all of them.
// Usage: node cluster.mjs PROCESSES WORKERS, the programs of cluster_peer.c and workers_peer.c.
import assert from 'node:assert';
import cluster from 'node:cluster';
import { spawn } from 'node:child_process';
import net from 'node:net';
import test from 'node:test';
import { once } from 'node:events';
import os from 'node:os';
import fs from 'node:fs';
import path from 'node:path';

// A worker: an order is a line of crew.h, and gets one answer.
if (cluster.isWorker) {
  const servers = new Map();
  const listen = (name, where, words) => {
    const options = /^[/@]/.test(where) ? { path: where } : { host: where, port: Number(words.shift()) };
    options.exclusive = words.includes('x');
    const server = net.createServer();
    server.once('error', (error) => process.send(error.code));
    server.listen(options, () => {
      servers.set(name, server);
      const address = server.address();
      process.send(`ok ${typeof address === 'string' ? 0 : address.port}`);
    });
  };
  process.on('message', (order) => {
    const [word, name, where, ...words] = order.split(' ');
    if (word === 'listen') {
      listen(name, where, words);
    } else {
      servers.get(name).close(() => process.send('ok'));
      servers.delete(name);
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send('ready'); // what came before would be lost
} else {
  const [processes, workers] = process.argv.slice(2);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'troupe-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));

  // In Node a worker whose listen() on a port has failed shares that port with nobody who listens there later, since its
  // index there has moved on. In ours it does (test_cluster_listen.c); so these steps end before that could show.
  //
  // Steps: "CHILD ORDER", where $A stands for the first port that was answered, $B for the second...
  const PLAYS = {
    'port 0 is one port in all': [
      '0 listen a 127.0.0.1 0', '1 listen a 127.0.0.1 0', '0 listen b 127.0.0.1 0', '1 listen b 127.0.0.1 0'],
    'port 0 after all have closed it': [
      '0 listen a 127.0.0.1 0', '1 listen a 127.0.0.1 0', '0 close a', '0 listen b 127.0.0.1 0', '1 close a',
      '0 close b', '0 listen c 127.0.0.1 0', '1 listen c 127.0.0.1 0'],
    'port 0 after one of two has closed it': [
      '0 listen a 127.0.0.1 0', '0 listen b 127.0.0.1 0', '1 listen a 127.0.0.1 0', '0 close a',
      '0 listen c 127.0.0.1 0', '1 listen b 127.0.0.1 0', '1 listen c 127.0.0.1 0'],
    'a port by its number is shared': [
      '0 listen a 127.0.0.1 $free', '1 listen a 127.0.0.1 $free', '0 close a', '0 listen b 127.0.0.1 $free',
      '0 close b', '1 close a', '1 listen c 127.0.0.1 $free', '0 listen c 127.0.0.1 $free'],
    'a worker does not listen twice': [
      '0 listen a 127.0.0.1 $free', '0 listen b 127.0.0.1 $free', '1 listen a 127.0.0.1 $free'],
    'exclusive first': [
      '0 listen a 127.0.0.1 $free x', '1 listen b 127.0.0.1 $free x', '0 close a', '1 listen c 127.0.0.1 $free',
      '0 listen c 127.0.0.1 $free'],
    'exclusive first, and shared in vain': [
      '0 listen a 127.0.0.1 $free x', '1 listen a 127.0.0.1 $free', '0 close a', '1 listen c 127.0.0.1 $free'],
    'exclusive second': [
      '0 listen a 127.0.0.1 $free', '1 listen a 127.0.0.1 $free x', '1 listen b 127.0.0.1 $free', '0 close a',
      '0 listen c 127.0.0.1 $free x', '1 close b', '0 listen d 127.0.0.1 $free x'],
    'exclusive on port 0': [
      '0 listen a 127.0.0.1 0 x', '1 listen a 127.0.0.1 0 x', '0 listen b 127.0.0.1 0', '1 listen b 127.0.0.1 0'],
    'a path is shared': [
      '0 listen a $path', '1 listen a $path', '0 close a', '0 listen b $path x', '0 listen c $path', '0 close c',
      '1 close a', '1 listen d $path'],
    'an address that is not ours': ['0 listen a 1.2.3.4 0', '1 listen a 1.2.3.4 0'],
  };

  async function freePort() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  // Ports have names by when they came up, so that two plays can be compared.
  async function play(steps, ask) {
    const names = new Map();
    const free = steps.join().includes('$free') ? await freePort() : 0; // else the kernel may give it to port 0
    names.set(String(free), 'free');
    const file = path.join(directory, String(Math.random()).slice(2));
    const outcomes = [];
    for (const step of steps) {
      const [, child, order] = step.match(/^(\d) (.*)$/);
      const answer = await ask(Number(child), order.replaceAll('$free', free).replaceAll('$path', file));
      outcomes.push(`${step}: ${answer.replace(/^ok ([1-9]\d*)$/, (_, port) => {
        if (!names.has(port)) names.set(port, `port ${names.size}`);
        return `ok ${names.get(port)}`;
      })}`);
    }
    return outcomes;
  }

  async function playInNode(steps) {
    const workers = [cluster.fork(), cluster.fork()];
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const outcomes = await play(steps, async (child, order) => {
      workers[child].send(order);
      return (await once(workers[child], 'message'))[0];
    });
    await Promise.all(workers.map((worker) => {
      const exit = once(worker, 'exit');
      worker.disconnect();
      return exit;
    }));
    return outcomes;
  }

  async function playInOurs(program, steps) {
    const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    const exit = once(child, 'exit');
    const answers = [], waiting = [];
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      answers.push(...lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2)));
      while (answers.length > 0 && waiting.length > 0)
        waiting.shift()(answers.shift());
    });
    const outcomes = await play(steps, (number, order) => {
      child.stdin.write(`${number} ${order}\n`);
      return new Promise((resolve) => (answers.length > 0 ? resolve(answers.shift()) : waiting.push(resolve)));
    });
    child.stdin.end();
    assert.deepStrictEqual(await exit, [0, null]);
    return outcomes;
  }

  for (const [name, steps] of Object.entries(PLAYS))
    test(name, async () => {
      const expected = await playInNode(steps);
      assert.deepStrictEqual(await playInOurs(processes, steps), expected, 'processes');
      assert.deepStrictEqual(await playInOurs(workers, steps), expected, 'workers');
    });
}
