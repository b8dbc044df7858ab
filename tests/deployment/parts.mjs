import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/// The repository, and what CMake configured.
export const root = fileURLToPath(new URL('../..', import.meta.url));
export const build = process.env.TROUPE_BUILD;

/// What a file of the repository says.
export const text = (path) => readFileSync(join(root, path), 'utf8');

const directories = [];
process.on('exit', () => directories.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

/// Removed when the process ends.
export function temporary() {
  const dir = mkdtempSync(join(tmpdir(), 'troupe-deployment-'));
  directories.push(dir);
  return dir;
}

/// Runs a program to its end: {code, out}, out being both of its outputs.
export function run(command, args, { env = {}, input, cwd } = {}) {
  const done = spawnSync(command, args, { env: { ...process.env, ...env }, input, cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (done.error) throw done.error;
  return { code: done.status, out: done.stdout + done.stderr };
}

/// Its output; an error with it if the program fails.
export function must(command, args, options) {
  const { code, out } = run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${out}`);
  return out;
}

/// Writes PEM files at these paths, each with one and the same certificate and its key.
export function standIns(paths) {
  const made = join(temporary(), 'stand-in.pem');
  must('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=stand-in',
    '-keyout', made, '-out', `${made}.crt`]);
  const content = readFileSync(made, 'utf8') + readFileSync(`${made}.crt`, 'utf8');
  for (const path of paths) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}

/// A profile's copy whose PEM files, all below these directories, are stand-ins: {dir, files}.
export function withStandIns(profile, places) {
  const dir = temporary();
  const files = new Set();
  for (const name of readdirSync(profile).filter((one) => one.endsWith('.conf'))) {
    const content = readFileSync(join(profile, name), 'utf8').replace(/"(\/[^"?]+)"/g, (whole, path) => {
      if (!places.some((place) => path.startsWith(`${place}/`))) return whole;
      files.add(path);
      return `"${dir}${path}"`;
    });
    writeFileSync(join(dir, name), content);
  }
  standIns([...files].map((one) => join(dir, one)));
  return { dir, files: [...files] };
}

/// What `make install` installs, below a directory of its own.
export function install(prefix = '/usr') {
  const dir = temporary();
  must('cmake', ['--install', build, '--prefix', prefix, '--component', 'program', '--strip'], { env: { DESTDIR: dir } });
  return dir;
}

/// Builds the Debian package: the file's path.
export function makePackage() {
  const dir = temporary();
  must('cpack', ['--config', join(build, 'CPackConfig.cmake'), '-B', dir]);
  const [file] = execFileSync('find', [dir, '-maxdepth', '1', '-name', '*.deb'], { encoding: 'utf8' }).trim().split('\n');
  return file;
}
