// The pool whose workers fail and are killed: docs/examples/pool.c.
import test from 'node:test';
import assert from 'node:assert';
import { limit, run } from './support.mjs';

const words = /^pool: (\d+) jobs done, (\d+) wrong; (\d+) kills, (\d+) failures, (\d+) restarts\n$/;

async function play(jobs, kills) {
  const result = await run('example-pool', String(jobs), String(kills));
  assert.strictEqual(result.code, 0, result.words);
  const [, done, wrong, killed, failures, restarts] = words.exec(result.out).map(Number);
  assert.deepStrictEqual([done, wrong, killed], [jobs, 0, kills]);
  return { failures, restarts };
}

test('pool: every job is done once and right, whoever is killed', limit, async () => {
  const { failures, restarts } = await play(5000, 200);
  assert.ok(restarts > 0);
  assert.ok(restarts <= failures + 200, `${restarts} restarts, ${failures} failures`);
});

test('pool: workers that nobody kills get tired all the same', limit, async () => {
  const { failures, restarts } = await play(5000, 0);
  assert.ok(failures > 0);
  assert.strictEqual(restarts, failures);
});

test('pool: no jobs are refused', limit, async () => {
  const result = await run('example-pool', '0');
  assert.deepStrictEqual([result.code, result.words], [1, 'pool: invalid argument\n']);
});
