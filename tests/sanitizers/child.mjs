// A program that a test started, with the fault that FAULT names; the tests of this file look at nothing.
import { test } from 'node:test';
import { Program } from '../acceptance/harness/program.mjs';
import { soon } from '../acceptance/harness/wait.mjs';

test('a program runs to its end', async () => {
  await soon('its end', new Program('faulty', [process.env.FAULT]).exited, 60_000);
});
