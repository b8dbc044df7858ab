import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DockerfileParser } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { build, must, root, run, temporary, text } from './parts.mjs';

const source = text('configs/container/Containerfile');
const file = DockerfileParser.parse(source);
const all = file.getInstructions();
const stages = [];
for (const one of all) {
  if (one.getKeyword() === 'FROM') stages.push({ from: one, name: one.getBuildStage(), image: one.getImage(), instructions: [] });
  stages.at(-1)?.instructions.push(one);
}
const [builder, node] = stages;
const [, prefix] = /^CAF_DIR:\w+=(.*)\/lib\/cmake\/CAF$/m.exec(readFileSync(join(build, 'CMakeCache.txt'), 'utf8'));
const of = (stage, keyword) => stage.instructions.filter((one) => one.getKeyword() === keyword);
const list = (stage, keyword) => of(stage, keyword)[0].getJSONStrings().map((one) => one.getJSONValue());

test('the container file is well-formed: a linter finds nothing in it', () => {
  assert.deepEqual(validate(source).map(({ message, range }) => `${range.start.line + 1}: ${message}`), []);
});

test('it is built in one stage and run in another, both of this Debian', () => {
  assert.deepEqual(stages.map(({ name, image }) => `${name} ${image}`), ['build debian:12', 'node debian:12-slim']);
});

test('what it copies is there, and reaches the builder', () => {
  const ignored = text('configs/container/Containerfile.dockerignore').split('\n').filter((line) => line && !line.startsWith('#'));
  assert.equal(ignored[0], '*');
  const let_in = ignored.slice(1).map((line) => line.slice(1));
  for (const name of let_in) assert.ok(existsSync(join(root, name)), name);
  const copied = of(builder, 'COPY').flatMap((one) => one.getArguments().slice(0, -1).map((argument) => argument.getValue()));
  assert.deepEqual(copied.sort(), let_in.sort());
  assert.equal(of(node, 'COPY').length, 0, 'no layer holds the package');
});

test('its steps name presets, targets and options that there are', () => {
  const [, compile] = of(builder, 'RUN').map((one) => one.getArgumentsContent());
  const [, preset] = /cmake --preset (\S+) -DTROUPE_TESTS=OFF/.exec(compile);
  const presets = JSON.parse(text('CMakePresets.json'));
  assert.ok(presets.configurePresets.some(({ name, hidden }) => name === preset && !hidden));
  const [, of_build, target] = /cmake --build --preset (\S+) --target (\S+)/.exec(compile);
  assert.ok(presets.buildPresets.some(({ name }) => name === of_build));
  assert.match(must('cmake', ['--build', build, '--target', 'help']), new RegExp(`^${target}: `, 'm'));
  assert.match(compile, new RegExp(`cpack --config build/${preset}/CPackConfig\\.cmake -B /package$`));
  assert.match(text('CMakeLists.txt'), /^option\(TROUPE_TESTS /m);
  assert.match(of(node, 'RUN')[1].toString(), /^RUN --mount=type=bind,from=build,source=\/package,target=\/package\s/);
  must(join(process.env.TROUPE_BIN, 'trouped'), [...list(node, 'CMD'), '--check-config']);
  assert.deepEqual(list(node, 'ENTRYPOINT'), ['trouped', '--config-dir=/etc/troupe']);
});

test('what it copies is all that the programs are made of', () => {
  const dir = temporary();
  for (const one of of(builder, 'COPY')) {
    const words = one.getArguments().map((argument) => argument.getValue());
    const to = words.pop();
    for (const name of words) cpSync(join(root, name), join(dir, to === './' ? name : to), { recursive: true });
  }
  must('cmake', ['-S', dir, '--preset', 'release', '-DTROUPE_TESTS=OFF'], { cwd: dir, env: { TROUPE_CAF: prefix } });
  assert.match(must('cmake', ['--build', '--preset', 'release', '--target', 'help'], { cwd: dir }), /^programs: /m);
  // What is installed beside the programs.
  for (const file of readFileSync(join(dir, 'build/release/cmake_install.cmake'), 'utf8').matchAll(/FILES? "([^"$]+)"/g))
    if (!/\/(bin|completion)\/[^/]+$/.test(file[1])) assert.ok(existsSync(file[1]), file[1]);
});

test('it runs as a user by number who is no root, and is asked whether it works', () => {
  assert.equal(of(node, 'USER').at(-1).getArgumentsContent(), '10001:10001');
  assert.ok(all.indexOf(of(node, 'USER').at(-1)) > all.indexOf(of(node, 'RUN').at(-1)));
  const [check] = of(node, 'HEALTHCHECK');
  assert.match(check.getArgumentsContent(), /CMD \["troupectl", "ready"\]$/);
  const { code, out } = run(join(process.env.TROUPE_BIN, 'troupectl'), ['ready', '--url=http://127.0.0.1:1']);
  assert.equal(code, 1);
  assert.match(out, /is trouped running\?/);
});

test('no layer gets a secret', () => {
  for (const one of all) {
    assert.ok(!['ARG', 'ADD'].includes(one.getKeyword()), one.toString());
    if (one.getKeyword() === 'ENV') assert.doesNotMatch(one.getArgumentsContent(), /key|token|secret|password|uri/i);
  }
});
